//! Who may know whom: read from cargo itself, so that the picture in docs/architecture.md stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use sightline_tests::program::checkout;

const PREFIX: &str = "sightline";

/// Members of the workspace that each member depends on, tests of its own left out.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let said = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--locked",
        ])
        .current_dir(checkout())
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let known = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
                .filter(|name| name.starts_with(PREFIX))
                .collect();
            (package["name"].as_str().unwrap().to_owned(), known)
        })
        .collect()
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let rooms = rooms();
    let may: [(&str, &[&str]); 7] = [
        ("sightline-detector", &[]),
        ("sightline-reid", &[]),
        ("sightline-sink", &[]),
        ("sightline-eval", &[]),
        ("sightline-world", &[]),
        ("sightline-console", &["sightline-reid", "sightline-sink"]),
        (
            "sightline",
            &[
                "sightline-console",
                "sightline-detector",
                "sightline-eval",
                "sightline-reid",
                "sightline-sink",
            ],
        ),
    ];
    for (room, allowed) in may {
        let known = rooms
            .get(room)
            .unwrap_or_else(|| panic!("{room} is not in the workspace: {rooms:?}"));
        let forbidden: Vec<_> = known
            .iter()
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect();
        assert!(forbidden.is_empty(), "{room} may not know {forbidden:?}");
    }
}
