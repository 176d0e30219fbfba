//! What the whole reading promises: every fault told, no secret told, no text too strange.

use std::path::{Path, PathBuf};

use super::*;

mod arbitrary;

const PASSWORD: &str = "hunter2-Zq";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn no_environment(_: &str) -> Option<String> {
    None
}

fn live(text: &str) -> Result<Config, Faults> {
    Config::parse(text, Path::new("edge.toml"), Purpose::Live, &no_environment)
}

fn with_cameras(cameras: &str) -> String {
    format!("[store]\nfolder = \"s\"\n{cameras}")
}

/// The lines of all faults of a text that has some.
fn faults(text: &str) -> Vec<String> {
    match live(text) {
        Ok(_) => panic!("this should have been refused:\n{text}"),
        Err(faults) => faults.lines().collect(),
    }
}

#[test]
fn every_fault_of_a_bad_file_is_reported_as_the_golden_report_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config");
    let text = fs_err::read_to_string(folder.join("bad.toml")).unwrap();
    let report = Config::parse(&text, Path::new("bad.toml"), Purpose::Live, &no_environment)
        .unwrap_err()
        .to_string();
    let golden = fs_err::read_to_string(folder.join("bad.report")).unwrap();
    assert_eq!(
        report.lines().collect::<Vec<_>>(),
        golden.lines().collect::<Vec<_>>()
    );
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn a_misspelt_transport_is_told_with_camera_value_and_words() {
    let text = with_cameras("[cameras.gate-2]\nurl = \"rtsp://h/a\"\ntransport = \"tpc\"\n");
    assert_eq!(
        faults(&text),
        [
            "edge.toml:5: camera `gate-2`: rtsp transport `tpc` unknown, expected `tcp`, `udp` or `tls`; did you mean `tcp`? [cameras.gate-2.transport]"
        ]
    );
}

#[test]
fn a_fault_of_syntax_names_its_line_and_repeats_nothing() {
    let text = with_cameras(&format!(
        "[cameras.a]\nurl = \"rtsp://op:{PASSWORD}@h/\nfps_cap = 3\n"
    ));
    let faults = faults(&text);
    assert!(faults[0].starts_with("edge.toml:4: not TOML"), "{faults:?}");
    assert!(!faults.concat().contains(PASSWORD), "{faults:?}");
}

#[test]
fn every_file_in_configs_is_good() {
    let mut count = 0;
    for entry in fs_err::read_dir(workspace().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let text = fs_err::read_to_string(&path).unwrap();
        Config::parse(&text, &path, Purpose::Check, &no_environment)
            .unwrap_or_else(|faults| panic!("{faults}"));
        count += 1;
    }
    assert!(count >= 3, "only {count} files in configs/");
}

#[test]
fn the_annotated_file_names_every_key_there_is() {
    let text = fs_err::read_to_string(workspace().join("configs/edge.toml")).unwrap();
    let schema = json_schema();
    let mut missing = Vec::new();
    let mut tables = vec![&schema];
    while let Some(table) = tables.pop() {
        for (key, rule) in table["properties"].as_object().into_iter().flatten() {
            let is_named = text.contains(&format!("{key} = ")) || text.contains(&format!("{key}]"));
            if !is_named && key != "cameras" {
                missing.push(key.clone());
            }
            assert!(
                rule["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "`{key}` has no description"
            );
            tables.push(rule);
            tables.extend(
                rule.get("additionalProperties")
                    .filter(|any| any.is_object()),
            );
        }
    }
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "configs/edge.toml leaves these out"
    );
}

#[test]
fn the_values_in_the_annotated_file_that_are_commented_out_are_the_defaults() {
    let text = fs_err::read_to_string(workspace().join("configs/edge.toml")).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| {
            let is_key = |rest: &str| {
                rest.split_once(" = ").is_some_and(|(key, _)| {
                    key.bytes()
                        .all(|letter| letter.is_ascii_lowercase() || letter == b'_')
                })
            };
            line.strip_prefix("# ")
                .filter(|rest| is_key(rest))
                .unwrap_or(line)
                .to_owned()
                + "\n"
        })
        .collect();
    assert!(
        uncommented.contains("\nspool_bytes = "),
        "nothing was uncommented"
    );
    let read = |text: &str| {
        Config::parse(
            text,
            Path::new("/etc/sightline/edge.toml"),
            Purpose::Check,
            &no_environment,
        )
        .unwrap_or_else(|faults| panic!("{faults}"))
    };
    let mut changes = read(&text).diff(&read(&uncommented));
    // In a checkout these two are what `make` installed beside it.
    changes
        .restart_required
        .retain(|key| !["models.folder", "models.onnxruntime"].contains(&key.as_str()));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_camera_takes_from_the_defaults_what_it_does_not_say() {
    let config = live(&with_cameras(
        "[defaults]\nlatency_ms = 80\ntransport = \"udp\"\nfps_cap = 5\n[cameras.a]\nurl = \"rtsp://h/a\"\nfps_cap = 10\n[cameras.b]\nurl = \"rtsps://h/b\"\n",
    ))
    .unwrap();
    let source = config.cameras["a"].source.clone().unwrap();
    assert_eq!(
        (source.latency_ms, source.transport),
        (Millis(80), Transport::Udp)
    );
    assert_eq!(config.view_of("a").fps_cap, Some(10.0));
    assert_eq!(
        config.cameras["b"].source.clone().unwrap().transport,
        Transport::Tls
    );
    assert_eq!(config.view_of("nobody"), View::default());
}

#[test]
fn variables_become_texts_and_numbers() {
    let environment = |name: &str| match name {
        "HOST" => Some("10.1.1.1".to_owned()),
        "CAP" => Some("7.5".to_owned()),
        _ => None,
    };
    let text = with_cameras(
        "[cameras.a]\nurl = \"rtsp://${HOST}/a\"\nfps_cap = \"${CAP}\"\nlatency_ms = \"${NOPE:-90}\"\nenabled = \"${NOPE:-false}\"\n",
    );
    let config = Config::parse(&text, Path::new("e.toml"), Purpose::Live, &environment).unwrap();
    let camera = &config.cameras["a"];
    assert!(!camera.enabled);
    assert_eq!(camera.view.fps_cap, Some(7.5));
    let source = camera.source.as_ref().unwrap();
    assert_eq!(source.url.to_string(), "rtsp://10.1.1.1/a");
    assert_eq!(source.latency_ms, Millis(90));
}

#[test]
fn passwords_come_from_credentials_files_and_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("gate-2"), format!("{PASSWORD}\n")).unwrap();
    let credentials = folder.path().to_string_lossy().into_owned();
    let environment = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(credentials.clone()),
        "GATE" => Some(PASSWORD.to_owned()),
        _ => None,
    };
    for source in [
        "password_credential = \"gate-2\"".to_owned(),
        format!("password_file = \"{credentials}/gate-2\""),
        "password_env = \"GATE\"".to_owned(),
    ] {
        let text = with_cameras(&format!(
            "[cameras.a]\nurl = \"rtsp://h/a\"\nusername = \"op\"\n{source}\n"
        ));
        let config = Config::parse(&text, Path::new("e.toml"), Purpose::Live, &environment)
            .unwrap_or_else(|faults| panic!("{faults}"));
        let password = config.cameras["a"]
            .source
            .clone()
            .unwrap()
            .password
            .unwrap();
        assert_eq!(password.expose(), PASSWORD, "{source}");
    }
}

#[test]
fn a_credential_cannot_reach_out_of_its_folder() {
    let environment =
        |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| "/run/credentials/x".to_owned());
    let text = with_cameras(
        "[cameras.a]\nurl = \"rtsp://h/a\"\nusername = \"op\"\npassword_credential = \"../../../etc/hostname\"\n",
    );
    let faults =
        Config::parse(&text, Path::new("e.toml"), Purpose::Live, &environment).unwrap_err();
    assert!(
        faults.to_string().contains("name of a credential"),
        "{faults}"
    );
}

#[test]
fn offline_commands_need_neither_passwords_nor_variables_of_cameras() {
    let text = with_cameras(
        "[cameras.a]\nurl = \"rtsp://${UNSET}/a\"\npassword_env = \"UNSET\"\nregion = [[0,0],[1,0],[1,1]]\n",
    );
    assert!(live(&text).is_err());
    let config = Config::parse(
        &text,
        Path::new("e.toml"),
        Purpose::Offline,
        &no_environment,
    )
    .unwrap();
    assert_eq!(config.cameras["a"].source, None);
    assert_eq!(config.view_of("a").region.unwrap().len(), 3);
}

/// Files with the password in every place where people put one, good and bad.
fn files_with_a_password() -> Vec<String> {
    let url = format!("url = \"rtsp://op:{PASSWORD}@h:554/a?token={PASSWORD}\"");
    let camera = |more: &str| with_cameras(&format!("[cameras.a]\n{url}\n{more}\n"));
    let mut files = vec![
        camera(""),
        camera("transport = \"tpc\""),
        camera(&format!("detect_url = \"rtsp://op:{PASSWORD}@h/b\"")),
        camera(&format!("detect_url = \"{PASSWORD}\"")),
        camera(&format!("ca_file = \"rtsp://op:{PASSWORD}@h/b\"")),
        camera(&format!("username = \"op\"\npassword = \"{PASSWORD}\"")),
        camera(&format!("fps_cap = \"rtsp://op:{PASSWORD}@h/b\"")),
        camera(&format!("url = \"{PASSWORD}\"")),
        camera(&format!("password_env = [\"{PASSWORD}\"]")),
        camera(&format!("password_file = \"{PASSWORD}")),
        format!("site = \"rtsp://op:{PASSWORD}@h/\"\n"),
        format!("[defaults]\npassword_file = \"{PASSWORD}\"\n"),
    ];
    for key in [
        "password_credential",
        "password_file",
        "password_env",
        "pass",
        "credential",
    ] {
        files.push(with_cameras(&format!(
            "[cameras.a]\nurl = \"rtsp://h/a\"\nusername = \"op\"\n{key} = \"{PASSWORD}\"\n"
        )));
    }
    for broken in [
        "rtsp//op:{}@h/",
        "rtsp://op:{}@:5/",
        "op:{}@h/a",
        "rtsp://op:{}/x@h/a",
        "rtsp://op:%zz{}@h/",
    ] {
        let broken = broken.replace("{}", PASSWORD);
        files.push(with_cameras(&format!("[cameras.a]\nurl = \"{broken}\"\n")));
    }
    files
}

#[test]
fn no_secret_appears_in_anything_that_is_printed() {
    let mut good = 0;
    for text in files_with_a_password() {
        let printed = match live(&text) {
            Ok(config) => {
                good += 1;
                let source = config.cameras["a"].source.as_ref().unwrap();
                assert!(
                    source.url.to_connect().contains(PASSWORD),
                    "the connection needs its token"
                );
                [
                    format!("{config:?} {config:#?}"),
                    config.to_effective_toml().unwrap(),
                    serde_json::to_string(&config).unwrap(),
                    format!("{:?}", config.diff(&Config::built_in())),
                ]
                .concat()
            }
            Err(faults) => {
                format!(
                    "{faults} {faults:?} {}",
                    serde_json::to_string(&faults).unwrap()
                )
            }
        };
        assert!(!printed.contains(PASSWORD), "{text}\n->\n{printed}");
    }
    assert!(
        good > 0,
        "no good file among them: this test would prove too little"
    );
}

#[test]
fn a_reload_is_told_apart_into_live_cameras_and_restart() {
    let before = live(&with_cameras(
        "[cameras.a]\nurl = \"rtsp://op:one@h/a\"\n[cameras.b]\nurl = \"rtsp://h/b\"\n[cameras.c]\nurl = \"rtsp://h/c\"\n",
    ))
    .unwrap();
    let after = live(&with_cameras(
        "[observe]\nlevel = \"debug\"\n[detect]\nmax_batch = 2\n[select]\nmax_kept = 3\n[cameras.a]\nurl = \"rtsp://op:two@h/a\"\n[cameras.c]\nurl = \"rtsp://h/c\"\n[cameras.d]\nurl = \"rtsp://h/d\"\n",
    ))
    .unwrap();
    let changes = before.diff(&after);
    let names = |ids: &[CameraId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        changes.restart_required,
        ["detect.max_batch", "select.max_kept"]
    );
    assert_eq!(changes.live, ["observe.level"]);
    assert_eq!(
        names(&changes.cameras_changed),
        ["a"],
        "only its password differs"
    );
    assert_eq!(names(&changes.cameras_removed), ["b"]);
    assert_eq!(names(&changes.cameras_added), ["d"]);
    assert!(before.diff(&before).is_empty());
}
