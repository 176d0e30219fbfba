//! Configuration: one TOML for a box, read whole, refused whole.
//!
//! A file is held against the JSON Schema of [`RawConfig`], its variables are put in, and what it
//! says becomes a [`Config`] once. After that every value is valid by type. All faults are
//! reported together ([`Faults`]); secrets cannot be printed ([`Secret`]).
//!
//! # Layout
//!
//! - `document`: TOML against a schema, with lines; `schema`: the schema's rules; `expand`: `${VAR}`
//! - `raw`: the file as it is written; `machine`, `kafka`, `stages`, `persons`, `camera`: its sections
//! - `resolve`, `source`: from [`RawConfig`] to [`Config`]: defaults, credentials, what no schema can say
//! - `changes`: what differs between two configurations, and what a reload can apply
//! - `fault`, `secret`, `values`: faults, passwords, and values that cannot be wrong
//! - `inputs`: recordings from files, folders and manifests

mod camera;
mod changes;
mod document;
mod expand;
mod fault;
mod inputs;
mod kafka;
mod machine;
mod persons;
mod raw;
mod resolve;
mod schema;
mod secret;
mod source;
mod stages;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

pub use camera::{CameraConfig, Corner, Polygon, RawCamera, RawDefaults, Source, Transport, View};
pub use changes::Changes;
pub use fault::{ConfigError, Fault, Faults};
pub use inputs::{InputError, Inputs, Manifest, Recording, Start};
pub use kafka::{Association, GroupProtocol, KafkaConfig, SaslMechanism, Security};
pub use machine::{
    ApiConfig, LogFormat, LogLevel, MigrateConfig, ModelsConfig, ObserveConfig, Provider,
    QdrantConfig, RetentionConfig, StoreConfig,
};
pub use persons::{MapCamera, MapConfig, MapWay, PersonsConfig};
pub use raw::RawConfig;
pub use schema::schema_of;
pub use secret::{ParsedUrl, Secret, StreamUrl};
pub use stages::{
    DetectConfig, EmbedConfig, MotionGateConfig, SelectConfig, TilingConfig, TrackConfig,
};
pub use values::{CameraId, Fraction, Millis, Name};

/// Everything a process needs to know; valid by type.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Name of the place; part of every track's id.
    pub site: Name,
    /// Where sightings are kept.
    pub store: StoreConfig,
    /// The log between edge and site.
    pub kafka: KafkaConfig,
    /// How long tracks are kept.
    pub retention: RetentionConfig,
    /// The networks.
    pub models: ModelsConfig,
    /// Models that the store moves to.
    pub migrate: MigrateConfig,
    /// Pictures to boxes.
    pub detect: DetectConfig,
    /// Boxes to tracks.
    pub track: TrackConfig,
    /// Tracks to crops.
    pub select: SelectConfig,
    /// Crops to vectors.
    pub embed: EmbedConfig,
    /// Tracks to persons.
    pub persons: PersonsConfig,
    /// What is known of the site.
    pub map: MapConfig,
    /// Who may search.
    pub api: ApiConfig,
    /// Logs and metrics.
    pub observe: ObserveConfig,
    /// The cameras by id.
    pub cameras: BTreeMap<CameraId, CameraConfig>,
    /// What could not be checked here, in words; empty but for [`Purpose::Check`].
    #[serde(skip)]
    pub unchecked: Vec<String>,
}

/// What a configuration is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `run`: cameras are reached, so addresses and passwords have to be there.
    Live,
    /// `index`, `topics`, `dead`: no camera is reached, the log is; the store's folder has to be named.
    Site,
    /// `associate`: as `Site`, without a store.
    Associate,
    /// `replay`, `search`, `models`: no camera is reached; addresses and passwords are neither needed nor read.
    Offline,
    /// `check`: as `Live`; passwords in credentials are not read where systemd gave none.
    Check,
}

impl Config {
    /// Reads and checks a file in the environment of this process.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault of the file; the exit status for it is 78.
    pub fn load(path: &Path, purpose: Purpose) -> Result<Self, ConfigError> {
        let text = fs_err::read(path).map_err(ConfigError::Unreadable)?;
        let Ok(text) = String::from_utf8(text) else {
            return Err(ConfigError::Unreadable(std::io::Error::other(format!(
                "{}: is not UTF-8 text",
                fault::shown(&path.to_string_lossy())
            ))));
        };
        Ok(Self::parse(&text, path, purpose, &|name| {
            std::env::var(name).ok()
        })?)
    }

    /// Checks the text of a file; `variable` answers for the environment.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn parse(
        text: &str,
        file: &Path,
        purpose: Purpose,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Faults> {
        resolve::resolve(text, file, purpose, variable)
    }

    /// The configuration of a process that was given none: no cameras, every default.
    #[must_use]
    pub fn built_in() -> Self {
        let mut models = ModelsConfig::default();
        resolve::find_models(&mut models, false, false);
        Self {
            site: Name::made_safe(raw::DEFAULT_SITE),
            store: StoreConfig::default(),
            kafka: KafkaConfig::default(),
            retention: RetentionConfig::default(),
            models,
            migrate: MigrateConfig::default(),
            detect: DetectConfig::default(),
            track: TrackConfig::default(),
            select: SelectConfig::default(),
            embed: EmbedConfig::default(),
            persons: PersonsConfig::default(),
            map: MapConfig::default(),
            api: ApiConfig::default(),
            observe: ObserveConfig::default(),
            cameras: BTreeMap::new(),
            unchecked: Vec::new(),
        }
    }

    /// Loads `path` if there is one, else takes [`Config::built_in`].
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_or_built_in(path: Option<&Path>, purpose: Purpose) -> Result<Self, ConfigError> {
        path.map_or_else(|| Ok(Self::built_in()), |path| Self::load(path, purpose))
    }

    /// What is looked at in the pictures of `camera`; everything, for one that the configuration does not know.
    #[must_use]
    pub fn view_of(&self, camera: &str) -> View {
        self.cameras
            .get(camera)
            .map(|camera| camera.view.clone())
            .unwrap_or_default()
    }

    /// This configuration with the models that `migrate` names.
    #[must_use]
    pub fn migrated(&self, migrate: &MigrateConfig) -> Self {
        let mut target = self.clone();
        let models = &mut target.models;
        for (name, place) in [
            (&migrate.appearance, &mut models.appearance),
            (&migrate.joint, &mut models.joint),
            (&migrate.text, &mut models.text),
        ] {
            if let Some(name) = name {
                place.clone_from(name);
            }
        }
        target
    }

    /// The socket on which the process that holds the store answers.
    #[must_use]
    pub fn socket_path(&self) -> std::path::PathBuf {
        self.api
            .socket
            .clone()
            .unwrap_or_else(|| self.store.folder.join("api.sock"))
    }

    /// The configuration in force as TOML, defaults filled in, secrets hidden.
    ///
    /// # Errors
    /// None that a configuration of ours can cause; the serializer's otherwise.
    pub fn to_effective_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// The JSON Schema of the configuration file, for editors and for `sightline check --schema`.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schema_of::<RawConfig>()
}
