//! Writing points: until the server holds each of them, or a newer state of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::client::Client;
use super::convert;
use super::proto::read_consistency::Value as Consistency;
use super::proto::value::Kind;
use super::proto::{
    Condition, Filter, GetPoints, PointId, PointStruct, Range, ReadConsistency,
    ReadConsistencyType, UpsertPoints, Value,
};
use crate::Result;

/// A field that tells of two states of a point which is newer.
const REVISION: &str = "revision";

/// Sends points until the server holds every one of them, or a newer state of it.
pub(super) async fn points(
    client: Arc<Client>,
    collection: String,
    points: Vec<PointStruct>,
) -> Result<()> {
    let mut missing = points;
    let mut attempt = client.attempt("write points");
    loop {
        let upsert = UpsertPoints {
            collection_name: collection.clone(),
            wait: Some(true),
            points: missing.clone(),
            update_filter: unless_newer(&missing),
            ..UpsertPoints::default()
        };
        client.until_done("write points", &upsert).await?;
        let get = GetPoints {
            collection_name: collection.clone(),
            ids: missing.iter().filter_map(|it| it.id.clone()).collect(),
            with_payload: Some(vec![REVISION].into()),
            with_vectors: Some(false.into()),
            read_consistency: Some(ReadConsistency {
                value: Some(Consistency::Type(ReadConsistencyType::Majority.into())),
            }),
            ..GetPoints::default()
        };
        let found = client.retried("look for what was written", &get).await?;
        let found = found.result.into_iter();
        let held: HashMap<Uuid, Option<i64>> = found
            .filter_map(|point| Some((convert::uuid(point.id)?, revision(&point.payload))))
            .collect();
        missing.retain(|point| {
            let held = convert::uuid(point.id.clone()).and_then(|id| held.get(&id));
            // No revision is below every one.
            held.is_none_or(|held| *held < revision(&point.payload))
        });
        if missing.is_empty() {
            return Ok(());
        }
        client.note_lost(missing.len() as u64);
        let count = missing.len();
        attempt
            .again(format!("it accepted {count} points and does not hold them"))
            .await?;
    }
}

/// The condition on what is there already, which the server looks at in one step with the write: so that nobody who was
/// held up between reading and writing, and no attempt that comes late, puts an older state over a newer one. None where
/// points have no states.
fn unless_newer(points: &[PointStruct]) -> Option<Filter> {
    let mut by_revision: BTreeMap<Option<i64>, Vec<PointId>> = BTreeMap::new();
    for point in points {
        let ids = by_revision.entry(revision(&point.payload)).or_default();
        ids.extend(point.id.clone());
    }
    if by_revision.keys().all(Option::is_none) {
        return None;
    }
    let of_revision = |(revision, ids): (Option<i64>, Vec<PointId>)| {
        let is_not_newer = revision.map(|revision| {
            let range = Range {
                // Revisions have 32 bits.
                lte: Some(revision as f64),
                ..Range::default()
            };
            Condition::range(REVISION, range)
        });
        let is_one = Condition::has_id(ids);
        Filter::must(std::iter::once(is_one).chain(is_not_newer)).into()
    };
    Some(Filter {
        should: by_revision.into_iter().map(of_revision).collect(),
        ..Filter::default()
    })
}

fn revision(payload: &HashMap<String, Value>) -> Option<i64> {
    match payload.get(REVISION)?.kind.as_ref()? {
        Kind::IntegerValue(revision) => Some(*revision),
        _ => None,
    }
}
