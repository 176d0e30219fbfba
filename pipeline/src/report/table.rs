//! Tracks as a printed table.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use sightline_sink::TrackId;

/// One track, as a line of the table.
#[derive(Clone, Debug)]
pub struct TrackLine {
    /// Number of the track in this report, from 1.
    pub number: usize,
    /// Its id.
    pub track: TrackId,
    /// Name of the camera.
    pub camera: String,
    /// First time it was seen, unix nanoseconds.
    pub start_ns: i64,
    /// Last time it was seen, unix nanoseconds.
    pub end_ns: i64,
    /// Frames in which it was seen.
    pub detections: u32,
    /// Crops that were embedded and kept.
    pub sightings: u32,
}

/// Draws the table; `lines` that do not fit into `most` are counted below it.
pub fn track_table(lines: &[TrackLine], most: usize) -> String {
    let mut table = Table::new();
    *table.style_mut() = UTF8_HORIZONTAL_ONLY;
    table.set_header([
        "#", "camera", "from", "to", "seconds", "frames", "crops", "track",
    ]);
    for line in lines.iter().take(most) {
        let seconds = line.end_ns.saturating_sub(line.start_ns) as f64 / 1e9;
        table.add_row([
            line.number.to_string(),
            line.camera.clone(),
            clock(line.start_ns),
            clock(line.end_ns),
            format!("{seconds:.1}"),
            line.detections.to_string(),
            line.sightings.to_string(),
            line.track.to_string(),
        ]);
    }
    for column in [0, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let hidden = lines.len().saturating_sub(most);
    if hidden == 0 {
        table.to_string()
    } else {
        format!("{table}\nand {hidden} more")
    }
}

/// Time of day to tenths of a second, UTC; the date is left out.
pub fn clock(time_ns: i64) -> String {
    Timestamp::from_nanosecond(i128::from(time_ns)).map_or_else(
        |_| time_ns.to_string(),
        |time| time.strftime("%H:%M:%S%.1f").to_string(),
    )
}

/// RFC 3339 in UTC, as all JSON has it.
pub fn rfc3339(time_ns: i64) -> String {
    Timestamp::from_nanosecond(i128::from(time_ns))
        .map_or_else(|_| time_ns.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let line = |number: usize| TrackLine {
            number,
            track: TrackId::derive("site", "gate", 0, 0),
            camera: "gate".into(),
            start_ns: 1_500_000_000,
            end_ns: 4_000_000_000,
            detections: 25,
            sightings: 2,
        };
        let text = track_table(&(1..=5).map(line).collect::<Vec<_>>(), 3);
        assert!(
            text.contains("00:00:01.5") && text.contains("2.5") && text.ends_with("and 2 more"),
            "{text}"
        );
        assert_eq!(rfc3339(1_500_000_000), "1970-01-01T00:00:01.5Z");
    }
}
