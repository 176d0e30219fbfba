//! What each call for points does.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a call's work takes its request as the call gives it"
)]

use std::collections::{BTreeMap, HashMap, VecDeque};

use tonic::Status;

use super::super::proto::condition::ConditionOneOf;
use super::super::proto::r#match::MatchValue;
use super::super::proto::points_selector::PointsSelectorOneOf;
use super::super::proto::value::Kind;
use super::super::proto::vectors::VectorsOptions;
use super::super::proto::*;
use super::{Effect, Fault};

/// A collection.
pub(super) struct Held {
    pub(super) made: CreateCollection,
    pub(super) schema: HashMap<String, PayloadSchemaInfo>,
    pub(super) points: BTreeMap<String, PointStruct>,
}

/// Everything that the server holds, and what shall go wrong with it.
pub(super) struct State {
    pub(super) collections: BTreeMap<String, Held>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) faults: VecDeque<(&'static str, Fault)>,
    pub(super) calls: HashMap<&'static str, u64>,
    pub(super) key: Option<String>,
    pub(super) version: String,
    /// How the last search was asked for.
    pub(super) last_search: Option<SearchParams>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            collections: BTreeMap::new(),
            aliases: BTreeMap::new(),
            faults: VecDeque::new(),
            calls: HashMap::new(),
            key: None,
            version: "1.16.0".to_owned(),
            last_search: None,
        }
    }
}

impl Effect {
    fn response(&self) -> PointsOperationResponse {
        PointsOperationResponse {
            result: Some(UpdateResult {
                operation_id: Some(1),
                status: self.1.into(),
            }),
            ..PointsOperationResponse::default()
        }
    }
}

impl State {
    pub(super) fn named(&mut self, name: &str) -> Result<&mut Held, Status> {
        let name = self
            .aliases
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned());
        self.collections
            .get_mut(&name)
            .ok_or_else(|| Status::not_found(format!("Collection `{name}` doesn't exist!")))
    }
}

fn id(id: &Option<PointId>) -> String {
    match id.as_ref().and_then(|id| id.point_id_options.as_ref()) {
        Some(point_id::PointIdOptions::Uuid(text)) => text.clone(),
        other => panic!("no uuid: {other:?}"),
    }
}

fn passes(point: &PointStruct, filter: Option<&Filter>) -> bool {
    let meets = |condition: &Condition| {
        let field = match &condition.condition_one_of {
            Some(ConditionOneOf::Field(field)) => field,
            Some(ConditionOneOf::Filter(filter)) => return passes(point, Some(filter)),
            Some(ConditionOneOf::HasId(ids)) => {
                return ids.has_id.iter().any(|id| point.id.as_ref() == Some(id));
            }
            other => panic!("not a condition that is known here: {other:?}"),
        };
        let held = point
            .payload
            .get(&field.key)
            .and_then(|value| value.kind.as_ref());
        if let Some(range) = &field.range {
            let number = match held {
                Some(Kind::IntegerValue(number)) => *number as f64,
                Some(Kind::DoubleValue(number)) => *number,
                _ => return false,
            };
            return range.gte.is_none_or(|least| number >= least)
                && range.lte.is_none_or(|most| number <= most);
        }
        let wanted = field
            .r#match
            .as_ref()
            .and_then(|it| it.match_value.as_ref());
        match (wanted, held) {
            (Some(MatchValue::Keyword(wanted)), Some(Kind::StringValue(held))) => wanted == held,
            (Some(MatchValue::Keywords(wanted)), Some(Kind::StringValue(held))) => {
                wanted.strings.contains(held)
            }
            (Some(MatchValue::Keyword(_) | MatchValue::Keywords(_)), _) => false,
            other => panic!("not a match that is known here: {other:?}"),
        }
    };
    filter.is_none_or(|filter| {
        filter.must.iter().all(meets)
            && !filter.must_not.iter().any(meets)
            && (filter.should.is_empty() || filter.should.iter().any(meets))
    })
}

fn named(point: &PointStruct) -> HashMap<String, Vec<f32>> {
    let Some(VectorsOptions::Vectors(named)) = point
        .vectors
        .as_ref()
        .and_then(|it| it.vectors_options.as_ref())
    else {
        return HashMap::new();
    };
    let dense = named
        .vectors
        .iter()
        .map(|(name, vector)| match &vector.vector {
            Some(vector::Vector::Dense(dense)) => (name.clone(), dense.data.clone()),
            other => panic!("no dense vector: {other:?}"),
        });
    dense.collect()
}

fn output(point: &PointStruct, with: Option<&WithVectorsSelector>) -> Option<VectorsOutput> {
    let is_wanted = matches!(
        with.and_then(|with| with.selector_options.as_ref()),
        Some(with_vectors_selector::SelectorOptions::Enable(true))
    );
    let vectors = named(point).into_iter().map(|(name, data)| {
        let output = VectorOutput {
            vector: Some(vector_output::Vector::Dense(DenseVector { data })),
            ..VectorOutput::default()
        };
        (name, output)
    });
    is_wanted.then(|| VectorsOutput {
        vectors_options: Some(vectors_output::VectorsOptions::Vectors(
            NamedVectorsOutput {
                vectors: vectors.collect(),
            },
        )),
    })
}

fn retrieved(point: &PointStruct, with: Option<&WithVectorsSelector>) -> RetrievedPoint {
    RetrievedPoint {
        id: point.id.clone(),
        payload: point.payload.clone(),
        vectors: output(point, with),
        ..RetrievedPoint::default()
    }
}

fn selected(held: &Held, selector: Option<PointsSelector>) -> Vec<String> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => {
            list.ids.into_iter().map(|point| id(&Some(point))).collect()
        }
        Some(PointsSelectorOneOf::Filter(filter)) => held
            .points
            .iter()
            .filter(|(_, point)| passes(point, Some(&filter)))
            .map(|(name, _)| name.clone())
            .collect(),
        None => panic!("nothing is selected"),
    }
}

impl State {
    pub(super) fn upsert(
        &mut self,
        request: UpsertPoints,
        effect: &Effect,
    ) -> Result<PointsOperationResponse, Status> {
        assert_eq!(request.wait, Some(true));
        let held = self.named(&request.collection_name)?;
        let config = held.made.vectors_config.clone().unwrap().config.unwrap();
        let vectors_config::Config::ParamsMap(dims) = config else {
            panic!("one vector without a name");
        };
        for point in request.points.iter().filter(|_| effect.0) {
            let key = id(&point.id);
            for (name, values) in named(point) {
                let params = dims.map.get(&name);
                if params.is_none_or(|params| params.size != values.len() as u64) {
                    return Err(Status::invalid_argument(format!(
                        "Wrong input: vector {name}"
                    )));
                }
            }
            // The condition is on what is there; what is new is written in any case.
            let is_kept = held.points.get(&key).is_some_and(|there| {
                let condition = request.update_filter.as_ref();
                !passes(there, condition)
            });
            if !is_kept {
                held.points.insert(key, point.clone());
            }
        }
        Ok(effect.response())
    }

    pub(super) fn delete(
        &mut self,
        request: DeletePoints,
        effect: &Effect,
    ) -> Result<PointsOperationResponse, Status> {
        let held = self.named(&request.collection_name)?;
        for name in selected(held, request.points) {
            if effect.0 {
                held.points.remove(&name);
            }
        }
        Ok(effect.response())
    }

    pub(super) fn get(&mut self, request: GetPoints, _: &Effect) -> Result<GetResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let wanted = request
            .ids
            .into_iter()
            .filter_map(|point| held.points.get(&id(&Some(point))));
        Ok(GetResponse {
            result: wanted
                .map(|point| retrieved(point, request.with_vectors.as_ref()))
                .collect(),
            ..GetResponse::default()
        })
    }

    pub(super) fn set_payload(
        &mut self,
        request: SetPayloadPoints,
        effect: &Effect,
    ) -> Result<PointsOperationResponse, Status> {
        let held = self.named(&request.collection_name)?;
        for name in selected(held, request.points_selector) {
            if let Some(point) = held.points.get_mut(&name).filter(|_| effect.0) {
                point.payload.extend(request.payload.clone());
            }
        }
        Ok(effect.response())
    }

    pub(super) fn create_field_index(
        &mut self,
        request: CreateFieldIndexCollection,
        effect: &Effect,
    ) -> Result<PointsOperationResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let kind = match FieldType::try_from(request.field_type.unwrap()).unwrap() {
            FieldType::Keyword => PayloadSchemaType::Keyword,
            FieldType::Integer => PayloadSchemaType::Integer,
            FieldType::Float => PayloadSchemaType::Float,
            other => panic!("not an index that is known here: {other:?}"),
        };
        let schema = PayloadSchemaInfo {
            data_type: kind.into(),
            params: request.field_index_params,
            points: None,
        };
        held.schema.insert(request.field_name, schema);
        Ok(effect.response())
    }

    pub(super) fn scroll(
        &mut self,
        request: ScrollPoints,
        _: &Effect,
    ) -> Result<ScrollResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let mut found: Vec<&PointStruct> = held
            .points
            .values()
            .filter(|point| passes(point, request.filter.as_ref()))
            .collect();
        let limit = request.limit.unwrap() as usize;
        if let Some(order) = request.order_by {
            let number = |point: &PointStruct| match point.payload[&order.key].kind {
                Some(Kind::IntegerValue(number)) => number,
                _ => panic!("order by whole numbers only"),
            };
            assert!(held.schema.contains_key(&order.key), "no index to order by");
            found.sort_by_key(|point| number(point));
            if order.direction == Some(Direction::Desc.into()) {
                found.reverse();
            }
            found.truncate(limit);
        } else if let Some(offset) = request.offset {
            let from = id(&Some(offset));
            found.retain(|point| id(&point.id) >= from);
        }
        let next = found.get(limit).and_then(|point| point.id.clone());
        found.truncate(limit);
        Ok(ScrollResponse {
            next_page_offset: next,
            result: found
                .into_iter()
                .map(|point| retrieved(point, request.with_vectors.as_ref()))
                .collect(),
            ..ScrollResponse::default()
        })
    }

    pub(super) fn count(
        &mut self,
        request: CountPoints,
        _: &Effect,
    ) -> Result<CountResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let count = held
            .points
            .values()
            .filter(|point| passes(point, request.filter.as_ref()))
            .count();
        Ok(CountResponse {
            result: Some(CountResult {
                count: count as u64,
            }),
            ..CountResponse::default()
        })
    }

    pub(super) fn query(
        &mut self,
        request: QueryPoints,
        _: &Effect,
    ) -> Result<QueryResponse, Status> {
        self.last_search = request.params;
        let held = self.named(&request.collection_name)?;
        let Some(Query {
            variant:
                Some(query::Variant::Nearest(VectorInput {
                    variant: Some(vector_input::Variant::Dense(wanted)),
                })),
        }) = request.query
        else {
            panic!("only the nearest to a dense vector are known here");
        };
        let name = request.using.unwrap();
        let mut found: Vec<(f32, &PointStruct)> = held
            .points
            .values()
            .filter(|point| passes(point, request.filter.as_ref()))
            .filter_map(|point| {
                let vector = named(point).remove(&name)?;
                let cosine = vector.iter().zip(&wanted.data).map(|(a, b)| a * b).sum();
                Some((cosine, point))
            })
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(request.limit.unwrap() as usize);
        let scored = found.into_iter().map(|(score, point)| ScoredPoint {
            id: point.id.clone(),
            payload: point.payload.clone(),
            score,
            ..ScoredPoint::default()
        });
        Ok(QueryResponse {
            result: scored.collect(),
            ..QueryResponse::default()
        })
    }
}
