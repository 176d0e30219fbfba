//! The configuration file as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::camera::{RawCamera, RawDefaults};
use super::kafka::KafkaConfig;
use super::machine::{
    ApiConfig, MigrateConfig, ModelsConfig, ObserveConfig, RetentionConfig, StoreConfig,
};
use super::persons::{MapConfig, PersonsConfig};
use super::stages::{DetectConfig, EmbedConfig, SelectConfig, TrackConfig};
use super::values::Name;

/// The site's name where none is given.
pub(super) const DEFAULT_SITE: &str = "site";

/// One Sightline box: what it watches, with what, and where it keeps what it saw.
///
/// `${VAR}` and `${VAR:-default}` stand for environment variables in every text. Relative paths
/// begin at the folder of this file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sightline configuration")]
pub struct RawConfig {
    /// Name of the place; part of every track's id, so do not change it later. Default: `site`.
    #[serde(default = "default_site")]
    pub site: Name,
    /// Where sightings are kept, and how much disk they may take.
    #[serde(default)]
    pub store: StoreConfig,
    /// The log between edge boxes and a site's indexers; without brokers there is none.
    #[serde(default)]
    pub kafka: KafkaConfig,
    /// How long tracks are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// The networks, the library that runs them, and on what.
    #[serde(default)]
    pub models: ModelsConfig,
    /// Models that the store moves to while everything goes on.
    #[serde(default)]
    pub migrate: MigrateConfig,
    /// Pictures to boxes of pedestrians.
    #[serde(default)]
    pub detect: DetectConfig,
    /// Boxes to tracks.
    #[serde(default)]
    pub track: TrackConfig,
    /// Tracks to the few crops worth embedding.
    #[serde(default)]
    pub select: SelectConfig,
    /// Crops to vectors.
    #[serde(default)]
    pub embed: EmbedConfig,
    /// Tracks of all cameras to persons.
    #[serde(default)]
    pub persons: PersonsConfig,
    /// Where the cameras stand and who neighbours whom; not needed, and each part of it helps.
    #[serde(default)]
    pub map: MapConfig,
    /// The socket on which the process that holds the store answers.
    #[serde(default)]
    pub api: ApiConfig,
    /// Logs, metrics and health.
    #[serde(default)]
    pub observe: ObserveConfig,
    /// Holds for every camera that does not say otherwise.
    #[serde(default)]
    pub defaults: RawDefaults,
    /// One table a camera, `[cameras.<id>]`; the id is 1 to 64 letters, digits, `.`, `_` or `-`.
    #[serde(default)]
    pub cameras: BTreeMap<String, RawCamera>,
}

fn default_site() -> Name {
    Name::made_safe(DEFAULT_SITE)
}
