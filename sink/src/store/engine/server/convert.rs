//! Between our types and the server's.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::proto::condition::ConditionOneOf;
use super::proto::r#match::MatchValue;
use super::proto::point_id::PointIdOptions;
use super::proto::value::Kind;
use super::proto::vector_output::Vector;
use super::proto::vectors::VectorsOptions;
use super::proto::{
    self, DenseVector, FieldCondition, Filter, ListValue, Match, NamedVectors,
    PayloadIncludeSelector, PointId, Range, RepeatedStrings, Struct, Vectors, VectorsOutput,
    WithPayloadSelector, WithVectorsSelector, vector, vectors_output, with_payload_selector,
    with_vectors_selector,
};
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
    })
}

fn condition(condition: &Condition) -> proto::Condition {
    let field = match condition {
        Condition::Any(key, values) => FieldCondition {
            key: (*key).to_owned(),
            r#match: Some(Match {
                match_value: Some(MatchValue::Keywords(RepeatedStrings {
                    strings: values.clone(),
                })),
            }),
            range: None,
        },
        Condition::Range(key, gte, lte) => FieldCondition {
            key: (*key).to_owned(),
            r#match: None,
            range: Some(Range {
                gte: *gte,
                lte: *lte,
            }),
        },
    };
    proto::Condition {
        condition_one_of: Some(ConditionOneOf::Field(field)),
    }
}

pub(super) fn id(id: Uuid) -> PointId {
    PointId {
        point_id_options: Some(PointIdOptions::Uuid(id.to_string())),
    }
}

/// None for an id that no sightline gives.
pub(super) fn uuid(id: Option<PointId>) -> Option<Uuid> {
    let PointIdOptions::Uuid(text) = id?.point_id_options?;
    text.parse().ok()
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

pub(super) fn named(vectors: HashMap<String, Vec<f32>>) -> Vectors {
    let vectors = vectors.into_iter().map(|(name, data)| {
        let vector = proto::Vector {
            vector: Some(vector::Vector::Dense(DenseVector { data })),
        };
        (name, vector)
    });
    Vectors {
        vectors_options: Some(VectorsOptions::Vectors(NamedVectors {
            vectors: vectors.collect(),
        })),
    }
}

pub(super) fn vectors(vectors: Option<VectorsOutput>) -> Vec<(String, Vec<f32>)> {
    let Some(vectors_output::VectorsOptions::Vectors(named)) =
        vectors.and_then(|it| it.vectors_options)
    else {
        return Vec::new();
    };
    let dense = named
        .vectors
        .into_iter()
        .map(|(name, vector)| match vector.vector {
            Some(Vector::Dense(dense)) => (name, dense.data),
            // As servers before 1.16 put it.
            None => (name, vector.data),
        });
    dense.collect()
}

pub(super) fn with_vectors(is_wanted: bool) -> WithVectorsSelector {
    WithVectorsSelector {
        selector_options: Some(with_vectors_selector::SelectorOptions::Enable(is_wanted)),
    }
}

pub(super) fn whole_payload() -> WithPayloadSelector {
    WithPayloadSelector {
        selector_options: Some(with_payload_selector::SelectorOptions::Enable(true)),
    }
}

/// One field of the payload.
pub(super) fn only(field: &str) -> WithPayloadSelector {
    WithPayloadSelector {
        selector_options: Some(with_payload_selector::SelectorOptions::Include(
            PayloadIncludeSelector {
                fields: vec![field.to_owned()],
            },
        )),
    }
}
