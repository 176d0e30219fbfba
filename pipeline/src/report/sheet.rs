//! The contact sheet: the best crops of each track in one picture, for a person to look at.

use super::canvas::{Canvas, LARGE, Rgb, SMALL, track_color};

/// Size of a crop on the sheet, pixels.
pub const CELL_WIDTH_PX: u32 = 64;
/// See [`CELL_WIDTH_PX`].
pub const CELL_HEIGHT_PX: u32 = 128;
/// Crops of a track that fit in its row.
pub const CROPS_PER_TRACK: usize = 8;
/// Tracks on a sheet; the longest ones go on it, and the title says how many there were.
pub const MAX_TRACKS: usize = 120;

const BACKGROUND: Rgb = [24, 26, 30];
const BRIGHT: Rgb = [235, 235, 235];
const DIM: Rgb = [150, 155, 160];
const LABEL_WIDTH_PX: u32 = 132;
const GAP_PX: u32 = 4;
const TITLE_HEIGHT_PX: u32 = 26;

/// One row: a track and its crops in order of time.
#[derive(Clone, Debug)]
pub struct SheetRow {
    /// Number of the track in the printed table; decides its colour as well.
    pub number: usize,
    /// Up to three short lines beside the crops.
    pub labels: Vec<String>,
    /// Crops of [`CELL_WIDTH_PX`] x [`CELL_HEIGHT_PX`] pixels.
    pub crops: Vec<Canvas>,
}

/// Draws the sheet: two columns of tracks, each a row of crops.
pub fn contact_sheet(title: &str, rows: &[SheetRow]) -> Canvas {
    let shown = &rows[..rows.len().min(MAX_TRACKS)];
    let columns = if shown.len() > 6 { 2 } else { 1 };
    let lines = shown.len().div_ceil(columns).max(1);
    let crops = u32::try_from(CROPS_PER_TRACK).unwrap_or(u32::MAX);
    let column_width = LABEL_WIDTH_PX + crops * (CELL_WIDTH_PX + GAP_PX) + 2 * GAP_PX;
    let row_height = CELL_HEIGHT_PX + GAP_PX;
    let width = column_width * u32::try_from(columns).unwrap_or(1);
    let height = TITLE_HEIGHT_PX + row_height * u32::try_from(lines).unwrap_or(1) + GAP_PX;
    let mut sheet = Canvas::new(width, height, BACKGROUND);
    sheet.text(6, 6, title, &LARGE, BRIGHT);
    for (index, row) in shown.iter().enumerate() {
        let (column, line) = (index / lines, index % lines);
        let left = (column as u32 * column_width + GAP_PX).cast_signed();
        let top = (TITLE_HEIGHT_PX + line as u32 * row_height).cast_signed();
        sheet.fill(left, top, 4, CELL_HEIGHT_PX, track_color(row.number));
        sheet.text(
            left + 8,
            top + 2,
            &format!("track {}", row.number),
            &LARGE,
            BRIGHT,
        );
        for (label, text) in row.labels.iter().enumerate() {
            sheet.text(left + 8, top + 22 + 13 * label as i32, text, &SMALL, DIM);
        }
        for (place, crop) in row.crops.iter().take(CROPS_PER_TRACK).enumerate() {
            let x = left + (LABEL_WIDTH_PX + place as u32 * (CELL_WIDTH_PX + GAP_PX)).cast_signed();
            sheet.paste(x, top, crop);
        }
    }
    sheet
}

/// Which `keep` of `count` things in order of time to show: the first, the last, and evenly between.
pub fn spread(count: usize, keep: usize) -> Vec<usize> {
    if count <= keep {
        return (0..count).collect();
    }
    let last = keep.saturating_sub(1).max(1);
    (0..keep).map(|place| place * (count - 1) / last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_grows_with_its_tracks() {
        let row = |number| SheetRow {
            number,
            labels: vec!["gate".into()],
            crops: vec![Canvas::new(CELL_WIDTH_PX, CELL_HEIGHT_PX, [200, 0, 0]); 3],
        };
        let few = contact_sheet("few", &[row(1)]);
        let many = contact_sheet("many", &(1..=9).map(row).collect::<Vec<_>>());
        assert!(many.width() > few.width() && many.height() > few.height());
        assert!(
            few.pixels()
                .chunks_exact(3)
                .any(|pixel| pixel == [200, 0, 0])
        );
        assert!(contact_sheet("none", &[]).height() > 0);
    }

    #[test]
    fn a_spread_keeps_the_ends() {
        assert_eq!(spread(3, 8), vec![0, 1, 2]);
        assert_eq!(spread(9, 3), vec![0, 4, 8]);
        assert_eq!(spread(5, 1), vec![0]);
    }
}
