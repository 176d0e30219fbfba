//! What a collection must be like, held against how it is at every start: somebody else may have made it, or changed it.

use std::collections::HashMap;

use super::client::Client;
use super::options::ServerOptions;
use super::proto::payload_index_params::IndexParams;
use super::proto::quantization_config::Quantization;
use super::proto::vectors_config::Config;
use super::proto::{
    CollectionInfo, Datatype, Distance, Memory, PayloadSchemaInfo, PayloadSchemaType,
    QuantizationConfig, QuantizationType, VectorParams,
};
use super::setup::{TENANT, refusal, vector_name};
use crate::store::engine::{Collection, Kind};
use crate::store::options::VectorSpec;
use crate::{Error, Result};

/// What a collection is not as it would be made now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Searches would answer otherwise or fail, or there would be fewer copies than asked for.
    pub(super) refused: Vec<String>,
    /// Answers are the same, by more time or memory.
    pub(super) slow: Vec<String>,
}

/// Refuses a collection that was made for other vectors or keeps less than is asked for, and warns of one that is slow.
pub(super) fn check(
    client: &Client,
    alias: &str,
    specs: &[VectorSpec],
    collection: &Collection,
    found: &CollectionInfo,
) -> Result<()> {
    check_vectors(specs, &vectors(found)).map_err(|what| Error::Mismatch {
        path: format!("{}/{alias}", client.url()).into(),
        what,
    })?;
    let faults = faults(client.options(), specs, collection, found);
    for what in &faults.slow {
        tracing::warn!(
            url = client.url(),
            collection = alias,
            what,
            "a collection on the server costs more than it has to; its answers are the same"
        );
    }
    if faults.refused.is_empty() {
        return Ok(());
    }
    let what = format!("`{alias}`: {}", faults.refused.join("; "));
    Err(refusal(client, what))
}

fn vectors(found: &CollectionInfo) -> HashMap<String, VectorParams> {
    let params = found.config.as_ref().and_then(|it| it.params.as_ref());
    let config = params.and_then(|params| params.vectors_config.as_ref());
    match config.and_then(|config| config.config.as_ref()) {
        Some(Config::ParamsMap(map)) => map.map.clone(),
        // One vector without a name is not ours.
        Some(Config::Params(_)) | None => HashMap::new(),
    }
}

/// Whether it was made for these models and dimensions.
fn check_vectors(specs: &[VectorSpec], held: &HashMap<String, VectorParams>) -> Result<(), String> {
    let mut names: Vec<&String> = held.keys().collect();
    names.sort_unstable();
    for spec in specs {
        let name = vector_name(spec);
        let Some(params) = held.get(&name) else {
            return Err(format!(
                "it holds no vector `{}` by `{}`, but {names:?}",
                spec.name, spec.model
            ));
        };
        if params.size != spec.dimension as u64 {
            return Err(format!(
                "its vector `{name}` has {} values, asked for {}",
                params.size, spec.dimension
            ));
        }
        if params.distance != i32::from(Distance::Cosine) {
            return Err(format!("its vector `{name}` is not compared by cosine"));
        }
    }
    if held.len() != specs.len() {
        return Err(format!(
            "it holds the vectors {names:?}, not all were asked for"
        ));
    }
    Ok(())
}

/// What else is not as it would be made.
pub(super) fn faults(
    options: &ServerOptions,
    specs: &[VectorSpec],
    collection: &Collection,
    found: &CollectionInfo,
) -> Faults {
    let mut faults = Faults::default();
    let config = found.config.as_ref();
    let of_all = config.and_then(|config| config.quantization_config.as_ref());
    let held = vectors(found);
    for spec in specs {
        let name = vector_name(spec);
        if let Some(params) = held.get(&name) {
            faults.look_at_vector(&name, params, of_all);
        }
    }
    for (field, kind) in collection.fields {
        // One that is missing is made.
        if let Some(schema) = found.payload_schema.get(*field) {
            faults.look_at_index(field, *kind, schema);
        }
    }
    let params = config.and_then(|config| config.params.as_ref());
    let copies = params.and_then(|params| params.replication_factor);
    let copies = copies.unwrap_or(1);
    if copies < options.replicas {
        faults.refused.push(format!(
            "it keeps {copies} copies, and `replicas` is {}: change the collection's replication_factor, or `replicas`",
            options.replicas
        ));
    }
    let most = options.replicas / 2 + 1;
    let written = params.and_then(|params| params.write_consistency_factor);
    let written = written.unwrap_or(1);
    if written < most {
        faults.refused.push(format!(
            "a write counts once {written} copies have it, expected {most}: change the collection's write_consistency_factor"
        ));
    }
    faults
}

impl Faults {
    #[expect(
        deprecated,
        reason = "servers before 1.20 know nothing of what takes the place of these, and newer ones know both"
    )]
    fn look_at_vector(
        &mut self,
        name: &str,
        params: &VectorParams,
        of_all: Option<&QuantizationConfig>,
    ) {
        let plain = [Datatype::Default, Datatype::Float32].map(i32::from);
        if params.datatype.is_some_and(|it| !plain.contains(&it)) {
            self.refused.push(format!(
                "vector `{name}` is not kept whole, expected 32 bits a value"
            ));
        }
        if params.multivector_config.is_some() {
            self.refused
                .push(format!("vector `{name}` is many in one, expected one"));
        }
        let is_cold = params.memory == Some(Memory::Cold.into());
        if params.on_disk != Some(true) && !is_cold {
            self.slow
                .push(format!("vector `{name}` lies in memory whole, not on disk"));
        }
        let own = params.quantization_config.as_ref().or(of_all);
        match own.and_then(|own| own.quantization.as_ref()) {
            None => self
                .slow
                .push(format!("vector `{name}` is not quantized, expected int8")),
            Some(Quantization::Scalar(scalar))
                if scalar.r#type == i32::from(QuantizationType::Int8) =>
            {
                let is_pinned = scalar.memory == Some(Memory::Pinned.into());
                if scalar.always_ram != Some(true) && !is_pinned {
                    self.slow.push(format!(
                        "vector `{name}` is quantized, but not kept in memory"
                    ));
                }
            }
            Some(_) => self.refused.push(format!(
                "vector `{name}` is quantized otherwise than to int8, so searches would miss more"
            )),
        }
    }

    fn look_at_index(&mut self, field: &str, kind: Kind, schema: &PayloadSchemaInfo) {
        let expected = match kind {
            Kind::Keyword => PayloadSchemaType::Keyword,
            Kind::Integer => PayloadSchemaType::Integer,
            Kind::Float => PayloadSchemaType::Float,
        };
        if schema.data_type != i32::from(expected) {
            let held = PayloadSchemaType::try_from(schema.data_type);
            let held = held.map_or("unknown", |held| held.as_str_name());
            self.refused.push(format!(
                "field `{field}` has an index of kind {held}, expected {}: delete that index, and the next start makes the right one",
                expected.as_str_name()
            ));
        } else if field == TENANT {
            let params = schema.params.as_ref();
            let is_tenant = match params.and_then(|params| params.index_params.as_ref()) {
                Some(IndexParams::KeywordIndexParams(params)) => params.is_tenant == Some(true),
                _ => false,
            };
            if !is_tenant {
                self.slow.push(format!(
                    "field `{field}` has an index that tells no tenants apart"
                ));
            }
        }
    }
}
