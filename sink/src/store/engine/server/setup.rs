//! Collections: made where they are missing, checked at every start, reached by an alias.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tonic::Code;

use super::client::Client;
use super::promise;
use super::proto::alias_operations::Action;
use super::proto::quantization_config::Quantization;
use super::proto::vectors_config::Config;
use super::proto::{
    AliasOperations, Call, ChangeAliases, CollectionInfo, CollectionOperationResponse, CreateAlias,
    CreateCollection, CreateFieldIndexCollection, DeleteAlias, DeleteCollection, Distance,
    FieldType, GetCollectionInfoRequest, HealthCheckRequest, KeywordIndexParams,
    ListAliasesRequest, PayloadIndexParams, QuantizationType, ScalarQuantization, VectorParams,
    VectorsConfig, payload_index_params, value,
};
use crate::error::Reaction;
use crate::store::engine::{Collection, Kind};
use crate::store::options::VectorSpec;
use crate::{Error, Result};

/// The first servers that keep what is said of a collection, write a point on a condition, and walk a graph by a filter.
/// Older ones leave all three out without a word.
const OLDEST: (u32, u32) = (1, 16);

/// What a collection says of itself: which store it belongs to.
const STORE: &str = "sightline_store";

/// Points of one site lie together, and searches of one do not read the others.
pub(super) const TENANT: &str = "site";

const OPENING: &str = "open a collection";

/// Which store collections shall belong to.
#[derive(Debug, Clone)]
pub(in crate::store) enum Wanted {
    /// To the one by this id, as the folder notes it in that file: they are there, or everything in them is lost.
    Known(String, PathBuf),
    /// To whichever they do; where there are none, they are made for the one by this id.
    Any(String),
}

/// The name of a vector on the server: the model is part of it, so that two models never meet there either.
pub(super) fn vector_name(spec: &VectorSpec) -> String {
    format!("{}:{}", spec.name, spec.model)
}

/// The collection of a generation.
pub(super) fn numbered(alias: &str, number: u32) -> String {
    format!("{alias}-{number}")
}

/// Makes the collection behind `alias` if there is none, and refuses one that was made for something else. Gives the id of
/// the store that it belongs to.
pub(super) fn prepare(
    client: &Client,
    alias: &str,
    specs: &[VectorSpec],
    collection: &Collection,
    wanted: &Wanted,
) -> Result<String> {
    check_version(client)?;
    if look(client, alias)?.is_none() {
        let id = match wanted {
            Wanted::Any(id) => id,
            Wanted::Known(_, note) => {
                let what = format!(
                    "`{alias}` is not there any more: the server was emptied, or is another one; {}",
                    begin_anew(note)
                );
                return Err(refusal(client, what));
            }
        };
        let name = numbered(alias, 1);
        // Two that start together make the same, and it belongs to the one that was first.
        create(client, &name, specs, id)?;
        let named = CreateAlias {
            collection_name: name,
            alias_name: alias.to_owned(),
        };
        name_so(client, vec![Action::CreateAlias(named)])?;
    }
    let found = complete(client, alias, specs, collection)?;
    let held = store_of(&found).ok_or_else(|| {
        let what = format!(
            "`{alias}` does not say which store it belongs to, so something else made it; set another `prefix` under [store.qdrant]"
        );
        refusal(client, what)
    })?;
    match wanted {
        Wanted::Known(id, note) if *id != held => {
            let what = format!(
                "`{alias}` belongs to another store: the server was emptied and filled again, or is another one; {}",
                begin_anew(note)
            );
            Err(refusal(client, what))
        }
        Wanted::Known(..) | Wanted::Any(_) => Ok(held),
    }
}

/// Makes a collection by its own name if there is none, and refuses one that was made for something else.
pub(super) fn prepare_unnamed(
    client: &Client,
    name: &str,
    specs: &[VectorSpec],
    collection: &Collection,
    store: &str,
) -> Result<()> {
    if look(client, name)?.is_none() {
        create(client, name, specs, store)?;
    }
    let found = complete(client, name, specs, collection)?;
    if store_of(&found).as_deref() == Some(store) {
        return Ok(());
    }
    Err(refusal(
        client,
        format!("`{name}` belongs to another store"),
    ))
}

pub(super) fn refusal(client: &Client, what: String) -> Error {
    client.error_with(OPENING, what, Reaction::Configuration)
}

fn begin_anew(note: &Path) -> String {
    format!(
        "what this store indexed is not in it. To begin anew, delete {} and, with Kafka, give its consumers another `group`",
        note.display()
    )
}

/// The id of the store that a collection says it belongs to.
fn store_of(found: &CollectionInfo) -> Option<String> {
    let said = found.config.as_ref()?.metadata.get(STORE)?;
    match said.kind.as_ref()? {
        value::Kind::StringValue(id) => Some(id.clone()),
        _ => None,
    }
}

/// Refuses a server that would leave out what it is asked for.
fn check_version(client: &Client) -> Result<()> {
    let reply = client.call("ask for the server's version", &HealthCheckRequest {})?;
    let mut parts = reply.version.split('.').map(|part| part.parse().ok());
    let version = parts.next().flatten().zip(parts.next().flatten());
    if version.is_some_and(|version| version >= OLDEST) {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    let what = format!(
        "its version is `{}`, expected {major}.{minor} or newer",
        reply.version
    );
    Err(refusal(client, what))
}

fn complete(
    client: &Client,
    name: &str,
    specs: &[VectorSpec],
    collection: &Collection,
) -> Result<CollectionInfo> {
    let found = look(client, name)?.ok_or_else(|| {
        client.error(
            "make a collection",
            format!("`{name}` is not there afterwards"),
        )
    })?;
    promise::check(client, name, specs, collection, &found)?;
    for (field, kind) in collection.fields {
        if !found.payload_schema.contains_key(*field) {
            index(client, name, field, *kind)?;
        }
    }
    Ok(found)
}

/// The number of the generation that an alias stands for.
pub(super) fn current(client: &Client, alias: &str) -> Result<u32> {
    let aliases = client.call("look at the names of collections", &ListAliasesRequest {})?;
    let mut aliases = aliases.aliases.into_iter();
    let held = aliases.find(|held| held.alias_name == alias);
    let number = held.as_ref().and_then(|held| {
        let rest = held.collection_name.strip_prefix(alias)?;
        rest.strip_prefix('-')?.parse().ok()
    });
    number.ok_or_else(|| Error::Mismatch {
        path: format!("{}/{alias}", client.url()).into(),
        what: match held {
            Some(held) => format!(
                "it stands for `{}`, not for one of ours",
                held.collection_name
            ),
            None => "it stands for no collection".to_owned(),
        },
    })
}

/// Lets aliases stand for another generation: all of them in one step, or none.
pub(super) fn switch(client: &Client, aliases: &[String], number: u32) -> Result<()> {
    let moves = aliases.iter().flat_map(|alias| {
        let old = Action::DeleteAlias(DeleteAlias::from(alias.as_str()));
        let new = Action::CreateAlias(CreateAlias {
            collection_name: numbered(alias, number),
            alias_name: alias.clone(),
        });
        [old, new]
    });
    name_so(client, moves.collect())
}

/// Deletes a collection, if it is there.
pub(super) fn delete(client: &Client, name: &str) -> Result<()> {
    const DOING: &str = "delete a collection";
    match client.block_on(client.answered(DOING, &DeleteCollection::from(name)))? {
        Err(status) if status.code() != Code::NotFound => Err(client.refusal(DOING, &status)),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn name_so(client: &Client, actions: Vec<Action>) -> Result<()> {
    let actions = actions.into_iter().map(|action| AliasOperations {
        action: Some(action),
    });
    let request = ChangeAliases {
        actions: actions.collect(),
        ..ChangeAliases::default()
    };
    unless_there(client, "name a collection", &request).map(|_| ())
}

pub(super) fn look(client: &Client, alias: &str) -> Result<Option<CollectionInfo>> {
    const DOING: &str = "look at a collection";
    let request = GetCollectionInfoRequest::from(alias);
    match client.block_on(client.answered(DOING, &request))? {
        Ok(response) => Ok(response.result),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(client.refusal(DOING, &status)),
    }
}

/// Makes a collection of the store by this id; says whether it was not there before.
#[expect(
    deprecated,
    reason = "servers before 1.20 know nothing of what takes the place of these, and newer ones know both"
)]
pub(super) fn create(
    client: &Client,
    name: &str,
    specs: &[VectorSpec],
    store: &str,
) -> Result<bool> {
    let params = |spec: &VectorSpec| VectorParams {
        size: spec.dimension as u64,
        distance: Distance::Cosine.into(),
        // Whole vectors stay on disk, eight bits of each value in memory; the best are compared by whole vectors.
        on_disk: Some(true),
        quantization_config: Some(
            Quantization::Scalar(ScalarQuantization {
                r#type: QuantizationType::Int8.into(),
                quantile: Some(0.99),
                always_ram: Some(true),
                ..ScalarQuantization::default()
            })
            .into(),
        ),
        ..VectorParams::default()
    };
    let map: HashMap<String, VectorParams> = specs
        .iter()
        .map(|spec| (vector_name(spec), params(spec)))
        .collect();
    let options = client.options();
    let request = CreateCollection {
        collection_name: name.to_owned(),
        on_disk_payload: Some(true),
        vectors_config: Some(VectorsConfig {
            config: Some(Config::ParamsMap(map.into())),
        }),
        shard_number: Some(options.shards),
        replication_factor: Some(options.replicas),
        // A write counts once most copies have it.
        write_consistency_factor: Some(options.replicas / 2 + 1),
        metadata: HashMap::from([(STORE.to_owned(), store.into())]),
        ..CreateCollection::default()
    };
    unless_there(client, "make a collection", &request)
}

/// Says whether it was not there before.
fn unless_there<Q>(client: &Client, doing: &'static str, request: &Q) -> Result<bool>
where
    Q: Call<Answer = CollectionOperationResponse>,
{
    match client.block_on(client.answered(doing, request))? {
        Err(status)
            if status.code() == Code::AlreadyExists
                || status.message().contains("already exists") =>
        {
            Ok(false)
        }
        Err(status) => Err(client.refusal(doing, &status)),
        Ok(_) => Ok(true),
    }
}

fn index(client: &Client, alias: &str, field: &str, kind: Kind) -> Result<()> {
    let field_type = match kind {
        Kind::Keyword => FieldType::Keyword,
        Kind::Integer => FieldType::Integer,
        Kind::Float => FieldType::Float,
    };
    let tenant = (field == TENANT).then_some(PayloadIndexParams {
        index_params: Some(payload_index_params::IndexParams::KeywordIndexParams(
            KeywordIndexParams {
                is_tenant: Some(true),
                ..KeywordIndexParams::default()
            },
        )),
    });
    let request = CreateFieldIndexCollection {
        collection_name: alias.to_owned(),
        wait: Some(true),
        field_name: field.to_owned(),
        field_type: Some(field_type.into()),
        field_index_params: tenant,
        ..CreateFieldIndexCollection::default()
    };
    client.block_on(client.until_done("make an index of a field", &request))
}
