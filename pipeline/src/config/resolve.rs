//! From the file as it is written to a configuration that holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::camera::{CameraConfig, View};
use super::document::{Blame, Document, Reading, read};
use super::fault::{Faults, KeyPath};
use super::kafka::Settling;
use super::machine::ModelsConfig;
use super::raw::RawConfig;
use super::schema::Rule;
use super::source::OneCamera;
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
        matches!(
            purpose,
            Purpose::Offline | Purpose::Site | Purpose::Associate
        ) && matches!(
            path.steps().first().map(String::as_str),
            Some("cameras" | "defaults")
        ) && SOURCE_KEYS.contains(&path.last())
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
    } else if !matches!(purpose, Purpose::Offline | Purpose::Associate) {
        document.blame(
            &KeyPath::of(&["store", "folder"]),
            Blame {
                problem: "no folder for the store".into(),
                expected: Some("`folder = \"/var/lib/sightline/store\"` under [store]".into()),
                ..Blame::default()
            },
        );
    }
    if let Some(qdrant) = &mut store.qdrant {
        let in_folder = |file: PathBuf| folder.join(file);
        qdrant.api_key_file = qdrant.api_key_file.take().map(in_folder);
        qdrant.ca_file = qdrant.ca_file.take().map(in_folder);
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
    if raw.migrate.joint.is_some() != raw.migrate.text.is_some() {
        document.blame(
            &KeyPath::of(&["migrate"]),
            Blame {
                problem: "one side of a pair alone".into(),
                expected: Some("`joint` and `text` together under [migrate]".into()),
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
    if let Err(error) = raw.map.to_site_map().check() {
        document.blame(
            &KeyPath::of(&["map"]),
            Blame {
                problem: error.to_string(),
                ..Blame::default()
            },
        );
    }
    let mut api = raw.api;
    api.socket = api.socket.map(|socket| folder.join(socket));
    let mut cameras = BTreeMap::new();
    let mut unchecked = Vec::new();
    let kafka = Settling {
        folder,
        purpose,
        variable,
        document,
        unchecked: &mut unchecked,
    }
    .settle(raw.kafka);
    if matches!(purpose, Purpose::Site | Purpose::Associate) && !kafka.is_used() {
        document.blame(
            &KeyPath::of(&["kafka", "brokers"]),
            Blame {
                problem: "no kafka".into(),
                expected: Some("`brokers = [\"HOST:PORT\"]` under [kafka]".into()),
                ..Blame::default()
            },
        );
    }
    if purpose == Purpose::Associate && kafka.is_used() && !kafka.has_association_service() {
        document.blame(
            &KeyPath::of(&["kafka", "association"]),
            Blame {
                problem: "the indexers join tracks into persons themselves".into(),
                expected: Some("`association = \"service\"`, on every box and indexer too".into()),
                ..Blame::default()
            },
        );
    }
    if purpose == Purpose::Associate && !raw.persons.enabled {
        document.blame(
            &KeyPath::of(&["persons", "enabled"]),
            Blame {
                problem: "there is nothing to join".into(),
                expected: Some("`enabled = true`".into()),
                ..Blame::default()
            },
        );
    }
    let has_address = raw.cameras.values().any(|camera| camera.url.is_some());
    let is_for_replay = purpose == Purpose::Check && !has_address;
    if is_for_replay {
        unchecked.push(
            "no camera has an address: `sightline replay` takes this configuration, `sightline run` does not"
                .to_owned(),
        );
    }
    if purpose == Purpose::Live && raw.cameras.is_empty() {
        document.blame(
            &KeyPath::of(&["cameras"]),
            Blame {
                problem: "no camera".into(),
                expected: Some("a table `[cameras.<id>]` with `url`".into()),
                ..Blame::default()
            },
        );
    }
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
        let has_no_cameras = matches!(
            purpose,
            Purpose::Offline | Purpose::Site | Purpose::Associate
        );
        let source = if has_no_cameras || is_for_replay {
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
        kafka,
        retention: raw.retention,
        models,
        migrate: raw.migrate,
        detect: raw.detect,
        track: raw.track,
        select: raw.select,
        embed: raw.embed,
        persons: raw.persons,
        map: raw.map,
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
