//! What differs between two configurations, so that a reload applies it or refuses it whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Config;
use super::values::CameraId;

/// The difference between the configuration in force and a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys that take effect after a restart only, `store.folder`.
    pub restart_required: Vec<String>,
    /// Keys that take effect at once, `observe.level`.
    pub live: Vec<String>,
    /// Cameras that are new.
    pub cameras_added: Vec<CameraId>,
    /// Cameras that are gone.
    pub cameras_removed: Vec<CameraId>,
    /// Cameras of which anything is different, passwords included: they are opened again.
    pub cameras_changed: Vec<CameraId>,
}

impl Changes {
    /// True when nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Keys outside the cameras that a running process can take over.
const LIVE_PREFIXES: [&str; 1] = ["observe.level"];

impl Config {
    /// What changes when `new` follows on `self`.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Changes {
        let mut changes = Changes::default();
        let (before, after) = (self.keys(), new.keys());
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in names
            .into_iter()
            .filter(|key| before.get(*key) != after.get(*key))
        {
            if LIVE_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
                changes.live.push(key.clone());
            } else {
                changes.restart_required.push(key.clone());
            }
        }
        // Secrets print alike.
        if self.kafka.password != new.kafka.password {
            changes.restart_required.push("kafka.password".to_owned());
        }
        for (id, camera) in &new.cameras {
            match self.cameras.get(id) {
                None => changes.cameras_added.push(id.clone()),
                Some(old) if old != camera => changes.cameras_changed.push(id.clone()),
                Some(_) => {}
            }
        }
        changes.cameras_removed = self
            .cameras
            .keys()
            .filter(|id| !new.cameras.contains_key(*id))
            .cloned()
            .collect();
        changes
    }

    /// Every value outside the cameras by its dotted key.
    fn keys(&self) -> BTreeMap<String, Value> {
        let mut keys = BTreeMap::new();
        // Cameras hold secrets, which all print alike: they are compared as they are.
        if let Ok(Value::Object(sections)) = serde_json::to_value(self) {
            for (name, section) in sections.into_iter().filter(|(name, _)| name != "cameras") {
                flatten(name, section, &mut keys);
            }
        }
        keys
    }
}

fn flatten(key: String, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                flatten(format!("{key}.{name}"), value, keys);
            }
        }
        value => {
            keys.insert(key, value);
        }
    }
}
