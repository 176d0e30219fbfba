//! Where points lie: in the engine of this process, or on a server. One contract, one suite of tests for both.

mod changed;
pub(crate) mod embedded;
mod gaps;
pub(crate) mod server;
#[cfg(test)]
pub(crate) mod suite;
mod tidying;
mod translate;
mod wal;

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Result;

/// Points read at once, where all are read.
pub(crate) const PAGE: usize = 500;

/// A kind of points, with the fields that filters and orders use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collection {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(&'static str, Kind)],
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Keyword,
    Integer,
    Float,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Integer => "integer",
            Self::Float => "float",
        }
    }
}

/// One point a sighting.
pub(crate) const EXEMPLARS: Collection = Collection {
    name: "exemplars",
    fields: &[
        ("track", Kind::Keyword),
        ("site", Kind::Keyword),
        ("camera", Kind::Keyword),
        ("capture_us", Kind::Integer),
        ("size", Kind::Float),
    ],
};

/// One point a track.
pub(crate) const TRACKLETS: Collection = Collection {
    name: "tracklets",
    fields: &[
        ("site", Kind::Keyword),
        ("camera", Kind::Keyword),
        ("person", Kind::Keyword),
        ("start_us", Kind::Integer),
        ("end_us", Kind::Integer),
        ("duration_us", Kind::Integer),
        ("size", Kind::Float),
    ],
};

/// A point as it is written. Vectors are normalised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) id: Uuid,
    pub(crate) vectors: Vec<(String, Vec<f32>)>,
    pub(crate) payload: Map<String, Value>,
}

/// A point as it is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: Uuid,
    /// Cosine to what was searched for; 0 where nothing was.
    pub(crate) score: f32,
    /// Empty unless they were asked for.
    pub(crate) vectors: Vec<(String, Vec<f32>)>,
    pub(crate) payload: Map<String, Value>,
}

/// What points must meet; everything meets the empty one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Where {
    pub(crate) must: Vec<Condition>,
    pub(crate) must_not: Vec<Condition>,
}

/// A condition on one field of the payload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// It is one of these.
    Any(&'static str, Vec<String>),
    /// It lies between these, both included.
    Range(&'static str, Option<f64>, Option<f64>),
}

/// In which order points are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) by: &'static str,
    pub(crate) is_falling: bool,
}

impl Where {
    pub(crate) fn all_of(must: Vec<Condition>) -> Self {
        Self {
            must,
            must_not: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.must.is_empty() && self.must_not.is_empty()
    }

    pub(crate) fn and(mut self, condition: Condition) -> Self {
        self.must.push(condition);
        self
    }
}

impl Condition {
    pub(crate) fn is(key: &'static str, value: &impl ToString) -> Self {
        Self::Any(key, vec![value.to_string()])
    }

    pub(crate) fn any<T: ToString>(key: &'static str, values: &[T]) -> Self {
        Self::Any(key, values.iter().map(ToString::to_string).collect())
    }

    /// For whole numbers up to 2^53, which microseconds are for the next two centuries.
    pub(crate) fn at_least(key: &'static str, value: i64) -> Self {
        Self::Range(key, Some(value as f64), None)
    }

    pub(crate) fn at_most(key: &'static str, value: i64) -> Self {
        Self::Range(key, None, Some(value as f64))
    }
}

/// A collection of points. Calls block; they may come from any thread that is not one of an async runtime.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    /// Inserts points, or replaces the ones with the same ids.
    fn upsert(&self, points: Vec<Point>) -> Result<()>;

    /// Sets some fields of a point's payload.
    fn set_payload(&self, id: Uuid, fields: Map<String, Value>) -> Result<()>;

    /// The points with these ids that are there, in no certain order.
    fn retrieve(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Found>>;

    /// The points nearest to `vector`, best first.
    fn search(
        &self,
        name: &str,
        vector: &[f32],
        filter: &Where,
        limit: usize,
        is_exact: bool,
    ) -> Result<Vec<Found>>;

    /// The first points in an order, without vectors.
    fn ordered(&self, filter: &Where, order: Order, limit: usize) -> Result<Vec<Found>>;

    /// A page of points in the order of their ids, and where the next page begins.
    fn page(
        &self,
        filter: &Where,
        from: Option<Uuid>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<(Vec<Found>, Option<Uuid>)>;

    /// How many points pass a filter.
    fn count(&self, filter: &Where) -> Result<u64>;

    /// Deletes the points that pass a filter, which must not be empty.
    fn delete(&self, filter: &Where) -> Result<()>;

    /// Deletes points by their ids; those that are not there are none.
    fn delete_ids(&self, ids: &[Uuid]) -> Result<()>;

    /// Whether a search among `candidates` points shall compare every one of them.
    fn is_exact_for(&self, candidates: u64) -> bool;

    /// Makes everything written so far durable.
    fn flush(&self) -> Result<()>;

    /// Tidies up where that is due. Takes a while, in which everything else goes on but [`Engine::scrub`]. Says whether
    /// anything was done.
    fn optimize(&self) -> Result<bool>;

    /// Makes the bytes of deleted points go from the disk too, not only from answers, as far as that is in reach.
    fn scrub(&self) -> Result<()>;

    /// Hands on every point that passes a filter, page by page.
    fn pages(
        &self,
        filter: &Where,
        with_vectors: bool,
        take: &mut dyn FnMut(Vec<Found>) -> Result<()>,
    ) -> Result<()> {
        let mut from = None;
        loop {
            let (found, next) = self.page(filter, from, PAGE, with_vectors)?;
            take(found)?;
            match next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Every point that passes a filter, without vectors.
    fn every(&self, filter: &Where) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        self.pages(filter, false, &mut |mut found| {
            all.append(&mut found);
            Ok(())
        })?;
        Ok(all)
    }

    /// Which of these points are not there.
    fn missing(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let mut missing: HashSet<Uuid> = ids.iter().copied().collect();
        for some in ids.chunks(PAGE) {
            for found in self.retrieve(some, false)? {
                missing.remove(&found.id);
            }
        }
        Ok(missing)
    }
}
