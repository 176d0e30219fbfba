//! A Qdrant server of a test's own: points in memory, real filters, and failures on request.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a call's work takes its request as the call gives it"
)]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::codegen::{Context, Poll, Service as CallService, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::proto::condition::ConditionOneOf;
use super::proto::r#match::MatchValue;
use super::proto::points_selector::PointsSelectorOneOf;
use super::proto::value::Kind;
use super::proto::vectors::VectorsOptions;
use super::proto::*;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is refused.
    Refuse(Code, &'static str),
    /// It is refused, and may be tried again after this many seconds.
    Busy(u64),
    /// It takes this long.
    Slow(Duration),
    /// It is said to be done, and is not.
    Lose,
    /// It is said to be taken in, and is done later, or never.
    OnlyTakeIn,
}

#[derive(Default)]
struct Held {
    made: Option<CreateCollection>,
    schema: HashMap<String, (FieldType, PayloadSchemaInfo)>,
    points: BTreeMap<String, PointStruct>,
}

#[derive(Default)]
struct State {
    collections: BTreeMap<String, Held>,
    aliases: BTreeMap<String, String>,
    faults: VecDeque<(&'static str, Fault)>,
    calls: HashMap<&'static str, u64>,
    key: Option<String>,
}

/// The server; it is gone with its owner.
pub(crate) struct StandIn {
    state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        Self::resume(Arc::default(), SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn resume(state: Arc<Mutex<State>>, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let guard = runtime.enter();
        let incoming = TcpIncoming::bind(address).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = Service(Arc::clone(&state));
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(PointCalls(service.clone()))
                .add_service(CollectionCalls(service))
                .serve_with_incoming(incoming),
        );
        drop(guard);
        Self {
            state,
            address,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server goes away, and comes back with what it held.
    pub(crate) fn stop(mut self) -> impl FnOnce() -> Self {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        let (state, address) = (Arc::clone(&self.state), self.address);
        move || Self::resume(state, address)
    }

    /// The next calls of this name fail so, one after the other.
    pub(crate) fn fail(&self, call: &'static str, faults: &[Fault]) {
        let faults = faults.iter().map(|fault| (call, *fault));
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// How often a call came.
    pub(crate) fn calls(&self, call: &'static str) -> u64 {
        self.state
            .lock()
            .unwrap()
            .calls
            .get(call)
            .copied()
            .unwrap_or(0)
    }

    /// Only calls with this key are let in from now on.
    pub(crate) fn demand_key(&self, key: &str) {
        self.state.lock().unwrap().key = Some(key.to_owned());
    }

    pub(crate) fn made(&self, name: &str) -> Option<CreateCollection> {
        let state = self.state.lock().unwrap();
        state.collections.get(name)?.made.clone()
    }

    /// A field's index: its type, and whether it tells tenants apart.
    pub(crate) fn index_of(&self, name: &str, field: &str) -> Option<(FieldType, bool)> {
        let state = self.state.lock().unwrap();
        let schema = state.collections.get(name)?.schema.get(field)?;
        Some((schema.0, schema.1.params.is_some()))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<State>>);

impl Service {
    /// Counts a call, and lets go wrong what is asked for. Says whether the call shall have an effect, and its status.
    async fn begin<T>(&self, call: &'static str, request: &Request<T>) -> Result<Effect, Status> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            *state.calls.entry(call).or_default() += 1;
            if let Some(key) = &state.key
                && request
                    .metadata()
                    .get("api-key")
                    .is_none_or(|given| given != key.as_str())
            {
                return Err(Status::unauthenticated("Must provide an API key"));
            }
            let at = state.faults.iter().position(|(name, _)| *name == call);
            at.and_then(|at| state.faults.remove(at))
        };
        match fault.map(|(_, fault)| fault) {
            Some(Fault::Refuse(code, words)) => Err(Status::new(code, words)),
            Some(Fault::Busy(seconds)) => {
                let mut status = Status::resource_exhausted("too many requests");
                let seconds = seconds.to_string().parse().unwrap();
                status.metadata_mut().insert("retry-after", seconds);
                Err(status)
            }
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(Effect(true, UpdateStatus::Completed))
            }
            Some(Fault::Lose) => Ok(Effect(false, UpdateStatus::Completed)),
            Some(Fault::OnlyTakeIn) => Ok(Effect(false, UpdateStatus::Acknowledged)),
            None => Ok(Effect(true, UpdateStatus::Completed)),
        }
    }
}

struct Effect(bool, UpdateStatus);

impl Effect {
    fn response(&self) -> PointsOperationResponse {
        PointsOperationResponse {
            result: Some(UpdateResult {
                operation_id: Some(1),
                status: self.1.into(),
            }),
        }
    }
}

impl State {
    fn named(&mut self, name: &str) -> Result<&mut Held, Status> {
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
        let Some(ConditionOneOf::Field(field)) = &condition.condition_one_of else {
            panic!("an empty condition");
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
    filter.is_none_or(|filter| filter.must.iter().all(meets) && !filter.must_not.iter().any(meets))
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
    fn upsert(
        &mut self,
        request: UpsertPoints,
        effect: &Effect,
    ) -> Result<PointsOperationResponse, Status> {
        assert_eq!(request.wait, Some(true));
        let held = self.named(&request.collection_name)?;
        let dims: HashMap<String, u64> = match held
            .made
            .as_ref()
            .unwrap()
            .vectors_config
            .as_ref()
            .unwrap()
            .config
            .as_ref()
            .unwrap()
        {
            vectors_config::Config::ParamsMap(map) => map
                .map
                .iter()
                .map(|(name, params)| (name.clone(), params.size))
                .collect(),
        };
        for point in request.points.iter().filter(|_| effect.0) {
            for (name, values) in named(point) {
                if dims.get(&name) != Some(&(values.len() as u64)) {
                    return Err(Status::invalid_argument(format!(
                        "Wrong input: vector {name}"
                    )));
                }
            }
            held.points.insert(id(&point.id), point.clone());
        }
        Ok(effect.response())
    }

    fn delete(
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

    fn get(&mut self, request: GetPoints, _: &Effect) -> Result<GetResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let wanted = request
            .ids
            .into_iter()
            .filter_map(|point| held.points.get(&id(&Some(point))));
        Ok(GetResponse {
            result: wanted
                .map(|point| retrieved(point, request.with_vectors.as_ref()))
                .collect(),
        })
    }

    fn set_payload(
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

    fn create_field_index(
        &mut self,
        request: CreateFieldIndexCollection,
        effect: &Effect,
    ) -> Result<PointsOperationResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let schema = PayloadSchemaInfo {
            params: request.field_index_params,
        };
        let kind = FieldType::try_from(request.field_type.unwrap()).unwrap();
        held.schema.insert(request.field_name, (kind, schema));
        Ok(effect.response())
    }

    fn scroll(&mut self, request: ScrollPoints, _: &Effect) -> Result<ScrollResponse, Status> {
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
        })
    }

    fn count(&mut self, request: CountPoints, _: &Effect) -> Result<CountResponse, Status> {
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
        })
    }

    fn query(&mut self, request: QueryPoints, _: &Effect) -> Result<QueryResponse, Status> {
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
            vectors: None,
        });
        Ok(QueryResponse {
            result: scored.collect(),
        })
    }

    fn collection(
        &mut self,
        request: GetCollectionInfoRequest,
        _: &Effect,
    ) -> Result<GetCollectionInfoResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let made = held.made.clone().unwrap();
        Ok(GetCollectionInfoResponse {
            result: Some(CollectionInfo {
                config: Some(CollectionConfig {
                    params: Some(CollectionParams {
                        vectors_config: made.vectors_config,
                        ..CollectionParams::default()
                    }),
                }),
                payload_schema: held
                    .schema
                    .iter()
                    .map(|(field, (_, schema))| (field.clone(), *schema))
                    .collect(),
            }),
        })
    }

    fn create(
        &mut self,
        request: CreateCollection,
        _: &Effect,
    ) -> Result<CollectionOperationResponse, Status> {
        let name = request.collection_name.clone();
        if self.collections.contains_key(&name) {
            return Err(Status::already_exists(format!(
                "Collection `{name}` already exists!"
            )));
        }
        let held = Held {
            made: Some(request),
            ..Held::default()
        };
        self.collections.insert(name, held);
        Ok(CollectionOperationResponse { result: true })
    }

    fn update_aliases(
        &mut self,
        request: ChangeAliases,
        _: &Effect,
    ) -> Result<CollectionOperationResponse, Status> {
        for action in request.actions {
            match action.action {
                Some(alias_operations::Action::CreateAlias(create)) => {
                    self.aliases
                        .insert(create.alias_name, create.collection_name);
                }
                None => panic!("nothing is to be done"),
            }
        }
        Ok(CollectionOperationResponse { result: true })
    }
}

/// The calls of one of the server's two services.
macro_rules! service {
    ($service:ident, $name:literal, $($call:literal: $request:ty => $response:ty, $work:ident;)*) => {
        #[derive(Clone)]
        struct $service(Service);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl CallService<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = std::convert::Infallible;
            type Future = Boxed<Result<Self::Response, Self::Error>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let service = self.0.clone();
                Box::pin(async move {
                    $(if request.uri().path() == concat!("/", $name, "/", $call) {
                        struct Call(Service);
                        impl UnaryService<$request> for Call {
                            type Response = $response;
                            type Future = Boxed<Result<Response<$response>, Status>>;

                            fn call(&mut self, request: Request<$request>) -> Self::Future {
                                let service = self.0.clone();
                                Box::pin(async move {
                                    let effect = service.begin(stringify!($work), &request).await?;
                                    let mut state = service.0.lock().unwrap();
                                    state.$work(request.into_inner(), &effect).map(Response::new)
                                })
                            }
                        }
                        let mut grpc = Grpc::new(ProstCodec::default());
                        return Ok(grpc.unary(Call(service), request).await);
                    })*
                    Ok(Status::unimplemented(request.uri().path().to_owned()).into_http())
                })
            }
        }
    };
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

service! {
    PointCalls, "qdrant.Points",
    "Upsert": UpsertPoints => PointsOperationResponse, upsert;
    "Delete": DeletePoints => PointsOperationResponse, delete;
    "Get": GetPoints => GetResponse, get;
    "SetPayload": SetPayloadPoints => PointsOperationResponse, set_payload;
    "CreateFieldIndex": CreateFieldIndexCollection => PointsOperationResponse, create_field_index;
    "Scroll": ScrollPoints => ScrollResponse, scroll;
    "Count": CountPoints => CountResponse, count;
    "Query": QueryPoints => QueryResponse, query;
}

service! {
    CollectionCalls, "qdrant.Collections",
    "Get": GetCollectionInfoRequest => GetCollectionInfoResponse, collection;
    "Create": CreateCollection => CollectionOperationResponse, create;
    "UpdateAliases": ChangeAliases => CollectionOperationResponse, update_aliases;
}
