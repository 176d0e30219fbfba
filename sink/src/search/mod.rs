//! Questions and answers.

mod answer;
mod query;

pub use answer::{Answer, Hit};
pub use query::{Filter, MAX_LIMIT, Query, QueryKind};
