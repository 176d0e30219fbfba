//! Texts and TOML of every kind: whatever stands in a file, the reading answers in lines.

use std::path::Path;

use proptest::prelude::*;

use super::{live, no_environment};
use crate::config::{Config, Purpose};

proptest! {
    #[test]
    fn no_text_makes_the_reading_panic(text in "\\PC{0,200}") {
        let _outcome = live(&text);
    }

    #[test]
    fn no_toml_makes_the_reading_panic_and_every_fault_is_one_line(
        entries in proptest::collection::vec((key(), value()), 0..12),
        camera in proptest::collection::vec((key(), value()), 0..8),
    ) {
        let lines = |entries: &[(String, String)]| -> String {
            entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
        };
        let text = format!("{}[cameras.\"a\\nb\"]\n{}", lines(&entries), lines(&camera));
        for purpose in [Purpose::Live, Purpose::Offline, Purpose::Check] {
            if let Err(faults) = Config::parse(&text, Path::new("x.toml"), purpose, &no_environment) {
                prop_assert!(!faults.faults.is_empty());
                for line in faults.lines() {
                    prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
                }
            }
        }
    }
}

/// Keys that exist, alone and in tables, and some that do not.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "site",
            "store.folder",
            "store.spool_bytes",
            "models.providers",
            "models.detector",
            "detect.tiling",
            "detect.tiling.rows",
            "track.lost_seconds",
            "observe.listen",
            "cameras",
            "cameras.x",
            "defaults.latency_ms",
            "url",
            "transport",
            "region",
            "masks",
            "fps_cap",
            "password_file",
            "enabled",
        ])
        .prop_map(str::to_owned),
        "[a-z_]{1,9}(\\.[a-z_]{1,9}){0,2}",
        "\"[^\"\\\\\\p{Cc}]{0,6}\"",
    ]
}

/// Values of every kind that TOML has.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}").replace("NaN", "nan")),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "\"[^\"\\\\\\p{Cc}]{0,12}\"",
        proptest::sample::select(vec![
            "\"${X}\"",
            "\"${X:-3}\"",
            "\"${\"",
            "\"rtsp://a:b@c/d\"",
            "\"tcp\"",
            "1979-05-27",
            "nan",
            "inf",
            "0xff",
            "\"\\u0000\"",
            "\"a\\nb\"",
            "{}",
            "[]",
            "99999999999999999999999",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            inner.prop_map(|value| format!("{{ a = {value} }}")),
        ]
    })
}
