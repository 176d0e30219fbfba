//! The engine of this process, one collection of points, made safe to use: its panics become
//! errors, its log stays bounded, what must not run together does not, and what it would lose
//! of changes that were made while it builds segments anew is noted beside it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeVectorParams,
    FieldIndexOperations, HnswIndexConfig, NamedQuery, Payload, PayloadFieldSchema, PayloadOps,
    PointId, PointInsertOperations, PointOperations, QuantizationConfig, QueryEnum, Record,
    ScrollRequest, SearchParams, SearchRequest, SetPayloadOp, UpdateOperation, VectorInternal,
    WalOptions, WithPayloadInterface, WithVector,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::changed::{Changed, Fate};
use super::translate::{from_json, guarded, service, to_engine, to_filter, vectors_of};
use super::{Collection, Engine, Found, Order, PAGE, Point, Where, gaps, wal};
use crate::store::options::VectorSpec;
use crate::{Error, Result};

/// A segment of the engine's own log. Old ones are deleted at each flush, so this bounds the log.
pub(super) const LOG_SEGMENT_BYTES: usize = 8 << 20;

/// Points beyond which a segment gets a graph, once the collection is searched approximately at all.
const GRAPH_POINTS: usize = 50_000;

/// Where the engine builds segments; what a killed process left there is good for nothing.
const BUILDING: &str = "temp_segments";

/// Breadth of an approximate search.
const SEARCH_BREADTH: usize = 256;

/// Of what a graph finds, how much more than is wanted is compared again by whole vectors.
const OVERSAMPLING: f64 = 2.0;

/// A collection of points.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(super) path: PathBuf,
    pub(super) shard: EdgeShard,
    /// Segments are built anew by one at a time. Taken before `changes`.
    pub(super) building: Mutex<()>,
    /// Changes and flushes take turns: the engine's flush panics while a change is under way. What changed
    /// while segments are built anew; none while none are.
    pub(super) changes: Mutex<Option<Changed>>,
    /// Points up to which searches are exact.
    exact_points: u64,
    /// Points beyond which a segment gets a graph.
    pub(super) graph_points: usize,
    pub(super) dimension: usize,
}

impl Embedded {
    /// Makes an empty collection at `path`, which must be an empty folder.
    pub(in crate::store) fn create(
        path: &Path,
        specs: &[VectorSpec],
        collection: &Collection,
    ) -> Result<()> {
        guarded(path, "make the index", || {
            let shard = EdgeShard::new(path, config(specs)?)?;
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
        match fs_err::remove_dir_all(path.join(BUILDING)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("clear away half-built segments")(error));
            }
            Ok(()) | Err(_) => {}
        }
        gaps::mend(&path.join("segments"))?;
        let left = Changed::left_in(path)?;
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
            building: Mutex::new(()),
            changes: Mutex::new(None),
            exact_points,
            graph_points: GRAPH_POINTS,
            dimension,
        };
        if let Some(fates) = left {
            tracing::info!(
                points = fates.len(), path = %path.display(),
                "putting right what changed while the index was tidied"
            );
            engine.mend(&fates)?;
            engine.flush()?;
            Changed::begin(path)?.end()?;
        }
        engine.choose_graphs()?;
        Ok(engine)
    }
}

impl Engine for Embedded {
    fn upsert(&self, points: Vec<Point>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
        let points = points.into_iter().map(|point| to_engine(point).into());
        let operation = UpdateOperation::PointOperation(PointOperations::UpsertPoints(
            PointInsertOperations::PointsList(points.collect()),
        ));
        let mut changes = self.changes();
        note(&mut changes, ids, Fate::Written)?;
        self.guarded("write points", || self.shard.update(operation))
    }

    fn set_payload(&self, id: Uuid, fields: Map<String, Value>) -> Result<()> {
        let mut changes = self.changes();
        note(&mut changes, [id], Fate::Written)?;
        self.set_fields(&[id], fields)
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
                "quantization": { "rescore": true, "oversampling": OVERSAMPLING },
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
        if filter.is_empty() {
            return self.guarded("delete points", || Err(service("no filter")));
        }
        let mut changes = self.changes();
        if changes.is_none() {
            return self.guarded("delete points", || {
                let filter = to_filter(filter)?.ok_or_else(|| service("no filter"))?;
                self.shard.update(UpdateOperation::PointOperation(
                    PointOperations::DeletePointsByFilter(filter),
                ))
            });
        }
        let mut ids = Vec::new();
        self.pages(filter, false, &mut |found| {
            ids.extend(found.into_iter().map(|point| point.id));
            Ok(())
        })?;
        note(&mut changes, ids.iter().copied(), Fate::Deleted)?;
        ids.chunks(PAGE).try_for_each(|some| self.remove(some))
    }

    fn delete_ids(&self, ids: &[Uuid]) -> Result<()> {
        let mut changes = self.changes();
        note(&mut changes, ids.iter().copied(), Fate::Deleted)?;
        self.remove(ids)
    }

    fn is_exact_for(&self, candidates: u64) -> bool {
        candidates <= self.exact_points
    }

    /// Shortens the engine's log too.
    fn flush(&self) -> Result<()> {
        let changes = self.changes();
        if let Some(changed) = &*changes {
            changed.sync()?;
        }
        self.flush_held()?;
        drop(changes);
        wal::trim(&self.path.join("wal"))
    }

    fn optimize(&self) -> Result<bool> {
        self.build_anew()
    }

    fn scrub(&self) -> Result<()> {
        self.clear_deleted()
    }
}

impl Embedded {
    pub(super) fn set_fields(&self, ids: &[Uuid], fields: Map<String, Value>) -> Result<()> {
        let points = ids.iter().copied().map(PointId::Uuid).collect();
        self.guarded("write a payload", || {
            self.shard
                .update(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(
                    SetPayloadOp {
                        payload: Payload(fields),
                        points: Some(points),
                        filter: None,
                        key: None,
                    },
                )))
        })
    }

    pub(super) fn remove(&self, ids: &[Uuid]) -> Result<()> {
        let ids = ids.iter().copied().map(PointId::Uuid).collect();
        self.guarded("delete points", || {
            self.shard.update(UpdateOperation::PointOperation(
                PointOperations::DeletePoints { ids },
            ))
        })
    }

    pub(super) fn points(&self) -> u64 {
        self.shard.info().points_count as u64
    }

    pub(super) fn changes(&self) -> MutexGuard<'_, Option<Changed>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
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

    pub(super) fn guarded<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, qdrant_edge::OperationError>,
    ) -> Result<T> {
        guarded(&self.path, doing, work)
    }
}

/// Notes what is about to be done to points, while that is needed.
fn note(
    changes: &mut Option<Changed>,
    ids: impl IntoIterator<Item = Uuid>,
    fate: Fate,
) -> Result<()> {
    match changes {
        Some(changed) => changed.note(ids, fate),
        None => Ok(()),
    }
}

fn config(specs: &[VectorSpec]) -> Result<EdgeConfig, qdrant_edge::OperationError> {
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
    // A byte a value beside the vectors, once there is a graph: it is built and walked by these, and what it finds is
    // compared again by the vectors themselves.
    let quantization: QuantizationConfig =
        from_json(json!({ "scalar": { "type": "int8", "quantile": 0.99, "always_ram": false } }))?;
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
            quantization_config: Some(quantization.clone()),
            hnsw_config: None,
        };
        builder = builder.vector(spec.name.as_str(), params);
    }
    Ok(builder.build())
}
