//! A picture with what speaks for it and against it drawn over its places.

use ndarray::Array2;

use super::canvas::{Canvas, LARGE, Rgb, SMALL};

const BACKGROUND: Rgb = [24, 26, 30];
const BRIGHT: Rgb = [235, 235, 235];
const DIM: Rgb = [150, 155, 160];
/// What speaks for it, and what against.
const FOR: Rgb = [255, 120, 0];
const AGAINST: Rgb = [40, 110, 255];
const PANEL_PX: [u32; 2] = [160, 320];
const GAP_PX: u32 = 12;
const TITLE_PX: u32 = 34;
const LABEL_PX: u32 = 34;
const LEGEND_PX: u32 = 22;
/// The least fall of similarity that is drawn at full strength: less is next to nothing, whatever the others do.
const LEAST_FULL: f32 = 0.02;

/// What one question says of the picture.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What was asked.
    pub label: String,
    /// Cosine similarity of the whole picture.
    pub similarity: f32,
    /// Rows x columns of places: how far the similarity falls without each.
    pub falls: Array2<f32>,
}

/// Draws the picture, and one panel beside it for each question. All panels have one scale.
pub fn draw(title: &str, picture: &Canvas, panels: &[Panel]) -> Canvas {
    let [width, height] = PANEL_PX;
    let count = u32::try_from(panels.len()).unwrap_or(u32::MAX) + 1;
    let mut canvas = Canvas::new(
        GAP_PX + count * (width + GAP_PX),
        TITLE_PX + LABEL_PX + height + LEGEND_PX + GAP_PX,
        BACKGROUND,
    );
    canvas.text(GAP_PX.cast_signed(), 10, title, &LARGE, BRIGHT);
    let full = full_strength(panels);
    let shown = stretched(picture);
    let top = TITLE_PX.cast_signed();
    for place in 0..count {
        let left = (GAP_PX + place * (width + GAP_PX)).cast_signed();
        let panel = place
            .checked_sub(1)
            .and_then(|place| panels.get(place as usize));
        let Some(panel) = panel else {
            canvas.label(left, top, "the picture", width, BRIGHT);
            canvas.paste(left, top + LABEL_PX.cast_signed(), &shown);
            continue;
        };
        canvas.label(left, top, &panel.label, width, BRIGHT);
        let similarity = format!("similarity {:.3}", panel.similarity);
        canvas.label(left, top + 14, &similarity, width, DIM);
        canvas.paste(
            left,
            top + LABEL_PX.cast_signed(),
            &heated(&shown, &panel.falls, full),
        );
    }
    let bottom = (TITLE_PX + LABEL_PX + height + 6).cast_signed();
    let left = GAP_PX.cast_signed();
    canvas.fill(left, bottom, 10, 10, FOR);
    canvas.text(
        left + 16,
        bottom,
        &format!("for it (-{full:.3} without)"),
        &SMALL,
        DIM,
    );
    if panels
        .iter()
        .any(|panel| panel.falls.iter().any(|&fall| fall < 0.0))
    {
        let left = left + 176;
        canvas.fill(left, bottom, 10, 10, AGAINST);
        canvas.text(left + 16, bottom, "against it", &SMALL, DIM);
    }
    canvas
}

/// The fall that is drawn at full strength.
fn full_strength(panels: &[Panel]) -> f32 {
    panels
        .iter()
        .flat_map(|panel| panel.falls.iter())
        .fold(LEAST_FULL, |most, fall| most.max(fall.abs()))
}

/// The picture over the whole of a panel, as the network sees it: stretched.
fn stretched(picture: &Canvas) -> Canvas {
    let [width, height] = PANEL_PX;
    let mut target = Canvas::new(width, height, [0; 3]);
    let (from_width, from_height) = (picture.width() as usize, picture.height() as usize);
    let pixels = target.pixels_mut().chunks_exact_mut(3);
    for (at, pixel) in pixels.enumerate() {
        let row = (at / width as usize) * from_height / height as usize;
        let column = (at % width as usize) * from_width / width as usize;
        let from = (row * from_width + column) * 3;
        pixel.copy_from_slice(&picture.pixels()[from..from + 3]);
    }
    target
}

/// The picture in grey, its places coloured by what they do.
fn heated(picture: &Canvas, falls: &Array2<f32>, full: f32) -> Canvas {
    let mut target = picture.clone();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    for (at, pixel) in target.pixels_mut().chunks_exact_mut(3).enumerate() {
        let share = smooth(
            falls,
            (at / width) as f32 / height as f32,
            (at % width) as f32 / width as f32,
        ) / full;
        let color = if share >= 0.0 { FOR } else { AGAINST };
        let strength = 0.8 * share.abs().min(1.0);
        let grey = pixel.iter().map(|&value| f32::from(value)).sum::<f32>() / 3.0;
        for (value, color) in pixel.iter_mut().zip(color) {
            *value = (grey + strength * (f32::from(color) - grey)) as u8;
        }
    }
    target
}

/// The value at a point of the picture, both shares of its sides, between the middles of places.
fn smooth(falls: &Array2<f32>, down: f32, right: f32) -> f32 {
    let (rows, columns) = falls.dim();
    let place = |share: f32, count: usize| {
        let at = (share * count as f32 - 0.5).clamp(0.0, count as f32 - 1.0);
        let low = at as usize;
        (low, (low + 1).min(count - 1), at - low as f32)
    };
    let (top, bottom, down) = place(down, rows);
    let (left, other, right) = place(right, columns);
    let line = |row: usize| falls[(row, left)] * (1.0 - right) + falls[(row, other)] * right;
    line(top) * (1.0 - down) + line(bottom) * down
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn what_speaks_for_it_is_orange_and_what_against_it_blue() {
        let picture = Canvas::new(16, 32, [90, 90, 90]);
        let panel = |falls| Panel {
            label: "a very long clause that does not fit over its panel".into(),
            similarity: 0.4,
            falls,
        };
        let drawn = draw(
            "why",
            &picture,
            &[panel(array![[0.1, 0.1], [-0.1, 0.0]]), panel(array![[0.0]])],
        );
        let left = GAP_PX + PANEL_PX[0] + GAP_PX;
        let pixel = |x: u32, y: u32| {
            let at = ((TITLE_PX + LABEL_PX + y) * drawn.width() + x) as usize * 3;
            [0, 1, 2].map(|channel| drawn.pixels()[at + channel])
        };
        assert_eq!(pixel(GAP_PX + 5, 5), [90, 90, 90]);
        let [red, _, blue] = pixel(left + 5, 5);
        assert!(red > 200 && blue < 60, "{red} {blue}");
        let [red, _, blue] = pixel(left + 5, PANEL_PX[1] - 5);
        assert!(blue > 200 && red < 80, "{red} {blue}");
        let empty = pixel(left + PANEL_PX[0] + GAP_PX + 5, 5);
        assert_eq!(empty, [90, 90, 90]);
    }

    #[test]
    fn noise_is_not_drawn_as_if_it_were_something() {
        let faint = Panel {
            label: String::new(),
            similarity: 0.0,
            falls: array![[1e-4, -1e-4]],
        };
        assert!((full_strength(&[faint]) - LEAST_FULL).abs() < 1e-9);
        assert!((full_strength(&[]) - LEAST_FULL).abs() < 1e-9);
    }

    #[test]
    fn between_two_places_lies_their_mean() {
        let falls = array![[0.0, 1.0]];
        assert!((smooth(&falls, 0.5, 0.5) - 0.5).abs() < 1e-6);
        assert!((smooth(&falls, 0.0, 0.0)).abs() < 1e-6);
        assert!((smooth(&falls, 1.0, 1.0) - 1.0).abs() < 1e-6);
    }
}
