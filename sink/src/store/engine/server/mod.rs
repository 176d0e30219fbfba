//! Points on a Qdrant server, by gRPC.
//!
//! Every write waits until it is applied, and is then looked for: what a server accepts and does not hold is sent
//! again, so that nothing is acknowledged that is not there. A state is written only where no newer one is. What fails for a while is tried again, with growing
//! pauses, within a deadline; what cannot help is said at once.

mod client;
mod convert;
mod options;
mod promise;
mod proto;
mod setup;
#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod start_tests;
#[cfg(test)]
mod tests;
mod write;
#[cfg(test)]
mod write_tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::JoinSet;
use uuid::Uuid;

pub(crate) use client::Client;
#[cfg(test)]
use client::ClientCounts;
pub use options::{ServerLimits, ServerOptions};
pub(in crate::store) use setup::Wanted;

use proto::{
    AcornSearchParams, CountPoints, DeletePoints, GetPoints, OrderBy, PointId, PointStruct,
    PointsSelector, QuantizationSearchParams, Query, QueryPoints, RetrievedPoint, ScrollPoints,
    SearchParams, SetPayloadPoints,
};

use super::{Collection, Condition, Engine, Found, Order, Point, Where};
use crate::store::options::VectorSpec;
use crate::{Error, Result};

/// Points in one message: half a megabyte of 512 values each.
const POINTS_A_MESSAGE: usize = 128;

/// Messages of one write that are on their way at the same time.
const MESSAGES_AT_ONCE: usize = 4;

/// Breadth of an approximate search, and how many more are compared by their whole vectors afterwards.
const SEARCH_BREADTH: u64 = 256;
const OVERSAMPLING: f64 = 3.0;

/// One collection on a server. It is reached by its alias, or by its name before one stands for it.
pub(crate) struct Server {
    client: Arc<Client>,
    alias: String,
    /// Our names of vectors, and the server's.
    names: HashMap<String, String>,
    exact_points: u64,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} at {})", self.alias, self.client.url())
    }
}

/// The number of the generation that a collection's alias stands for.
pub(in crate::store) fn current(client: &Client, collection: &Collection) -> Result<u32> {
    setup::current(client, &client.options().collection(collection.name))
}

/// Lets the aliases of collections stand for another generation, in one step.
pub(in crate::store) fn switch(
    client: &Client,
    collections: &[Collection],
    number: u32,
) -> Result<()> {
    let aliases = collections.iter();
    let aliases = aliases.map(|collection| client.options().collection(collection.name));
    setup::switch(client, &aliases.collect::<Vec<_>>(), number)
}

/// Deletes a generation of collections, as far as it is there.
pub(in crate::store) fn delete(
    client: &Client,
    collections: &[Collection],
    number: u32,
) -> Result<()> {
    collections.iter().try_for_each(|collection| {
        let alias = client.options().collection(collection.name);
        setup::delete(client, &setup::numbered(&alias, number))
    })
}

/// Makes the collection of a generation; false when somebody else has made it.
pub(in crate::store) fn claim(
    client: &Client,
    specs: &[VectorSpec],
    collection: &Collection,
    number: u32,
    store: &str,
) -> Result<bool> {
    let alias = client.options().collection(collection.name);
    setup::create(client, &setup::numbered(&alias, number), specs, store)
}

impl Server {
    /// Opens a collection; makes it where it is missing, and refuses one that is made for something else. Gives the id of
    /// the store that it belongs to as well.
    pub(in crate::store) fn open(
        client: Arc<Client>,
        specs: &[VectorSpec],
        collection: &Collection,
        exact_points: u64,
        wanted: &Wanted,
    ) -> Result<(Self, String)> {
        let alias = client.options().collection(collection.name);
        let store = setup::prepare(&client, &alias, specs, collection, wanted)?;
        Ok((Self::new(client, alias, specs, exact_points), store))
    }

    /// As [`Server::open`], for the collection of a generation that no alias stands for yet.
    pub(in crate::store) fn open_generation(
        client: Arc<Client>,
        specs: &[VectorSpec],
        collection: &Collection,
        exact_points: u64,
        number: u32,
        store: &str,
    ) -> Result<Self> {
        let name = setup::numbered(&client.options().collection(collection.name), number);
        setup::prepare_unnamed(&client, &name, specs, collection, store)?;
        Ok(Self::new(client, name, specs, exact_points))
    }

    fn new(client: Arc<Client>, alias: String, specs: &[VectorSpec], exact_points: u64) -> Self {
        let names = specs
            .iter()
            .map(|spec| (spec.name.clone(), setup::vector_name(spec)));
        Self {
            names: names.collect(),
            client,
            alias,
            exact_points,
        }
    }

    /// A filter in the server's words; points of other sites never pass.
    fn filter(&self, filter: &Where) -> Option<proto::Filter> {
        let site = self.client.options().site.as_ref();
        let own = site.map(|site| Condition::is("site", site));
        let filter = own.into_iter().fold(filter.clone(), Where::and);
        convert::filter(&filter)
    }

    fn to_server(&self, point: Point) -> Result<PointStruct> {
        let vectors = point.vectors.into_iter().map(|(name, values)| {
            let on_server = self.names.get(&name).ok_or_else(|| Error::Query {
                what: format!("no vector `{name}` in this store"),
            })?;
            Ok((on_server.clone(), values))
        });
        let vectors: HashMap<String, Vec<f32>> = vectors.collect::<Result<_>>()?;
        Ok(PointStruct {
            id: Some(convert::id(point.id)),
            vectors: Some(vectors.into()),
            payload: convert::fields(point.payload),
        })
    }

    fn found(
        &self,
        id: Option<PointId>,
        payload: HashMap<String, proto::Value>,
        vectors: Option<proto::VectorsOutput>,
        score: f32,
    ) -> Result<Found> {
        let id = convert::uuid(id).ok_or_else(|| Error::Corrupt {
            path: self.alias.clone().into(),
            what: "a point has an id that no sightline gives".to_owned(),
        })?;
        let mut vectors = convert::vectors(vectors);
        for (name, _) in &mut vectors {
            if let Some((ours, _)) = self.names.iter().find(|(_, theirs)| *theirs == name) {
                name.clone_from(ours);
            }
        }
        Ok(Found {
            id,
            score,
            vectors,
            payload: convert::payload(payload),
        })
    }

    fn retrieved(&self, points: Vec<RetrievedPoint>) -> Result<Vec<Found>> {
        let points = points.into_iter();
        points
            .map(|point| self.found(point.id, point.payload, point.vectors, 0.0))
            .collect()
    }

    fn scroll(&self, filter: &Where, limit: usize, with_vectors: bool) -> ScrollPoints {
        ScrollPoints {
            collection_name: self.alias.clone(),
            filter: self.filter(filter),
            limit: Some(u32::try_from(limit).unwrap_or(u32::MAX)),
            with_payload: Some(true.into()),
            with_vectors: Some(with_vectors.into()),
            ..ScrollPoints::default()
        }
    }

    fn delete_what(&self, what: PointsSelector) -> Result<()> {
        let request = DeletePoints {
            collection_name: self.alias.clone(),
            wait: Some(true),
            points: Some(what),
            ..DeletePoints::default()
        };
        let work = self.client.until_done("delete points", &request);
        self.client.block_on(work)
    }
}

impl Engine for Server {
    fn upsert(&self, points: Vec<Point>) -> Result<()> {
        let points = points.into_iter().map(|point| self.to_server(point));
        let mut points: Vec<PointStruct> = points.collect::<Result<_>>()?;
        self.client.block_on(async {
            let mut on_their_way = JoinSet::new();
            while !points.is_empty() || !on_their_way.is_empty() {
                while !points.is_empty() && on_their_way.len() < MESSAGES_AT_ONCE {
                    let rest = points.split_off(points.len().min(POINTS_A_MESSAGE));
                    let message = std::mem::replace(&mut points, rest);
                    let client = Arc::clone(&self.client);
                    on_their_way.spawn(write::points(client, self.alias.clone(), message));
                }
                // The first failure ends the others: the whole batch comes again.
                if let Some(written) = on_their_way.join_next().await {
                    written.unwrap_or_else(|error| {
                        Err(self.client.error("write points", error.to_string()))
                    })?;
                }
            }
            Ok(())
        })
    }

    fn set_payload(&self, id: Uuid, fields: Map<String, Value>) -> Result<()> {
        let request = SetPayloadPoints {
            collection_name: self.alias.clone(),
            wait: Some(true),
            payload: convert::fields(fields),
            points_selector: Some(vec![convert::id(id)].into()),
            ..SetPayloadPoints::default()
        };
        let work = self.client.until_done("write a payload", &request);
        self.client.block_on(work)
    }

    fn retrieve(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Found>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let request = GetPoints {
            collection_name: self.alias.clone(),
            ids: ids.iter().map(|id| convert::id(*id)).collect(),
            with_payload: Some(true.into()),
            with_vectors: Some(with_vectors.into()),
            ..GetPoints::default()
        };
        let points = self.client.call("read points", &request)?.result;
        self.retrieved(points)
    }

    fn search(
        &self,
        name: &str,
        vector: &[f32],
        filter: &Where,
        limit: usize,
        is_exact: bool,
    ) -> Result<Vec<Found>> {
        let using = self.names.get(name).map_or(name, String::as_str);
        let request = QueryPoints {
            collection_name: self.alias.clone(),
            query: Some(Query::new_nearest(vector.to_vec())),
            using: Some(using.to_owned()),
            filter: self.filter(filter),
            params: Some(SearchParams {
                hnsw_ef: Some(SEARCH_BREADTH.max(limit as u64)),
                exact: Some(is_exact),
                quantization: Some(QuantizationSearchParams {
                    ignore: Some(false),
                    rescore: Some(true),
                    oversampling: Some(OVERSAMPLING),
                }),
                // A plain walk of the graph misses much where a filter leaves a quarter.
                acorn: (!filter.is_empty()).then_some(AcornSearchParams {
                    enable: Some(true),
                    max_selectivity: Some(1.0),
                }),
                ..SearchParams::default()
            }),
            limit: Some(limit as u64),
            with_payload: Some(true.into()),
            with_vectors: Some(false.into()),
            ..QueryPoints::default()
        };
        let points = self.client.call("search", &request)?.result.into_iter();
        points
            .map(|point| self.found(point.id, point.payload, point.vectors, point.score))
            .collect()
    }

    fn ordered(&self, filter: &Where, order: Order, limit: usize) -> Result<Vec<Found>> {
        let request = ScrollPoints {
            order_by: Some(OrderBy {
                key: order.by.to_owned(),
                direction: Some(i32::from(order.is_falling)),
                start_from: None,
            }),
            ..self.scroll(filter, limit, false)
        };
        let points = self.client.call("list points", &request)?.result;
        self.retrieved(points)
    }

    fn page(
        &self,
        filter: &Where,
        from: Option<Uuid>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<(Vec<Found>, Option<Uuid>)> {
        let request = ScrollPoints {
            offset: from.map(convert::id),
            ..self.scroll(filter, limit, with_vectors)
        };
        let response = self.client.call("read points", &request)?;
        Ok((
            self.retrieved(response.result)?,
            convert::uuid(response.next_page_offset),
        ))
    }

    fn count(&self, filter: &Where) -> Result<u64> {
        let request = CountPoints {
            collection_name: self.alias.clone(),
            filter: self.filter(filter),
            exact: Some(true),
            ..CountPoints::default()
        };
        let response = self.client.call("count", &request)?;
        Ok(response.result.map_or(0, |result| result.count))
    }

    fn delete(&self, filter: &Where) -> Result<()> {
        // Without a filter everything would go.
        let filter = (!filter.is_empty()).then(|| self.filter(filter)).flatten();
        let filter = filter.ok_or_else(|| Error::Query {
            what: "nothing says which points to delete".to_owned(),
        })?;
        self.delete_what(filter.into())
    }

    fn delete_ids(&self, ids: &[Uuid]) -> Result<()> {
        let ids: Vec<PointId> = ids.iter().map(|id| convert::id(*id)).collect();
        self.delete_what(ids.into())
    }

    fn is_exact_for(&self, candidates: u64) -> bool {
        candidates <= self.exact_points
    }

    /// Nothing is left to do: each write waited until it was applied, and was looked for.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// The server tidies by itself.
    fn optimize(&self) -> Result<bool> {
        Ok(false)
    }

    /// Out of reach: the server writes its segments anew by itself, and shortens its log.
    fn scrub(&self) -> Result<()> {
        Ok(())
    }
}
