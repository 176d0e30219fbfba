//! What each call for collections and their aliases does.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a call's work takes its request as the call gives it"
)]

use std::collections::{BTreeMap, HashMap};

use tonic::Status;

use super::super::proto::*;
use super::Effect;
use super::points::{Held, State};

impl State {
    pub(super) fn collection(
        &mut self,
        request: GetCollectionInfoRequest,
        _: &Effect,
    ) -> Result<GetCollectionInfoResponse, Status> {
        let held = self.named(&request.collection_name)?;
        let made = held.made.clone();
        Ok(GetCollectionInfoResponse {
            result: Some(CollectionInfo {
                config: Some(CollectionConfig {
                    params: Some(CollectionParams {
                        vectors_config: made.vectors_config,
                        shard_number: made.shard_number.unwrap_or(1),
                        replication_factor: made.replication_factor,
                        write_consistency_factor: made.write_consistency_factor,
                        ..CollectionParams::default()
                    }),
                    metadata: made.metadata,
                    ..CollectionConfig::default()
                }),
                payload_schema: held
                    .schema
                    .iter()
                    .map(|(field, schema)| (field.clone(), schema.clone()))
                    .collect(),
                ..CollectionInfo::default()
            }),
            ..GetCollectionInfoResponse::default()
        })
    }

    pub(super) fn create(
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
            made: request,
            schema: HashMap::new(),
            points: BTreeMap::new(),
        };
        self.collections.insert(name, held);
        Ok(done())
    }

    pub(super) fn delete_collection(
        &mut self,
        request: DeleteCollection,
        _: &Effect,
    ) -> Result<CollectionOperationResponse, Status> {
        self.collections.remove(&request.collection_name);
        self.aliases
            .retain(|_, collection| *collection != request.collection_name);
        Ok(done())
    }

    pub(super) fn health_check(
        &mut self,
        _: HealthCheckRequest,
        _: &Effect,
    ) -> Result<HealthCheckReply, Status> {
        Ok(HealthCheckReply {
            title: "stand-in".to_owned(),
            version: self.version.clone(),
            commit: None,
        })
    }

    /// All of the actions or none, as the server does it.
    pub(super) fn update_aliases(
        &mut self,
        request: ChangeAliases,
        _: &Effect,
    ) -> Result<CollectionOperationResponse, Status> {
        let mut aliases = self.aliases.clone();
        for action in request.actions {
            match action.action {
                Some(alias_operations::Action::CreateAlias(create)) => {
                    if !self.collections.contains_key(&create.collection_name) {
                        return Err(Status::not_found(create.collection_name));
                    }
                    aliases.insert(create.alias_name, create.collection_name);
                }
                Some(alias_operations::Action::DeleteAlias(delete)) => {
                    aliases.remove(&delete.alias_name);
                }
                other => panic!("not a change that is known here: {other:?}"),
            }
        }
        self.aliases = aliases;
        Ok(done())
    }

    pub(super) fn list_aliases(
        &mut self,
        _: ListAliasesRequest,
        _: &Effect,
    ) -> Result<ListAliasesResponse, Status> {
        let aliases = self.aliases.iter();
        Ok(ListAliasesResponse {
            aliases: aliases
                .map(|(alias, collection)| AliasDescription {
                    alias_name: alias.clone(),
                    collection_name: collection.clone(),
                })
                .collect(),
            ..ListAliasesResponse::default()
        })
    }
}

fn done() -> CollectionOperationResponse {
    CollectionOperationResponse {
        result: true,
        ..CollectionOperationResponse::default()
    }
}
