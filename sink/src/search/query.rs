//! What can be asked.

use serde::{Deserialize, Serialize};

use crate::event::{MAX_DIMENSION, MAX_NAME_BYTES};
use crate::{Error, PersonId, Result, TrackId};

/// Most hits that one query may ask for.
pub const MAX_LIMIT: usize = 1000;

/// Most tracks that one query may name as examples.
pub const MAX_EXAMPLES: usize = 40;

/// A question to the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Who or what is looked for.
    pub kind: QueryKind,
    /// What restricts the search.
    #[serde(default)]
    pub filter: Filter,
    /// Most hits wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
}

/// Who or what is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum QueryKind {
    /// Tracks that look like a vector.
    Vector {
        /// The kind of vector: `appearance` or `joint`.
        name: String,
        /// The model that made it; refused when the store holds another one's.
        model: String,
        /// Its values, of any length but zero.
        values: Vec<f32>,
    },
    /// Tracks that look like a track of the store, that one left out.
    Track {
        /// The track.
        track: TrackId,
        /// The kind of vector to compare by.
        name: String,
    },
    /// Tracks that look like some tracks of the store and unlike others, and like a vector where one is given. The named
    /// tracks are left out.
    Examples {
        /// The kind of vector to compare by.
        name: String,
        /// What is looked for beside the examples.
        also: Option<Direction>,
        /// Tracks that are right.
        like: Vec<TrackId>,
        /// Tracks that are wrong.
        unlike: Vec<TrackId>,
    },
    /// All tracks, newest first.
    Time,
}

/// A vector and the model that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// The model; refused when the store holds another one's.
    pub model: String,
    /// Its values, of any length but zero.
    pub values: Vec<f32>,
}

/// What restricts a search. A track passes when all parts that are given hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Any of these cameras; empty: all.
    pub cameras: Vec<String>,
    /// The site.
    pub site: Option<String>,
    /// Only tracks of this person, as it is now.
    pub person: Option<PersonId>,
    /// The track was still seen at or after this, Unix time in ns.
    pub from_ns: Option<i64>,
    /// The track had begun at or before this, Unix time in ns.
    pub to_ns: Option<i64>,
    /// Shortest time between first and newest detection, in ns.
    pub min_duration_ns: Option<i64>,
    /// Longest time between first and newest detection, in ns.
    pub max_duration_ns: Option<i64>,
    /// Smallest height of the track's tallest stored box, as a fraction of the picture's height.
    pub min_size: Option<f32>,
}

impl Query {
    /// Refuses what cannot be asked.
    ///
    /// # Errors
    ///
    /// [`Error::Query`], saying what is wrong and what would be right.
    pub fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::Query { what });
        if self.limit == 0 || self.limit > MAX_LIMIT {
            return refused(format!(
                "limit is {}, expected 1 to {MAX_LIMIT}",
                self.limit
            ));
        }
        match &self.kind {
            QueryKind::Vector { name, values, .. } => check_direction(name, values)?,
            QueryKind::Examples {
                name,
                also,
                like,
                unlike,
            } => {
                let count = like.len() + unlike.len();
                if count > MAX_EXAMPLES {
                    return refused(format!("{count} examples, expected at most {MAX_EXAMPLES}"));
                }
                match also {
                    Some(also) => check_direction(name, &also.values)?,
                    None if like.is_empty() => {
                        return refused(
                            "nothing to look for, expected a track that is right".into(),
                        );
                    }
                    None => {}
                }
            }
            QueryKind::Track { .. } | QueryKind::Time => {}
        }
        self.filter.check()
    }
}

fn check_direction(name: &str, values: &[f32]) -> Result<()> {
    let refused = |what: String| Err(Error::Query { what });
    if values.is_empty() || values.len() > MAX_DIMENSION {
        let len = values.len();
        return refused(format!(
            "vector `{name}` has {len} values, expected 1 to {MAX_DIMENSION}"
        ));
    }
    if !values.iter().all(|value| value.is_finite()) || values.iter().all(|v| *v == 0.0) {
        return refused(format!(
            "vector `{name}` is zero or not finite, expected a direction"
        ));
    }
    Ok(())
}

impl Filter {
    fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::Query { what });
        for camera in self.cameras.iter().chain(&self.site) {
            if camera.is_empty() || camera.len() > MAX_NAME_BYTES {
                return refused(format!(
                    "name `{}` has {} bytes, expected 1 to {MAX_NAME_BYTES}",
                    camera.chars().take(40).collect::<String>(),
                    camera.len()
                ));
            }
        }
        for (name, from, to) in [
            ("from_ns and to_ns", self.from_ns, self.to_ns),
            (
                "min_duration_ns and max_duration_ns",
                self.min_duration_ns,
                self.max_duration_ns,
            ),
        ] {
            if let (Some(from), Some(to)) = (from, to)
                && from > to
            {
                return refused(format!(
                    "{name} are {from} and {to}, expected the first not above the second"
                ));
            }
        }
        if let Some(size) = self.min_size
            && !(0.0..=1.0).contains(&size)
        {
            return refused(format!("min_size is {size}, expected 0 to 1"));
        }
        Ok(())
    }

    /// Whether nothing is restricted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: QueryKind, filter: Filter, limit: usize) -> String {
        Query {
            kind,
            filter,
            limit,
        }
        .check()
        .unwrap_err()
        .to_string()
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_what_would_be_right() {
        let vector = |values: Vec<f32>| QueryKind::Vector {
            name: "appearance".into(),
            model: "m@0".into(),
            values,
        };
        let all = Filter::default;
        assert!(refusal(QueryKind::Time, all(), 0).contains("expected 1 to 1000"));
        assert!(refusal(QueryKind::Time, all(), 1001).contains("1001"));
        assert!(refusal(vector(vec![]), all(), 1).contains("0 values"));
        assert!(refusal(vector(vec![0.0; 4]), all(), 1).contains("direction"));
        assert!(refusal(vector(vec![f32::NAN; 4]), all(), 1).contains("direction"));
        let backwards = Filter {
            from_ns: Some(2),
            to_ns: Some(1),
            ..all()
        };
        assert!(refusal(QueryKind::Time, backwards, 1).contains("from_ns"));
        let huge = Filter {
            min_size: Some(1.5),
            ..all()
        };
        assert!(refusal(QueryKind::Time, huge, 1).contains("min_size"));
        let unnamed = Filter {
            cameras: vec![String::new()],
            ..all()
        };
        assert!(refusal(QueryKind::Time, unnamed, 1).contains("0 bytes"));
    }

    #[test]
    fn a_query_reads_back_from_json() {
        let query = Query {
            kind: QueryKind::Track {
                track: TrackId::derive("s", "c", 1, 0),
                name: "appearance".into(),
            },
            filter: Filter {
                cameras: vec!["gate-2".into()],
                from_ns: Some(5),
                ..Filter::default()
            },
            limit: 10,
        };
        let text = serde_json::to_string(&query).unwrap();
        assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
        let short: Query = serde_json::from_str(r#"{"kind":{"by":"time"},"limit":5}"#).unwrap();
        assert!(short.filter.is_empty());
    }
}
