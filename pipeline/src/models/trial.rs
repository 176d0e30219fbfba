//! Installed models, checked, timed and warmed for real: one fetch from the mirror serves the three.

use std::num::NonZeroUsize;
use std::path::Path;

use super::bench::{BenchOptions, bench};
use super::card::CARD_FILE;
use super::fetch::{MIRROR_VARIABLE, fetch};
use super::verify::verify;
use super::warm::{WarmOptions, warm};
use super::{Error, ModelFolders, runtime};
use crate::config::Provider;

/// Models of the manifest in a folder of their own; nothing without a mirror.
fn installed(test: &str) -> Option<(tempfile::TempDir, ModelFolders)> {
    if std::env::var_os(MIRROR_VARIABLE).is_none() {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED {test}: {MIRROR_VARIABLE} is not set\n").as_bytes(),
        )
        .ok();
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let cards = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
    let folders = ModelFolders {
        installed: root.path().into(),
        cards,
    };
    fetch(&[], &folders, &mut |_| {}).unwrap();
    Some((root, folders))
}

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

#[test]
fn fetched_models_are_right_throughout_and_a_damaged_one_is_told_apart() {
    let test = "fetched_models_are_right_throughout_and_a_damaged_one_is_told_apart";
    let Some((_root, folders)) = installed(test) else {
        return;
    };
    let environment = runtime::environment(None).unwrap();
    let verify = |names: &[String]| verify(names, &folders, environment, &[Provider::Cpu]);
    let reports = verify(&[]).unwrap();
    let names: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
    for wanted in [
        "fastestdet",
        "person-reid-0267",
        "joint-picture",
        "joint-text",
    ] {
        assert!(names.contains(&wanted), "{names:?}");
    }
    assert!(reports.iter().all(|report| report.is_ok), "{reports:?}");
    let person = reports
        .iter()
        .find(|report| report.name == "person-reid-0267")
        .unwrap();
    assert!(
        person.checks.iter().any(|check| check.name == "batch"),
        "{person:?}"
    );

    let card = folders.of("person-reid-0267").join(CARD_FILE);
    let text = fs_err::read_to_string(&card).unwrap();
    for (from, to, failed) in [
        ("sha256 = \"d6", "sha256 = \"00", "sha256"),
        ("dimension = 256", "dimension = 255", "session"),
        ("licence =", "license =", "card"),
    ] {
        fs_err::write(&card, text.replace(from, to)).unwrap();
        let report = verify(&["person-reid-0267".into()]).unwrap().remove(0);
        let last = report.checks.last().unwrap();
        assert!(
            !report.is_ok && !last.is_ok && last.name == failed,
            "{report:?}"
        );
        assert_eq!(last.detail.lines().count(), 1);
    }
    let absent = verify(&["absent".into()]).unwrap_err();
    assert!(matches!(absent, Error::NotInstalled { .. }), "{absent}");
}

#[test]
fn installed_models_are_timed_by_batch_and_warmed_on_the_processor() {
    let test = "installed_models_are_timed_by_batch_and_warmed_on_the_processor";
    let Some((root, folders)) = installed(test) else {
        return;
    };
    let environment = runtime::environment(None).unwrap();
    let options = BenchOptions {
        providers: vec![Provider::Cpu],
        intra_threads: count(1),
        batches: vec![count(1), count(2)],
        calls: count(1),
    };
    for report in bench(&[], &folders, environment, &options).unwrap() {
        let batches = if report.name == "fastestdet" {
            vec![1]
        } else {
            vec![1, 2]
        };
        let found: Vec<_> = report.batches.iter().map(|batch| batch.batch).collect();
        assert_eq!(found, batches, "{report:?}");
        assert!(
            report
                .batches
                .iter()
                .all(|batch| batch.pictures_per_second > 0.0)
        );
    }
    let engines = root.path().join("engines");
    for providers in [vec![Provider::Cpu], vec![Provider::Auto]] {
        let options = WarmOptions {
            providers,
            intra_threads: count(1),
            detect_batch: count(2),
            embed_batch: count(2),
            engine_cache: Some(engines.clone()),
        };
        let names = ["person-reid-0267".to_string()];
        let report = warm(&names, &folders, environment, &options)
            .unwrap()
            .remove(0);
        if report.providers == ["cpu"] {
            assert!(
                report.note.contains("nothing to build on cpu"),
                "{report:?}"
            );
            assert_eq!(report.engine_folder, None);
        }
    }
}
