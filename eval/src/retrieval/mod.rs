//! Retrieval: who comes first when a gallery is ranked for a query.

mod bootstrap;
mod distance;
mod images;
mod rank;
mod rerank;
mod text;

pub use bootstrap::{Interval, bootstrap};
pub use distance::{cosine_distances, squared_euclidean_distances};
pub use images::{ImageScores, QueryScore, rank_images, ranked_for};
pub use rank::nearest_first;
pub use rerank::{Rerank, k_reciprocal_rerank};
pub use text::{TextScores, rank_texts};

/// Who is in a picture, and which camera took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Identity; [`JUNK`] marks a gallery picture that is no fault to find and no merit.
    pub id: i64,
    /// Camera.
    pub camera: u32,
}

/// Identity of junk in Market-1501: badly cut boxes of people; neither right nor wrong.
pub const JUNK: i64 = -1;
