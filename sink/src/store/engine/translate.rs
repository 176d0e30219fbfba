//! Points and filters in the engine's words and back, and its errors and panics in ours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qdrant_edge::{
    Filter, NamedVectors, PointId, PointStruct, Vector, VectorInternal, VectorStructInternal,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Condition, Point, Where};
use crate::{Error, Result};

/// Runs a call of the engine; an error of it and a panic in it both become an [`Error::Engine`].
pub(super) fn guarded<T>(
    path: &Path,
    doing: &'static str,
    work: impl FnOnce() -> Result<T, qdrant_edge::OperationError>,
) -> Result<T> {
    let failed = |what: String| Error::Engine {
        path: path.to_path_buf(),
        doing,
        what,
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| failed(first_line(&error.to_string()))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(failed(first_line(text.unwrap_or("a panic without words"))))
        }
    }
}

pub(super) fn to_engine(point: Point) -> PointStruct {
    let vectors = point.vectors.into_iter();
    let named = vectors.fold(NamedVectors::default(), |named, (name, values)| {
        named.add_vector(name, Vector::new_dense(values))
    });
    PointStruct::new(PointId::Uuid(point.id), named, Value::Object(point.payload))
}

pub(super) fn vectors_of(vectors: Option<VectorStructInternal>) -> Vec<(String, Vec<f32>)> {
    let Some(VectorStructInternal::Named(vectors)) = vectors else {
        return Vec::new();
    };
    let dense = vectors
        .into_iter()
        .filter_map(|(name, vector)| match vector {
            VectorInternal::Dense(values) => Some((name, values)),
            VectorInternal::Sparse(_) | VectorInternal::MultiDense(_) => None,
        });
    dense.collect()
}

/// A filter in the engine's words; none where everything passes.
pub(super) fn to_filter(filter: &Where) -> Result<Option<Filter>, qdrant_edge::OperationError> {
    if filter.is_empty() {
        return Ok(None);
    }
    let list = |conditions: &[Condition]| -> Vec<Value> {
        let one = |condition: &Condition| match condition {
            Condition::Any(key, values) => json!({ "key": key, "match": { "any": values } }),
            Condition::Range(key, least, most) => {
                json!({ "key": key, "range": { "gte": least, "lte": most } })
            }
        };
        conditions.iter().map(one).collect()
    };
    from_json(json!({ "must": list(&filter.must), "must_not": list(&filter.must_not) })).map(Some)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

pub(super) fn service(what: &str) -> qdrant_edge::OperationError {
    qdrant_edge::OperationError::service_error(what)
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    value: Value,
) -> Result<T, qdrant_edge::OperationError> {
    serde_json::from_value(value).map_err(|error| service(&error.to_string()))
}

/// Only these points.
pub(super) fn only(ids: &[Uuid]) -> Result<Filter, qdrant_edge::OperationError> {
    from_json(json!({ "must": [{ "has_id": ids }] }))
}
