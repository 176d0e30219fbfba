//! The engine of this process, one collection of points, made safe to use: its panics become
//! errors, its log stays bounded, and what must not run together does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard,
    EdgeVectorParams, FieldIndexOperations, Filter, HnswIndexConfig, NamedQuery, NamedVectors,
    Payload, PayloadFieldSchema, PayloadOps, PointId, PointInsertOperations, PointOperations,
    PointStruct, QueryEnum, Record, ScrollRequest, SearchParams, SearchRequest, SetPayloadOp,
    UpdateOperation, Vector, VectorInternal, VectorStructInternal, WalOptions,
    WithPayloadInterface, WithVector,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Collection, Condition, Engine, Found, Order, Point, Where, wal};
use crate::store::options::VectorSpec;
use crate::{Error, Result};

/// A segment of the engine's own log. Old ones are deleted at each flush, so this bounds the log.
const LOG_SEGMENT_BYTES: usize = 8 << 20;

/// Points beyond which a segment gets a graph, once the collection is searched approximately at all.
const GRAPH_POINTS: usize = 50_000;

/// Most points of a segment with a graph: the time of one optimization, and what it holds up.
const SEGMENT_POINTS: usize = 200_000;

/// Breadth of an approximate search.
const SEARCH_BREADTH: usize = 256;

/// A collection of points.
#[derive(Debug)]
pub(crate) struct Embedded {
    path: PathBuf,
    shard: EdgeShard,
    /// The engine's flush panics while an update or an optimization is under way.
    exclusive: Mutex<()>,
    /// Points up to which searches are exact and no graph is built.
    exact_points: u64,
    dimension: usize,
}

impl Embedded {
    /// Makes an empty collection at `path`, which must be an empty folder.
    pub(in crate::store) fn create(
        path: &Path,
        specs: &[VectorSpec],
        collection: &Collection,
    ) -> Result<()> {
        guarded(path, "make the index", || {
            let shard = EdgeShard::new(path, config(specs))?;
            for (field, kind) in collection.fields {
                // A graph of its own for each value costs minutes of building and no filter here needs it.
                let schema = json!({ "type": kind.word(), "enable_hnsw": false });
                let schema: PayloadFieldSchema = from_json(schema)?;
                let field_name = field.parse().map_err(|()| service("field name"))?;
                let create = CreateIndex {
                    field_name,
                    field_schema: Some(schema),
                };
                shard.update(UpdateOperation::FieldIndexOperation(
                    FieldIndexOperations::CreateIndex(create),
                ))?;
            }
            shard.flush();
            Ok(())
        })
    }

    /// Opens a collection.
    pub(in crate::store) fn open(
        path: &Path,
        specs: &[VectorSpec],
        exact_points: u64,
    ) -> Result<Self> {
        wal::trim(&path.join("wal"))?;
        let shard =
            guarded(path, "open the index", || EdgeShard::load(path, None)).map_err(|error| {
                Error::Corrupt {
                    path: path.to_path_buf(),
                    what: error.to_string(),
                }
            })?;
        let dimension = specs.iter().map(|spec| spec.dimension).max().unwrap_or(1);
        let engine = Self {
            path: path.to_path_buf(),
            shard,
            exclusive: Mutex::new(()),
            exact_points,
            dimension,
        };
        engine.choose_graphs()?;
        Ok(engine)
    }
}

impl Engine for Embedded {
    fn upsert(&self, points: Vec<Point>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let points = points.into_iter().map(|point| to_engine(point).into());
        let operation = UpdateOperation::PointOperation(PointOperations::UpsertPoints(
            PointInsertOperations::PointsList(points.collect()),
        ));
        let _exclusive = self.exclusive();
        self.guarded("write points", || self.shard.update(operation))
    }

    fn set_payload(&self, id: Uuid, fields: Map<String, Value>) -> Result<()> {
        let _exclusive = self.exclusive();
        self.guarded("write a payload", || {
            self.shard
                .update(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(
                    SetPayloadOp {
                        payload: Payload(fields),
                        points: Some(vec![PointId::Uuid(id)]),
                        filter: None,
                        key: None,
                    },
                )))
        })
    }

    fn retrieve(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Found>> {
        let ids: Vec<_> = ids.iter().copied().map(PointId::Uuid).collect();
        let records = self.guarded("read points", || {
            self.shard.retrieve(
                &ids,
                Some(WithPayloadInterface::Bool(true)),
                Some(WithVector::Bool(with_vectors)),
            )
        })?;
        records
            .into_iter()
            .map(|record| self.found(record))
            .collect()
    }

    fn search(
        &self,
        name: &str,
        vector: &[f32],
        filter: &Where,
        limit: usize,
        is_exact: bool,
    ) -> Result<Vec<Found>> {
        let points = self.guarded("search", || {
            let acorn = json!({ "enable": !filter.is_empty(), "max_selectivity": 1.0 });
            let params: SearchParams = from_json(json!({
                "hnsw_ef": SEARCH_BREADTH.max(limit), "exact": is_exact, "acorn": acorn,
            }))?;
            self.shard.search(SearchRequest {
                query: QueryEnum::Nearest(NamedQuery {
                    query: VectorInternal::Dense(vector.to_vec()),
                    using: Some(name.to_owned()),
                }),
                filter: to_filter(filter)?,
                params: Some(params),
                limit,
                offset: 0,
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: None,
                score_threshold: None,
            })
        })?;
        let found = points.into_iter().map(|point| {
            Ok(Found {
                id: self.uuid_of(point.id)?,
                score: point.score,
                vectors: Vec::new(),
                payload: point.payload.map(|payload| payload.0).unwrap_or_default(),
            })
        });
        found.collect()
    }

    fn ordered(&self, filter: &Where, order: Order, limit: usize) -> Result<Vec<Found>> {
        let direction = if order.is_falling { "desc" } else { "asc" };
        let records = self.guarded("list points", || {
            let mut request: ScrollRequest = from_json(json!({
                "limit": limit, "with_payload": true,
                "order_by": { "key": order.by, "direction": direction },
            }))?;
            request.filter = to_filter(filter)?;
            Ok(self.shard.scroll(request)?.0)
        })?;
        records
            .into_iter()
            .map(|record| self.found(record))
            .collect()
    }

    fn page(
        &self,
        filter: &Where,
        from: Option<Uuid>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<(Vec<Found>, Option<Uuid>)> {
        let (records, next) = self.guarded("read points", || {
            self.shard.scroll(ScrollRequest {
                offset: from.map(PointId::Uuid),
                limit: Some(limit),
                filter: to_filter(filter)?,
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: WithVector::Bool(with_vectors),
                order_by: None,
            })
        })?;
        let found = records.into_iter().map(|record| self.found(record));
        let next = next.map(|id| self.uuid_of(id)).transpose()?;
        Ok((found.collect::<Result<_>>()?, next))
    }

    fn count(&self, filter: &Where) -> Result<u64> {
        if filter.is_empty() {
            return Ok(self.points());
        }
        self.guarded("count", || {
            let filter = to_filter(filter)?;
            let count = self.shard.count(CountRequest {
                filter,
                exact: true,
            })?;
            Ok(count as u64)
        })
    }

    fn delete(&self, filter: &Where) -> Result<()> {
        let _exclusive = self.exclusive();
        self.guarded("delete points", || {
            let filter = to_filter(filter)?.ok_or_else(|| service("no filter"))?;
            self.shard.update(UpdateOperation::PointOperation(
                PointOperations::DeletePointsByFilter(filter),
            ))
        })
    }

    fn delete_ids(&self, ids: &[Uuid]) -> Result<()> {
        let ids = ids.iter().copied().map(PointId::Uuid).collect();
        let _exclusive = self.exclusive();
        self.guarded("delete points", || {
            self.shard.update(UpdateOperation::PointOperation(
                PointOperations::DeletePoints { ids },
            ))
        })
    }

    fn is_exact_for(&self, candidates: u64) -> bool {
        candidates <= self.exact_points
    }

    /// Shortens the engine's log too.
    fn flush(&self) -> Result<()> {
        let exclusive = self.exclusive();
        self.guarded("flush", || {
            self.shard.flush();
            Ok(())
        })?;
        drop(exclusive);
        wal::trim(&self.path.join("wal"))
    }

    /// Builds graphs and clears away replaced points where that is due.
    fn optimize(&self) -> Result<bool> {
        let _exclusive = self.exclusive();
        self.choose_graphs()?;
        self.guarded("optimize", || self.shard.optimize())
    }

    /// Segments that have deleted points are written anew, and the engine's log is filled with nothing until its
    /// parts that may hold them are gone.
    fn scrub(&self) -> Result<()> {
        const NOTHING: usize = LOG_SEGMENT_BYTES / 64;
        const MOST_ENTRIES: usize = 256;
        let log = self.path.join("wal");
        let exclusive = self.exclusive();
        let last = wal::closed(&log)?
            .last()
            .map_or(-1, |(start, _)| i128::from(*start));
        let usual = self.shard.config().optimizers.clone();
        self.guarded("clear away deleted points", || {
            self.shard.set_optimizers_config(EdgeOptimizersConfig {
                deleted_threshold: Some(0.0),
                vacuum_min_vector_number: Some(0),
                ..usual.clone()
            })?;
            let cleared = self.shard.optimize();
            self.shard.set_optimizers_config(usual)?;
            cleared?;
            Ok(())
        })?;
        for _ in 0..MOST_ENTRIES {
            // The part that was open when this began has to be among those that go.
            let parts = wal::closed(&log)?;
            if parts
                .iter()
                .filter(|(start, _)| i128::from(*start) > last)
                .count()
                > wal::KEPT
            {
                break;
            }
            self.guarded("fill the index's log", || {
                let nobody = vec![PointId::Uuid(Uuid::nil()); NOTHING];
                self.shard.update(UpdateOperation::PointOperation(
                    PointOperations::DeletePoints { ids: nobody },
                ))
            })?;
        }
        drop(exclusive);
        self.flush()
    }
}

impl Embedded {
    /// No graph is built as long as every search is exact.
    fn choose_graphs(&self) -> Result<()> {
        let bytes_a_point = self.dimension * size_of::<f32>();
        let kilobytes = |points: usize| (points * bytes_a_point / 1024).max(1);
        let is_small = self.is_exact_for(self.points());
        let wanted = EdgeOptimizersConfig {
            default_segment_number: Some(4),
            max_segment_size: Some(kilobytes(SEGMENT_POINTS)),
            indexing_threshold: Some(if is_small {
                usize::MAX / 4096
            } else {
                kilobytes(GRAPH_POINTS)
            }),
            ..EdgeOptimizersConfig::default()
        };
        if self.shard.config().optimizers == wanted {
            return Ok(());
        }
        self.guarded("configure", || self.shard.set_optimizers_config(wanted))
    }

    fn points(&self) -> u64 {
        self.shard.info().points_count as u64
    }

    fn exclusive(&self) -> std::sync::MutexGuard<'_, ()> {
        self.exclusive
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, record: Record) -> Result<Found> {
        Ok(Found {
            id: self.uuid_of(record.id)?,
            score: 0.0,
            vectors: vectors_of(record.vector),
            payload: record.payload.map(|payload| payload.0).unwrap_or_default(),
        })
    }

    fn uuid_of(&self, id: PointId) -> Result<Uuid> {
        match id {
            PointId::Uuid(id) => Ok(id),
            PointId::NumId(number) => Err(Error::Corrupt {
                path: self.path.clone(),
                what: format!("point {number} has an id that no sightline gives"),
            }),
        }
    }

    fn guarded<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, qdrant_edge::OperationError>,
    ) -> Result<T> {
        guarded(&self.path, doing, work)
    }
}

fn config(specs: &[VectorSpec]) -> EdgeConfig {
    let graph = HnswIndexConfig {
        m: 16,
        ef_construct: 100,
        // Below this size a filtered search compares all that pass, whatever is asked.
        full_scan_threshold: 10_000,
        max_indexing_threads: 1,
        on_disk: Some(true),
        payload_m: None,
        inline_storage: None,
    };
    let log = WalOptions {
        segment_capacity: LOG_SEGMENT_BYTES,
        ..WalOptions::default()
    };
    let mut builder = EdgeConfig::builder()
        .hnsw_config(graph)
        .wal_options(log)
        .on_disk_payload(true);
    for spec in specs {
        let params = EdgeVectorParams {
            size: spec.dimension,
            distance: Distance::Cosine,
            // Mapped files: the kernel keeps what is used, and gives it back under pressure.
            on_disk: Some(true),
            multivector_config: None,
            datatype: None,
            quantization_config: None,
            hnsw_config: None,
        };
        builder = builder.vector(spec.name.as_str(), params);
    }
    builder.build()
}

/// Runs a call of the engine; an error of it and a panic in it both become an [`Error::Engine`].
fn guarded<T>(
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

fn to_engine(point: Point) -> PointStruct {
    let vectors = point.vectors.into_iter();
    let named = vectors.fold(NamedVectors::default(), |named, (name, values)| {
        named.add_vector(name, Vector::new_dense(values))
    });
    PointStruct::new(PointId::Uuid(point.id), named, Value::Object(point.payload))
}

fn vectors_of(vectors: Option<VectorStructInternal>) -> Vec<(String, Vec<f32>)> {
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
fn to_filter(filter: &Where) -> Result<Option<Filter>, qdrant_edge::OperationError> {
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

fn service(what: &str) -> qdrant_edge::OperationError {
    qdrant_edge::OperationError::service_error(what)
}

fn from_json<T: serde::de::DeserializeOwned>(
    value: Value,
) -> Result<T, qdrant_edge::OperationError> {
    serde_json::from_value(value).map_err(|error| service(&error.to_string()))
}
