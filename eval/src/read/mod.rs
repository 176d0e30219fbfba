//! Files of tracks and of datasets: lines and names into numbers, or one line of complaint.

mod aicity;
mod cuhk;
mod lines;
mod market;
mod motchallenge;
mod msmt;
mod occluded;
mod sources;

pub use aicity::{SceneRow, parse_scene, read_scene};
pub use cuhk::{Caption, Captioned, read_cuhk_pedes, read_sentences};
pub use market::{Market, Picture, read_market, read_pictures};
pub use motchallenge::{
    GroundTruth, Role, parse_ground_truth, parse_tracks, read_ground_truth, read_tracks,
};
pub use msmt::read_msmt;
pub use occluded::read_occluded;
pub use sources::{
    MotPair, Pairing, ScenePair, SceneSource, pair_scenes, pair_sequences, read_pair,
};

/// Reads a dataset of pictures by what lies in its folder: Market-1501 and those laid out like it (`query/`), MSMT17
/// (`list_query.txt`), Occluded-REID (`occluded_body_images/`); none if it is neither.
///
/// # Errors
/// As [`read_market`], [`read_msmt`] and [`read_occluded`].
pub fn read_published(root: &std::path::Path) -> Result<Option<Market>, crate::EvalError> {
    if msmt::is_msmt(root) {
        read_msmt(root).map(Some)
    } else if occluded::is_occluded(root) {
        read_occluded(root).map(Some)
    } else if root.join("query").is_dir() || root.join("bounding_box_test").is_dir() {
        read_market(root).map(Some)
    } else {
        Ok(None)
    }
}

/// One box of one identity in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Frame number as in the file.
    pub frame: u32,
    /// Identity or track number as in the file.
    pub id: u64,
    /// Left, top, width, height in pixels.
    pub bbox: [f64; 4],
}

/// Most boxes that one frame of one camera may have: the work on a frame grows faster than their number.
pub const MOST_BOXES_A_FRAME: usize = 1000;
/// Most rows of a file.
pub const MOST_ROWS: usize = 20_000_000;
/// Greatest frame number: eleven days at 10 frames/s.
pub const MOST_FRAMES: u32 = 10_000_000;
