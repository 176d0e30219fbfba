//! `[defaults]` and `[cameras.<id>]`: what every camera shares, and what is its own.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::{Secret, StreamUrl};
use super::values::{CameraId, Millis};

/// How the stream travels.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "rtsp transport")]
pub enum Transport {
    /// In the RTSP connection: nothing is lost, works through firewalls.
    Tcp,
    /// Datagrams: less delay, losses show in the picture.
    Udp,
    /// In an encrypted RTSP connection.
    Tls,
}

/// A corner of a polygon: x and y as shares of the picture's width and height, 0 to 1.
pub type Corner = [f32; 2];

/// An area of the picture with at least three corners, normalised, so that it holds at every resolution.
pub type Polygon = Vec<Corner>;

/// What is looked at in the pictures of one camera, live or recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct View {
    /// Most frames a second that are looked at; absent means all.
    pub fps_cap: Option<f32>,
    /// Only people whose feet stand in this area are kept; absent means everywhere.
    pub region: Option<Polygon>,
    /// Areas that are blackened before anything else sees the picture.
    pub masks: Vec<Polygon>,
}

/// How to reach one camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// The main stream.
    pub url: StreamUrl,
    /// A smaller stream of the same camera, on which people are found and followed; crops are cut from the main one.
    pub detect_url: Option<StreamUrl>,
    /// User name for the camera.
    pub username: Option<String>,
    /// Password for the camera.
    pub password: Option<Secret>,
    /// How the stream travels.
    pub transport: Transport,
    /// Certificate authority that signs the camera's certificate (PEM); absent means the system's.
    pub ca_file: Option<PathBuf>,
    /// Jitter buffer.
    pub latency_ms: Millis,
    /// The first frame has to come within this time of opening.
    pub start_timeout_ms: Millis,
    /// The stream is opened again when no frame came for this time.
    pub stall_after_ms: Millis,
    /// Longest pause between two attempts to reach the camera.
    pub reconnect_max_ms: Millis,
}

/// One camera of a running box.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CameraConfig {
    /// Its name in ids, metrics and answers.
    #[serde(skip)]
    pub id: CameraId,
    /// A disabled camera is known and not watched; its coverage says so.
    pub enabled: bool,
    /// How to reach it; absent where the configuration was loaded without cameras' secrets.
    #[serde(flatten)]
    pub source: Option<Source>,
    /// What is looked at.
    #[serde(flatten)]
    pub view: View,
}

/// `[defaults]`: holds for every camera that does not say otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDefaults {
    /// User name for the cameras.
    #[schemars(length(min = 1))]
    pub username: Option<String>,
    /// Name of a systemd credential that holds the password: a file in `$CREDENTIALS_DIRECTORY`.
    #[schemars(length(min = 1), extend("x-secret" = true))]
    pub password_credential: Option<String>,
    /// File that holds the password; one line feed at its end is not part of it.
    #[schemars(length(min = 1), extend("x-secret" = true))]
    pub password_file: Option<String>,
    /// Environment variable that holds the password.
    #[schemars(length(min = 1), extend("x-secret" = true))]
    pub password_env: Option<String>,
    /// How the stream travels. Default: `tls` for `rtsps://`, else `tcp`.
    pub transport: Option<Transport>,
    /// Certificate authority that signs the cameras' certificates (PEM). Absent: the system's.
    #[schemars(length(min = 1))]
    pub ca_file: Option<String>,
    /// Jitter buffer in milliseconds. Default: 150.
    #[schemars(range(max = 10_000))]
    pub latency_ms: Option<Millis>,
    /// The first frame has to come within this time of opening, in milliseconds. Default: 10000.
    #[schemars(range(min = 500, max = 120_000))]
    pub start_timeout_ms: Option<Millis>,
    /// The stream is opened again when no frame came for this time, in milliseconds. Default: 5000.
    #[schemars(range(min = 500, max = 600_000))]
    pub stall_after_ms: Option<Millis>,
    /// Longest pause between two attempts to reach a camera, in milliseconds. Default: 30000.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub reconnect_max_ms: Option<Millis>,
    /// Most frames a second that are looked at. Absent: all.
    #[schemars(range(min = 0.1, max = 240.0))]
    pub fps_cap: Option<f32>,
}

/// `[cameras.<id>]`: one camera.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCamera {
    /// Watch this camera. Default: true.
    pub enabled: Option<bool>,
    /// Address of the main stream, `rtsp://` or `rtsps://`. Needed by `sightline run`.
    #[schemars(length(min = 1), extend("x-address" = true))]
    pub url: Option<String>,
    /// Address of a smaller stream of the same camera. Where given, people are found and followed on it, and their crops cut from the main one; both are decoded.
    #[schemars(length(min = 1), extend("x-address" = true))]
    pub detect_url: Option<String>,
    /// User name for the camera.
    #[schemars(length(min = 1))]
    pub username: Option<String>,
    /// Name of a systemd credential that holds the password: a file in `$CREDENTIALS_DIRECTORY`.
    #[schemars(length(min = 1), extend("x-secret" = true))]
    pub password_credential: Option<String>,
    /// File that holds the password; one line feed at its end is not part of it.
    #[schemars(length(min = 1), extend("x-secret" = true))]
    pub password_file: Option<String>,
    /// Environment variable that holds the password.
    #[schemars(length(min = 1), extend("x-secret" = true))]
    pub password_env: Option<String>,
    /// How the stream travels. Default: `tls` for `rtsps://`, else `tcp`.
    pub transport: Option<Transport>,
    /// Certificate authority that signs the camera's certificate (PEM). Absent: the system's.
    #[schemars(length(min = 1))]
    pub ca_file: Option<String>,
    /// Jitter buffer in milliseconds. Default: 150.
    #[schemars(range(max = 10_000))]
    pub latency_ms: Option<Millis>,
    /// The first frame has to come within this time of opening, in milliseconds. Default: 10000.
    #[schemars(range(min = 500, max = 120_000))]
    pub start_timeout_ms: Option<Millis>,
    /// The stream is opened again when no frame came for this time, in milliseconds. Default: 5000.
    #[schemars(range(min = 500, max = 600_000))]
    pub stall_after_ms: Option<Millis>,
    /// Longest pause between two attempts to reach the camera, in milliseconds. Default: 30000.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub reconnect_max_ms: Option<Millis>,
    /// Most frames a second that are looked at. Absent: all.
    #[schemars(range(min = 0.1, max = 240.0))]
    pub fps_cap: Option<f32>,
    /// Only people whose feet stand in this area are kept: corners `[x, y]`, each 0 to 1 of the picture. Absent: everywhere.
    #[schemars(schema_with = "polygon_schema")]
    pub region: Option<Polygon>,
    /// Areas that are blackened before anything else sees the picture.
    #[schemars(schema_with = "polygons_schema")]
    pub masks: Option<Vec<Polygon>>,
}

fn polygon_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "minItems": 3,
        "maxItems": 64,
        "items": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": { "type": "number", "minimum": 0.0, "maximum": 1.0 },
        },
    })
}

fn polygons_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": polygon_schema(generator),
    })
}

/// The defaults of the defaults.
pub(super) mod fallback {
    use super::Millis;

    pub const LATENCY_MS: Millis = Millis(150);
    pub const START_TIMEOUT_MS: Millis = Millis(10_000);
    pub const STALL_AFTER_MS: Millis = Millis(5000);
    pub const RECONNECT_MAX_MS: Millis = Millis(30_000);
}
