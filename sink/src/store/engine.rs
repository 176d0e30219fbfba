//! One collection of points of the embedded vector engine, made safe to use: its panics become
//! errors, its log stays bounded, and what must not run together does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard,
    EdgeVectorParams, FieldIndexOperations, Filter, HnswIndexConfig, NamedQuery,
    PayloadFieldSchema, PayloadOps, PointId, PointInsertOperations, PointOperations, PointStruct,
    QueryEnum, Record, ScoredPoint, ScrollRequest, SearchParams, SearchRequest, SetPayloadOp,
    UpdateOperation, VectorInternal, WalOptions, WithPayloadInterface, WithVector,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::options::VectorSpec;
use super::wal;
use crate::{Error, Result};

/// A segment of the engine's own log. Old ones are deleted at each flush, so this bounds the log.
const LOG_SEGMENT_BYTES: usize = 8 << 20;

/// Points beyond which a segment gets a graph, once the collection is searched approximately at all.
const GRAPH_POINTS: usize = 50_000;

/// Most points of a segment with a graph: the time of one optimization, and what it holds up.
const SEGMENT_POINTS: usize = 200_000;

/// Breadth of an approximate search.
const SEARCH_BREADTH: usize = 256;

/// Fields of the payload that filters use, with the kind of their index.
const INDEXES: [(&str, &str); 10] = [
    ("track", "keyword"),
    ("site", "keyword"),
    ("camera", "keyword"),
    ("person", "keyword"),
    ("start_us", "integer"),
    ("end_us", "integer"),
    ("duration_us", "integer"),
    ("capture_us", "integer"),
    ("size", "float"),
    ("revision", "integer"),
];

/// A collection of points.
#[derive(Debug)]
pub(crate) struct Engine {
    path: PathBuf,
    shard: EdgeShard,
    /// The engine's flush panics while an update or an optimization is under way.
    exclusive: Mutex<()>,
    /// Points up to which searches are exact and no graph is built.
    exact_points: u64,
    dimension: usize,
}

impl Engine {
    /// Makes an empty collection at `path`, which must be an empty folder.
    pub(super) fn create(path: &Path, specs: &[VectorSpec], fields: &[&str]) -> Result<()> {
        guarded(path, "make the index", || {
            let shard = EdgeShard::new(path, config(specs))?;
            for (field, kind) in INDEXES.iter().filter(|(field, _)| fields.contains(field)) {
                // A graph of its own for each value costs minutes of building and no filter here needs it.
                let schema = json!({ "type": kind, "enable_hnsw": false });
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
    pub(super) fn open(path: &Path, specs: &[VectorSpec], exact_points: u64) -> Result<Self> {
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

    /// Inserts points, or replaces the ones with the same ids.
    pub(super) fn upsert(&self, points: Vec<PointStruct>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let points = points.into_iter().map(Into::into).collect();
        let operation = UpdateOperation::PointOperation(PointOperations::UpsertPoints(
            PointInsertOperations::PointsList(points),
        ));
        let _exclusive = self.exclusive();
        self.guarded("write points", || self.shard.update(operation))
    }

    /// Sets some fields of a point's payload.
    pub(super) fn set_payload(&self, id: Uuid, fields: Value) -> Result<()> {
        let _exclusive = self.exclusive();
        self.guarded("write a payload", || {
            self.shard
                .update(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(
                    SetPayloadOp {
                        payload: from_json(fields)?,
                        points: Some(vec![PointId::Uuid(id)]),
                        filter: None,
                        key: None,
                    },
                )))
        })
    }

    /// The points with these ids that are there, in no certain order.
    pub(crate) fn retrieve(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Record>> {
        let ids: Vec<_> = ids.iter().copied().map(PointId::Uuid).collect();
        self.guarded("read points", || {
            self.shard.retrieve(
                &ids,
                Some(WithPayloadInterface::Bool(true)),
                Some(WithVector::Bool(with_vectors)),
            )
        })
    }

    /// The points nearest to `vector`, best first.
    pub(crate) fn search(
        &self,
        name: &str,
        vector: &[f32],
        filter: Option<&Value>,
        limit: usize,
        is_exact: bool,
    ) -> Result<Vec<ScoredPoint>> {
        self.guarded("search", || {
            let acorn = json!({ "enable": filter.is_some(), "max_selectivity": 1.0 });
            let params: SearchParams = from_json(json!({
                "hnsw_ef": SEARCH_BREADTH.max(limit), "exact": is_exact, "acorn": acorn,
            }))?;
            self.shard.search(SearchRequest {
                query: QueryEnum::Nearest(NamedQuery {
                    query: VectorInternal::Dense(vector.to_vec()),
                    using: Some(name.to_owned()),
                }),
                filter: filter.cloned().map(from_json::<Filter>).transpose()?,
                params: Some(params),
                limit,
                offset: 0,
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: None,
                score_threshold: None,
            })
        })
    }

    /// Points that pass a filter, the newest start first.
    pub(crate) fn newest(&self, filter: Option<&Value>, limit: usize) -> Result<Vec<Record>> {
        self.guarded("browse", || {
            let request: ScrollRequest = from_json(json!({
                "limit": limit, "filter": filter, "with_payload": true,
                "order_by": { "key": "start_us", "direction": "desc" },
            }))?;
            Ok(self.shard.scroll(request)?.0)
        })
    }

    /// Points that pass a filter, the earliest end first (or the latest).
    pub(super) fn by_end(
        &self,
        filter: Option<&Value>,
        is_latest_first: bool,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let direction = if is_latest_first { "desc" } else { "asc" };
        self.guarded("read points by time", || {
            let request: ScrollRequest = from_json(json!({
                "limit": limit, "filter": filter, "with_payload": true,
                "order_by": { "key": "end_us", "direction": direction },
            }))?;
            Ok(self.shard.scroll(request)?.0)
        })
    }

    /// Every point that passes a filter, without vectors.
    pub(super) fn every(&self, filter: &Value) -> Result<Vec<Record>> {
        const PAGE: usize = 1000;
        let mut all = Vec::new();
        let mut from = None;
        loop {
            let (mut records, next) = self.guarded("read points", || {
                self.shard.scroll(ScrollRequest {
                    offset: from,
                    limit: Some(PAGE),
                    filter: Some(from_json::<Filter>(filter.clone())?),
                    with_payload: Some(WithPayloadInterface::Bool(true)),
                    with_vector: WithVector::Bool(false),
                    order_by: None,
                })
            })?;
            all.append(&mut records);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Deletes the points that pass a filter.
    pub(super) fn delete(&self, filter: &Value) -> Result<()> {
        let _exclusive = self.exclusive();
        self.guarded("delete points", || {
            let filter = from_json::<Filter>(filter.clone())?;
            self.shard.update(UpdateOperation::PointOperation(
                PointOperations::DeletePointsByFilter(filter),
            ))
        })
    }

    /// Deletes points by their ids; those that are not there are none.
    pub(super) fn delete_ids(&self, ids: &[Uuid]) -> Result<()> {
        let ids = ids.iter().copied().map(PointId::Uuid).collect();
        let _exclusive = self.exclusive();
        self.guarded("delete points", || {
            self.shard.update(UpdateOperation::PointOperation(
                PointOperations::DeletePoints { ids },
            ))
        })
    }

    /// Makes the bytes of deleted points go from the disk too, not only from answers: segments that have any are
    /// written anew, and the engine's log is filled with nothing until its parts that may hold them are gone.
    pub(super) fn scrub(&self) -> Result<()> {
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

    /// A page of all points in the order of their ids, with vectors, and where the next page begins.
    pub(super) fn page(
        &self,
        from: Option<PointId>,
        limit: usize,
    ) -> Result<(Vec<Record>, Option<PointId>)> {
        self.guarded("read all points", || {
            self.shard.scroll(ScrollRequest {
                offset: from,
                limit: Some(limit),
                filter: None,
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: WithVector::Bool(true),
                order_by: None,
            })
        })
    }

    /// How many points pass a filter.
    pub(crate) fn count(&self, filter: Option<&Value>) -> Result<u64> {
        let Some(filter) = filter else {
            return Ok(self.points());
        };
        self.guarded("count", || {
            let filter = Some(from_json::<Filter>(filter.clone())?);
            let count = self.shard.count(CountRequest {
                filter,
                exact: true,
            })?;
            Ok(count as u64)
        })
    }

    /// Whether a search among `candidates` points shall compare every one of them.
    pub(crate) fn is_exact_for(&self, candidates: u64) -> bool {
        candidates <= self.exact_points
    }

    /// Makes everything written so far durable, and shortens the engine's log.
    pub(super) fn flush(&self) -> Result<()> {
        let exclusive = self.exclusive();
        self.guarded("flush", || {
            self.shard.flush();
            Ok(())
        })?;
        drop(exclusive);
        wal::trim(&self.path.join("wal"))
    }

    /// Builds graphs and clears away replaced points where that is due. Takes a while; searches go on.
    pub(super) fn optimize(&self) -> Result<bool> {
        let _exclusive = self.exclusive();
        self.choose_graphs()?;
        self.guarded("optimize", || self.shard.optimize())
    }

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
