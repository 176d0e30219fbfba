//! Thresholds that a report must meet, for somebody's CI.
//!
//! A gate is a TOML file of two tables; keys are dotted paths into the report's JSON:
//!
//! ```toml
//! [least]
//! "persons.idf1" = 0.9
//! [most]
//! "persons.id_switches" = 12
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// Thresholds by path.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    least: BTreeMap<String, f64>,
    most: BTreeMap<String, f64>,
}

impl Gate {
    /// Reads a gate.
    ///
    /// # Errors
    /// When the file cannot be read or has no threshold.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        let gate: Self = toml::from_str(&text).with_context(|| {
            format!(
                "{} is no gate, expected tables [least] and [most]",
                path.display()
            )
        })?;
        anyhow::ensure!(
            !(gate.least.is_empty() && gate.most.is_empty()),
            "{} has no threshold, so nothing could fail it",
            path.display()
        );
        Ok(gate)
    }

    /// What a report fails, one line each; a threshold on what the report does not have is failed.
    #[must_use]
    pub fn faults(&self, report: &Value) -> Vec<String> {
        let sides = [(&self.least, "at least"), (&self.most, "at most")];
        let mut faults = Vec::new();
        for (thresholds, side) in sides {
            for (path, threshold) in thresholds {
                let value = path
                    .split('.')
                    .try_fold(report, |value, key| value.get(key));
                let Some(value) = value.and_then(Value::as_f64) else {
                    faults.push(format!(
                        "`{path}` is no number of the report, expected {side} {threshold}"
                    ));
                    continue;
                };
                let holds = if side == "at least" {
                    value >= *threshold
                } else {
                    value <= *threshold
                };
                if !holds {
                    faults.push(format!(
                        "`{path}` is {value:.4}, expected {side} {threshold}"
                    ));
                }
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{everybody, measured};
    use super::*;

    /// What the gate of the demo, which every run of the tests is held against, must speak of.
    const HELD: [&str; 14] = [
        "tracking.mota",
        "tracking.hota",
        "persons.idf1",
        "persons.hota",
        "perfect_association.idf1",
        "joins.right",
        "joins.calibration.expected_error",
        "reid.map",
        "text.tracks.r1",
        "text.tracks.r5",
        "text.persons.r1",
        "text.persons.r5",
        "text.false_alarms",
        "text.hits.expected_error",
    ];

    /// The place of a path in a report.
    fn at<'r>(report: &'r mut Value, path: &str) -> &'r mut Value {
        path.split('.').fold(report, |value, key| {
            let member = value.get_mut(key);
            member.unwrap_or_else(|| panic!("`{path}` is nothing of a report"))
        })
    }

    #[test]
    fn the_committed_gates_fail_for_each_measure_that_falls_and_for_nothing_else() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/world/benchmark");
        let mut read = 0;
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with(".gate.toml") {
                continue;
            }
            read += 1;
            let gate = Gate::read(&path).unwrap();
            let mut report = serde_json::to_value(measured(everybody)).unwrap();
            let all = || gate.least.iter().chain(&gate.most);
            for (key, threshold) in all() {
                let value = at(&mut report, key);
                assert!(
                    value.is_number(),
                    "{}: `{key}` is no number",
                    path.display()
                );
                *value = json!(threshold);
            }
            assert_eq!(gate.faults(&report), [""; 0], "{}", path.display());
            for (key, threshold) in all() {
                let worse = if gate.least.contains_key(key) {
                    -0.001
                } else {
                    0.001
                };
                *at(&mut report, key) = json!(threshold + worse);
                let faults = gate.faults(&report);
                assert!(
                    faults.len() == 1 && faults[0].starts_with(&format!("`{key}`")),
                    "{faults:?}"
                );
                *at(&mut report, key) = json!(threshold);
            }
            if path.ends_with("demo.gate.toml") {
                for key in HELD {
                    assert!(
                        all().any(|(held, _)| held == key),
                        "`{key}` may fall unseen"
                    );
                }
            }
        }
        assert!(read >= 4, "{read} gates");
    }

    #[test]
    fn a_gate_tells_every_threshold_that_is_missed_and_every_one_that_names_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.toml");
        fs_err::write(
            &path,
            "[least]\n\"persons.idf1\" = 0.9\n\"persons.hota\" = 0.1\n[most]\n\"persons.id_switches\" = 3\n\"no.such\" = 1\n",
        )
        .unwrap();
        let gate = Gate::read(&path).unwrap();
        let report = json!({ "persons": { "idf1": 0.85, "hota": 0.5, "id_switches": 4 } });
        assert_eq!(
            gate.faults(&report),
            [
                "`persons.idf1` is 0.8500, expected at least 0.9",
                "`no.such` is no number of the report, expected at most 1",
                "`persons.id_switches` is 4.0000, expected at most 3",
            ]
        );
        fs_err::write(&path, "[least]\n").unwrap();
        assert!(
            Gate::read(&path)
                .unwrap_err()
                .to_string()
                .contains("no threshold")
        );
        fs_err::write(&path, "[east]\n").unwrap();
        assert!(Gate::read(&path).is_err());
    }
}
