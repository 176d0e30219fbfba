//! Between our types and the server's.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::proto::point_id::PointIdOptions;
use super::proto::value::Kind;
use super::proto::vector_output::Vector;
use super::proto::vectors_output::VectorsOptions;
use super::proto::{self, Filter, ListValue, PointId, Range, Struct, VectorsOutput};
use crate::store::engine::{Condition, Where};

/// A filter; none where everything passes.
pub(super) fn filter(filter: &Where) -> Option<Filter> {
    if filter.is_empty() {
        return None;
    }
    let conditions = |list: &[Condition]| list.iter().map(condition).collect();
    Some(Filter {
        must: conditions(&filter.must),
        must_not: conditions(&filter.must_not),
        ..Filter::default()
    })
}

fn condition(condition: &Condition) -> proto::Condition {
    match condition {
        Condition::Any(key, values) => proto::Condition::matches(*key, values.clone()),
        Condition::Range(key, gte, lte) => proto::Condition::range(
            *key,
            Range {
                gte: *gte,
                lte: *lte,
                ..Range::default()
            },
        ),
    }
}

pub(super) fn id(id: Uuid) -> PointId {
    id.to_string().into()
}

/// None for an id that no sightline gives.
pub(super) fn uuid(id: Option<PointId>) -> Option<Uuid> {
    match id?.point_id_options? {
        PointIdOptions::Uuid(text) => text.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

pub(super) fn fields(fields: Map<String, Value>) -> HashMap<String, proto::Value> {
    let fields = fields.into_iter();
    fields.map(|(key, value)| (key, from_json(value))).collect()
}

fn from_json(value: Value) -> proto::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Kind::IntegerValue(whole),
            None => Kind::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Kind::StringValue(text),
        Value::Array(list) => Kind::ListValue(ListValue {
            values: list.into_iter().map(from_json).collect(),
        }),
        Value::Object(map) => Kind::StructValue(Struct {
            fields: fields(map),
        }),
    };
    proto::Value { kind: Some(kind) }
}

fn to_json(value: proto::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::IntegerValue(whole)) => whole.into(),
        Some(Kind::DoubleValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(to_json).collect(),
        Some(Kind::StructValue(fields)) => Value::Object(payload(fields.fields)),
    }
}

pub(super) fn payload(fields: HashMap<String, proto::Value>) -> Map<String, Value> {
    let fields = fields.into_iter();
    fields.map(|(key, value)| (key, to_json(value))).collect()
}

/// Named dense vectors; others are not ours.
pub(super) fn vectors(vectors: Option<VectorsOutput>) -> Vec<(String, Vec<f32>)> {
    let Some(VectorsOptions::Vectors(named)) = vectors.and_then(|it| it.vectors_options) else {
        return Vec::new();
    };
    let named = named.vectors.into_iter();
    let dense = named.filter_map(|(name, vector)| match vector.into_vector() {
        Vector::Dense(dense) => Some((name, dense.data)),
        Vector::Sparse(_) | Vector::MultiDense(_) => None,
    });
    dense.collect()
}
