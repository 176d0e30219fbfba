//! From the file as it is written to a configuration that holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::camera::{CameraConfig, RawCamera, RawDefaults, Source, Transport, View, fallback};
use super::document::{Blame, Document, Reading, read};
use super::fault::{Faults, KeyPath, one_of};
use super::machine::ModelsConfig;
use super::raw::RawConfig;
use super::schema::Rule;
use super::secret::{Secret, StreamUrl};
use super::values::Name;
use super::{Config, Provider, Purpose};

/// Keys of a camera that say how to reach it: not looked at where nobody does.
const SOURCE_KEYS: [&str; 7] = [
    "url",
    "detect_url",
    "username",
    "password_credential",
    "password_file",
    "password_env",
    "ca_file",
];

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn resolve(
    text: &str,
    file: &Path,
    purpose: Purpose,
    variable: Variables<'_>,
) -> Result<Config, Faults> {
    let schema = super::json_schema();
    let is_unused = |path: &KeyPath| {
        purpose == Purpose::Offline
            && matches!(
                path.steps().first().map(String::as_str),
                Some("cameras" | "defaults")
            )
            && SOURCE_KEYS.contains(&path.last())
    };
    let mut document = read(
        text,
        &Reading {
            rule: Rule::of(&schema),
            variable,
            is_unused: &is_unused,
        },
    );
    let config = match RawConfig::deserialize(&document.value) {
        Ok(raw) => Some(settle(raw, &mut document, file, purpose, variable)),
        Err(error) => {
            document.blame(
                &KeyPath::default(),
                Blame {
                    problem: format!(
                        "cannot be read: {}",
                        super::fault::shown(&error.to_string())
                    ),
                    ..Blame::default()
                },
            );
            None
        }
    };
    match (
        Faults::of(file, std::mem::take(&mut document.faults)),
        config,
    ) {
        (None, Some(config)) => Ok(config),
        (Some(faults), _) => Err(faults),
        (None, None) => Err(Faults {
            file: file.to_owned(),
            faults: Vec::new(),
        }),
    }
}

fn settle(
    raw: RawConfig,
    document: &mut Document,
    file: &Path,
    purpose: Purpose,
    variable: Variables<'_>,
) -> Config {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut store = raw.store;
    if document.has(&KeyPath::of(&["store", "folder"])) {
        store.folder = folder.join(store.folder);
    } else if purpose != Purpose::Offline {
        document.blame(
            &KeyPath::of(&["store", "folder"]),
            Blame {
                problem: "no folder for the store".into(),
                expected: Some("`folder = \"/var/lib/sightline/store\"` under [store]".into()),
                ..Blame::default()
            },
        );
    }
    let mut models = raw.models;
    models.folder = folder.join(models.folder);
    models.onnxruntime = folder.join(models.onnxruntime);
    find_models(
        &mut models,
        document.has(&KeyPath::of(&["models", "folder"])),
        document.has(&KeyPath::of(&["models", "onnxruntime"])),
    );
    models.engine_cache = models.engine_cache.map(|cache| folder.join(cache));
    if models.providers.contains(&Provider::Tensorrt) && models.engine_cache.is_none() {
        document.blame(
            &KeyPath::of(&["models", "engine_cache"]),
            Blame {
                problem: "tensorrt has no folder for its engines".into(),
                expected: Some("`engine_cache = \"/var/cache/sightline\"` under [models]".into()),
                hint: Some("without it every start builds them again, for minutes".into()),
                ..Blame::default()
            },
        );
    }
    if raw.track.low_score.get() > raw.track.high_score.get() {
        document.blame(
            &KeyPath::of(&["track", "low_score"]),
            Blame {
                problem: format!(
                    "low_score `{}` is above high_score `{}`",
                    raw.track.low_score.get(),
                    raw.track.high_score.get()
                ),
                expected: Some("low_score to be the smaller of the two".into()),
                ..Blame::default()
            },
        );
    }
    let mut api = raw.api;
    api.socket = api.socket.map(|socket| folder.join(socket));
    let mut cameras = BTreeMap::new();
    let mut unchecked = Vec::new();
    for (id, camera) in &raw.cameras {
        let mut one = OneCamera {
            id,
            camera,
            defaults: &raw.defaults,
            folder,
            purpose,
            variable,
            document,
            unchecked: &mut unchecked,
        };
        let source = if purpose == Purpose::Offline {
            None
        } else {
            one.source()
        };
        let id = Name::made_safe(id);
        cameras.insert(
            id.clone(),
            CameraConfig {
                id,
                enabled: camera.enabled.unwrap_or(true),
                source,
                view: View {
                    fps_cap: camera.fps_cap.or(raw.defaults.fps_cap),
                    region: camera.region.clone(),
                    masks: camera.masks.clone().unwrap_or_default(),
                },
            },
        );
    }
    Config {
        site: raw.site,
        store,
        models,
        detect: raw.detect,
        track: raw.track,
        select: raw.select,
        embed: raw.embed,
        api,
        observe: raw.observe,
        cameras,
        unchecked,
    }
}

/// Takes what `make` installed beside a checkout where the file names nothing.
///
/// The search goes up from the program, never from the working folder: a library planted in a
/// folder that somebody happens to stand in is not loaded.
pub(super) fn find_models(models: &mut ModelsConfig, has_folder: bool, has_library: bool) {
    if !has_library && let Some(path) = std::env::var_os("SIGHTLINE_ONNXRUNTIME") {
        models.onnxruntime = PathBuf::from(path);
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let Some(beside) = program
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(".sightline"))
        .find(|it| it.is_dir())
    else {
        return;
    };
    if !has_folder {
        models.folder = beside.join("models");
    }
    if !has_library
        && !models.onnxruntime.is_file()
        && let Ok(entries) = fs_err::read_dir(beside.join("onnxruntime"))
        && let Some(library) = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().contains("libonnxruntime.so"))
            .max()
    {
        models.onnxruntime = library;
    }
}

struct OneCamera<'a, 'b> {
    id: &'a str,
    camera: &'a RawCamera,
    defaults: &'a RawDefaults,
    folder: &'a Path,
    purpose: Purpose,
    variable: Variables<'a>,
    document: &'b mut Document,
    unchecked: &'b mut Vec<String>,
}

impl OneCamera<'_, '_> {
    /// Where the value in force stands: with the camera, or with the defaults.
    fn path(&self, key: &str) -> KeyPath {
        let own = KeyPath::of(&["cameras", self.id, key]);
        let shared = KeyPath::of(&["defaults", key]);
        if !self.document.has(&own) && self.document.has(&shared) {
            shared
        } else {
            own
        }
    }

    fn blame(&mut self, key: &str, problem: String, expected: Option<&str>, hint: Option<&str>) {
        let path = self.path(key);
        self.document.blame(
            &path,
            Blame {
                value: None,
                problem,
                expected: expected.map(str::to_owned),
                hint: hint.map(str::to_owned),
            },
        );
    }

    fn source(&mut self) -> Option<Source> {
        let (camera, defaults) = (self.camera, self.defaults);
        let main = match &camera.url {
            Some(url) => self.address("url", url),
            None => {
                self.blame(
                    "url",
                    "no address".into(),
                    Some("`url = \"rtsp://HOST/PATH\"`"),
                    None,
                );
                None
            }
        };
        let detect = camera
            .detect_url
            .as_ref()
            .map(|url| self.address("detect_url", url));
        let from_file = self.password();
        let main = main?;
        let has_both = main.password.is_some() && from_file.is_some();
        if has_both {
            self.blame(
                "url",
                "the address holds a password, and there is another one".into(),
                Some("one of the two"),
                None,
            );
        }
        let username = main
            .username
            .or_else(|| camera.username.clone())
            .or_else(|| defaults.username.clone());
        let password = from_file.or(main.password);
        if password.is_some() && username.is_none() {
            self.blame(
                "username",
                "a password without a user name".into(),
                Some("`username = \"...\"`"),
                None,
            );
        }
        let natural = if main.url.is_tls() {
            Transport::Tls
        } else {
            Transport::Tcp
        };
        let transport = camera
            .transport
            .or(defaults.transport.filter(|_| !main.url.is_tls()))
            .unwrap_or(natural);
        if main.url.is_tls() != (transport == Transport::Tls) {
            let wanted = one_of(if main.url.is_tls() {
                &["tls"]
            } else {
                &["tcp", "udp"]
            });
            self.blame(
                "transport",
                "rtsp transport and the scheme of the address do not go together".into(),
                Some(&wanted),
                Some("`rtsps://` goes with `tls`, `rtsp://` with the others"),
            );
        }
        let detect_url = match detect {
            None => None,
            Some(parsed) => {
                let parsed = parsed?;
                if parsed.url.is_tls() != main.url.is_tls() {
                    self.blame(
                        "detect_url",
                        "detect_url and url have different schemes".into(),
                        Some("the same scheme"),
                        None,
                    );
                }
                if parsed.username.is_some() || parsed.password.is_some() {
                    self.blame(
                        "detect_url",
                        "detect_url holds a user name or password".into(),
                        Some("an address alone"),
                        Some("both streams use the user name and password of the camera"),
                    );
                }
                Some(parsed.url)
            }
        };
        let ca_file = camera
            .ca_file
            .as_ref()
            .or(defaults.ca_file.as_ref())
            .map(|path| self.folder.join(path));
        if let Some(path) = &ca_file
            && !path.is_file()
        {
            let problem = format!(
                "ca_file `{}` is not there",
                super::fault::shown(&path.to_string_lossy())
            );
            self.blame("ca_file", problem, Some("a PEM file"), None);
        }
        Some(Source {
            url: main.url,
            detect_url,
            username,
            password,
            transport,
            ca_file,
            latency_ms: camera
                .latency_ms
                .or(defaults.latency_ms)
                .unwrap_or(fallback::LATENCY_MS),
            start_timeout_ms: camera
                .start_timeout_ms
                .or(defaults.start_timeout_ms)
                .unwrap_or(fallback::START_TIMEOUT_MS),
            stall_after_ms: camera
                .stall_after_ms
                .or(defaults.stall_after_ms)
                .unwrap_or(fallback::STALL_AFTER_MS),
            reconnect_max_ms: camera
                .reconnect_max_ms
                .or(defaults.reconnect_max_ms)
                .unwrap_or(fallback::RECONNECT_MAX_MS),
        })
    }

    fn address(&mut self, key: &str, text: &str) -> Option<super::ParsedUrl> {
        match StreamUrl::parse(text) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                self.blame(
                    key,
                    format!("{key} {problem}"),
                    Some("`rtsp://HOST[:PORT]/PATH`"),
                    None,
                );
                None
            }
        }
    }

    fn password(&mut self) -> Option<Secret> {
        let own = [
            &self.camera.password_credential,
            &self.camera.password_file,
            &self.camera.password_env,
        ];
        let shared = [
            &self.defaults.password_credential,
            &self.defaults.password_file,
            &self.defaults.password_env,
        ];
        const KEYS: [&str; 3] = ["password_credential", "password_file", "password_env"];
        let chosen = if own.iter().any(|it| it.is_some()) {
            own
        } else {
            shared
        };
        let given: Vec<(&str, &String)> = KEYS
            .into_iter()
            .zip(chosen)
            .filter_map(|(key, value)| Some((key, value.as_ref()?)))
            .collect();
        let (key, value) = match given.as_slice() {
            [] => return None,
            [(key, value)] => (*key, *value),
            [_, (key, _), ..] => {
                self.blame(
                    key,
                    "more than one source of the password".into(),
                    Some(&one_of(&KEYS)),
                    None,
                );
                return None;
            }
        };
        let secret = match key {
            "password_env" => (self.variable)(value).ok_or("the environment variable is not set".to_owned()),
            "password_file" => read_secret(&self.folder.join(value)),
            _ => match (self.variable)("CREDENTIALS_DIRECTORY") {
                Some(folder) if Name::parse(value).is_ok() => read_secret(&Path::new(&folder).join(value)),
                Some(_) => Err("the name of a credential is made of letters, digits, `.`, `_` and `-`".into()),
                None if self.purpose == Purpose::Check => {
                    self.unchecked.push(format!(
                        "camera `{}`: the password's credential was not read, since systemd gave this process none",
                        self.id
                    ));
                    return None;
                }
                None => Err("$CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=".into()),
            },
        };
        match secret {
            Ok(text) if text.is_empty() => {
                self.blame(key, format!("{key} leads to an empty password"), None, None);
                None
            }
            Ok(text) => Some(Secret::new(text)),
            Err(problem) => {
                self.blame(
                    key,
                    format!("{key} leads to no password: {problem}"),
                    None,
                    None,
                );
                None
            }
        }
    }
}

/// Reads a password file. The message leaves the path out: people put the password itself there.
fn read_secret(path: &Path) -> Result<String, String> {
    use std::io::Read;
    const MOST_BYTES: u64 = 4096;
    let mut text = String::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            kind => format!("the file cannot be read: {kind}"),
        })?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("the file is longer than {MOST_BYTES} bytes"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
