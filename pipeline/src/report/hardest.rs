//! The queries of a dataset that were answered worst, each with its first results, for a person to look at.

use super::canvas::{Canvas, LARGE, Rgb, SMALL};

/// Queries that are shown.
pub const MOST_QUERIES: usize = 16;
/// Results that are shown of each.
pub const MOST_RANKED: usize = 10;

const BACKGROUND: Rgb = [24, 26, 30];
const BRIGHT: Rgb = [235, 235, 235];
const DIM: Rgb = [150, 155, 160];
const RIGHT: Rgb = [60, 200, 90];
const WRONG: Rgb = [215, 70, 60];
const CROP_PX: [u32; 2] = [64, 128];
const FRAME_PX: u32 = 3;
const GAP_PX: u32 = 8;
const TITLE_PX: u32 = 46;
const WORDS_PX: u32 = 250;
/// Letters of a line of words, and lines of them.
const LINE_LETTERS: usize = 40;
const MOST_LINES: usize = 8;

/// What asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A picture.
    Picture(Canvas),
    /// A sentence, and the picture that it was written about.
    Sentence(String, Canvas),
}

/// One result.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// What came there.
    pub picture: Canvas,
    /// Whether it shows the person asked for.
    pub is_right: bool,
}

/// A query with its first results.
#[derive(Clone, Debug)]
pub struct Row {
    /// What asked.
    pub asked: Asked,
    /// Place of the first right result, from 1.
    pub first_rank: usize,
    /// Mean precision over the right places.
    pub average_precision: f64,
    /// The results, best first.
    pub ranked: Vec<Ranked>,
}

/// Draws a row for each query: what asked, how it went, what came.
pub fn draw(title: &str, rows: &[Row]) -> Canvas {
    let lines = u32::try_from(rows.len().max(1)).unwrap_or(u32::MAX);
    let results = u32::try_from(MOST_RANKED).unwrap_or(u32::MAX);
    let cell = CROP_PX.map(|side| side + 2 * FRAME_PX);
    let results_left = 3 * GAP_PX + cell[0] + WORDS_PX;
    let width = results_left + results * (cell[0] + GAP_PX);
    let height = TITLE_PX + lines * (cell[1] + GAP_PX);
    let mut canvas = Canvas::new(width, height, BACKGROUND);
    let left = GAP_PX.cast_signed();
    canvas.text(left, 8, title, &LARGE, BRIGHT);
    canvas.text(
        left,
        28,
        "left: who was asked for; right: the first results, the right person in green",
        &SMALL,
        DIM,
    );
    for (line, row) in rows.iter().enumerate() {
        let top = (TITLE_PX + line as u32 * (cell[1] + GAP_PX)).cast_signed();
        let (sentence, picture) = match &row.asked {
            Asked::Picture(picture) => (None, picture),
            Asked::Sentence(sentence, picture) => (Some(sentence), picture),
        };
        framed(&mut canvas, [left, top], picture, DIM);
        let words = left + (cell[0] + GAP_PX).cast_signed();
        let score = format!(
            "first right: place {}, AP {:.3}",
            row.first_rank, row.average_precision
        );
        canvas.label(words, top, &score, WORDS_PX, BRIGHT);
        let said = sentence.map(|text| folded(text)).unwrap_or_default();
        for (number, text) in said.iter().enumerate() {
            let down = 16 + 13 * number as i32;
            canvas.label(words, top + down, text, WORDS_PX, DIM);
        }
        for (place, ranked) in row.ranked.iter().take(MOST_RANKED).enumerate() {
            let x = (results_left + place as u32 * (cell[0] + GAP_PX)).cast_signed();
            let color = if ranked.is_right { RIGHT } else { WRONG };
            framed(&mut canvas, [x, top], &ranked.picture, color);
        }
    }
    canvas
}

fn framed(canvas: &mut Canvas, at: [i32; 2], picture: &Canvas, color: Rgb) {
    let [width, height] = CROP_PX;
    let frame = FRAME_PX.cast_signed();
    let cell = CROP_PX.map(|side| side + 2 * FRAME_PX);
    canvas.fill(at[0], at[1], cell[0], cell[1], color);
    canvas.paste(
        at[0] + frame,
        at[1] + frame,
        &picture.scaled_into(width, height),
    );
}

/// A sentence in lines.
fn folded(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= LINE_LETTERS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        if let Some(last) = lines.last_mut() {
            last.push_str(" ..");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_results_have_another_frame_than_wrong_ones() {
        let picture = Canvas::new(10, 20, [90; 3]);
        let ranked = |is_right| Ranked {
            picture: picture.clone(),
            is_right,
        };
        let drawn = draw(
            "hardest",
            &[Row {
                asked: Asked::Sentence("a man in grey".into(), picture.clone()),
                first_rank: 2,
                average_precision: 0.5,
                ranked: vec![ranked(false), ranked(true)],
            }],
        );
        let count = |color: Rgb| {
            let pixels = drawn.pixels().chunks_exact(3);
            pixels.filter(|pixel| **pixel == color).count()
        };
        let cell = CROP_PX.map(|side| side + 2 * FRAME_PX);
        let frame = (cell[0] * cell[1] - CROP_PX[0] * CROP_PX[1]) as usize;
        assert_eq!((count(RIGHT), count(WRONG)), (frame, frame));
        assert!(draw("none", &[]).height() > 0);
    }

    #[test]
    fn a_sentence_is_folded_at_words() {
        assert_eq!(folded("a man in grey"), ["a man in grey"]);
        let long = folded(&"somebody with a bag ".repeat(40));
        assert_eq!(long.len(), MOST_LINES);
        assert!(
            long.iter()
                .all(|line| line.chars().count() <= LINE_LETTERS + 3)
        );
        assert_eq!(folded(""), [""]);
    }
}
