//! The sections about the box itself: where things lie, how much they may take, who may look.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Name;

/// `[store]`: where sightings are kept, and how much disk they may take.
///
/// Every bound is hard: the oldest goes first, counted in `sightline_spool_dropped_total`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Folder that holds the spool, the index, the pictures and the socket. One process holds it at a time.
    pub folder: PathBuf,
    /// Most bytes of sightings that wait for the index.
    #[schemars(range(min = 16_777_216))]
    pub spool_bytes: NonZeroU64,
    /// Bytes that stay free on the disk: the spool drops its oldest before it takes them.
    pub keep_free_bytes: u64,
    /// Longest time in milliseconds between a sighting's arrival and the fsync that makes it safe.
    #[schemars(range(min = 1, max = 10_000))]
    pub sync_ms: NonZeroU32,
    /// Most bytes of pictures.
    #[schemars(range(min = 1_048_576))]
    pub crops_bytes: NonZeroU64,
    /// Days after which a picture is deleted.
    #[schemars(range(max = 36_500))]
    pub crops_age_days: NonZeroU32,
    /// A Qdrant server that holds the vectors. Absent: they lie in `folder`. Pictures and coverage lie there either way.
    pub qdrant: Option<QdrantConfig>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("sightline-store"),
            spool_bytes: at_least_one_u64(4 << 30),
            keep_free_bytes: 1 << 30,
            sync_ms: at_least_one(20),
            crops_bytes: at_least_one_u64(20 << 30),
            crops_age_days: at_least_one(30),
            qdrant: None,
        }
    }
}

/// `[store.qdrant]`: a Qdrant server, or a cluster behind one address, reached by gRPC.
///
/// Collections are made where they are missing, and held against the models at every start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QdrantConfig {
    /// Its gRPC address, `http://127.0.0.1:6334` or `https://…`. A key never crosses the network without TLS.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Name of a systemd credential that holds the API key: a file in `$CREDENTIALS_DIRECTORY`.
    #[serde(default)]
    pub api_key_credential: Option<Name>,
    /// File with the API key, readable by nobody else. With neither the server asks for none.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Certificates (PEM) of who may vouch for the server. Absent: of those that the system trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What the names of the collections begin with.
    #[serde(default = "default_prefix")]
    pub prefix: Name,
    /// Several sites share the collections: this one sees its own points alone.
    #[serde(default)]
    pub share_with_other_sites: bool,
    /// Shards of collections that are made.
    #[serde(default = "one")]
    #[schemars(range(max = 1024))]
    pub shards: NonZeroU32,
    /// Copies of each shard of collections that are made. A write counts once most copies have it.
    #[serde(default = "one")]
    #[schemars(range(max = 16))]
    pub replicas: NonZeroU32,
    /// Longest time for one attempt of a call, in milliseconds.
    #[serde(default = "default_attempt_ms")]
    #[schemars(range(min = 100, max = 600_000))]
    pub attempt_ms: NonZeroU32,
    /// Longest time for a call with all its attempts, in milliseconds; sightings wait in the spool beyond it.
    #[serde(default = "default_call_ms")]
    #[schemars(range(min = 100, max = 3_600_000))]
    pub call_ms: NonZeroU32,
}

fn default_prefix() -> Name {
    Name::made_safe("sightline")
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn default_attempt_ms() -> NonZeroU32 {
    at_least_one(10_000)
}

fn default_call_ms() -> NonZeroU32 {
    at_least_one(30_000)
}

/// `[retention]`: how long tracks are kept, their pictures and persons with them; absent means for ever.
///
/// `sightline run` looks once a minute, by this machine's clock; `sightline replay` at its end, from the newest track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days after its end after which a track goes.
    #[schemars(range(max = 36_500))]
    pub age_days: Option<NonZeroU32>,
    /// Most bytes of vectors and pictures; beyond it the oldest tracks go.
    #[schemars(range(min = 1_048_576))]
    pub max_bytes: Option<NonZeroU64>,
}

/// `[migrate]`: models that the store moves to, beside its own; absent means that it stays with these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MigrateConfig {
    /// Name of the encoder that is to take the place of `models.appearance`.
    pub appearance: Option<Name>,
    /// Name of the encoder that is to take the place of `models.joint`.
    pub joint: Option<Name>,
    /// Its other side, in place of `models.text`.
    pub text: Option<Name>,
    /// Most stored pictures embedded a second by the new models, so that cameras have the rest of the machine.
    #[schemars(range(min = 1, max = 100_000))]
    pub most_per_second: NonZeroU32,
    /// Nobody else writes to the collections on the server, so the store moves by itself once it is complete. In a folder it always does.
    pub one_writer: bool,
}

impl MigrateConfig {
    /// Whether any model is named.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.appearance.is_some() || self.joint.is_some()
    }
}

impl Default for MigrateConfig {
    fn default() -> Self {
        Self {
            appearance: None,
            joint: None,
            text: None,
            most_per_second: at_least_one(5),
            one_writer: false,
        }
    }
}

/// `[models]`: the networks, the library that runs them, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    /// Folder with one folder a model, each holding `model.toml` (the card) and `model.onnx`.
    pub folder: PathBuf,
    /// The ONNX Runtime library, version 1.24 or later.
    pub onnxruntime: PathBuf,
    /// Name of the detector: a folder in `folder`.
    pub detector: Name,
    /// Name of the encoder that tells people apart: a folder in `folder`.
    pub appearance: Name,
    /// Compare people with sentences: `sightline search "a woman in a red coat"`. Costs one more network a crop.
    pub text_search: bool,
    /// Name of the picture side of the image-text pair: a folder in `folder`, or shipped with the program.
    pub joint: Name,
    /// Name of the text side of the pair.
    pub text: Name,
    /// Where networks run, in order of wish. One that is asked for and missing is an error; `auto` takes the best there is.
    #[schemars(length(min = 1))]
    pub providers: Vec<Provider>,
    /// Threads of one model session on the CPU; 0 means one a core.
    #[schemars(range(max = 256))]
    pub intra_threads: u32,
    /// Folder for engines that TensorRT builds, keyed by model, driver and GPU. Needed when `providers` names `tensorrt`.
    pub engine_cache: Option<PathBuf>,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("/var/lib/sightline/models"),
            onnxruntime: PathBuf::from("/usr/lib/sightline/libonnxruntime.so"),
            detector: Name::made_safe("detector"),
            appearance: Name::made_safe("appearance"),
            text_search: true,
            joint: Name::made_safe("joint-picture"),
            text: Name::made_safe("joint-text"),
            providers: vec![Provider::Auto],
            intra_threads: 0,
            engine_cache: None,
        }
    }
}

/// What a network runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "execution provider")]
pub enum Provider {
    /// NVIDIA TensorRT.
    Tensorrt,
    /// NVIDIA CUDA.
    Cuda,
    /// Intel OpenVINO.
    Openvino,
    /// The CPU, always there.
    Cpu,
    /// The best of the others that works on this machine; says in the log which.
    Auto,
}

/// `[api]`: the socket on which the process that holds the store answers `sightline search`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Path of the socket. Absent: `api.sock` in the store's folder.
    pub socket: Option<PathBuf>,
    /// Group whose members may search. Absent: the group of the process.
    #[schemars(length(min = 1))]
    pub socket_group: Option<String>,
}

/// `[observe]`: logs, metrics and health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObserveConfig {
    /// Loopback address of `/metrics`, `/live` and `/ready`. Absent: not served. Anything but loopback is refused: put a proxy before it.
    #[schemars(with = "Option<String>", extend("x-form" = "loopback"))]
    pub listen: Option<SocketAddr>,
    /// Form of the log.
    pub format: LogFormat,
    /// Least important level that is logged.
    pub level: LogLevel,
}

impl Default for ObserveConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
            format: LogFormat::Auto,
            level: LogLevel::Info,
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "log format")]
pub enum LogFormat {
    /// The journal's own protocol under systemd, text elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// systemd's journal, with fields; an error where there is none.
    Journald,
}

/// How much is logged.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "log level")]
pub enum LogLevel {
    /// Only what went wrong.
    Error,
    /// And what might.
    Warn,
    /// And what happened.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

pub(super) const fn at_least_one(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

const fn at_least_one_u64(value: u64) -> NonZeroU64 {
    match NonZeroU64::new(value) {
        Some(value) => value,
        None => NonZeroU64::MIN,
    }
}
