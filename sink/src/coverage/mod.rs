//! What each camera watched, so that "nobody was seen" is never said of a time when nobody looked.

mod answer;
mod book;
mod interval;
mod timeline;

pub use answer::{CameraCoverage, Interval, describe};
pub use timeline::SILENCE_NS;

pub(crate) use book::CoverageBook;
