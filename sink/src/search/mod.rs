//! Questions and answers.
//!
//! A track's similarity is the mean of two cosines: to the best of its sightings in the time asked
//! for, and to its mean vector. The first rewards one good view, the second forgives one bad one.
//! While the store is not huge every search is exact: filters included, nothing is missed. A person's similarity is that of
//! all its tracks taken as one.

mod answer;
mod browse;
#[cfg(test)]
mod example_tests;
mod filter;
mod measure;
mod moment;
mod people;
#[cfg(test)]
mod people_tests;
mod probe;
mod query;
mod rank;
#[cfg(test)]
mod tests;
mod why;

pub use answer::{Answer, Hit};
pub use measure::{FilterRates, SearchLoad, SearchRates, measure_search};
pub use query::{Direction, Filter, MAX_EXAMPLES, MAX_LIMIT, Query, QueryKind};

pub(crate) use rank::{answer, persons, similarities};
