//! The containers of `configs/compose.yaml`, as far as they can be judged without running them.

use std::process::Command;

use serde_json::Value;
use sightline_tests::program::checkout;

/// The file as JSON; none, said loudly, where nothing here reads YAML.
fn composition(test: &str) -> Option<Value> {
    let read = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let output = Command::new("python3")
        .args(["-c", read])
        .arg(checkout().join("configs/compose.yaml"))
        .output();
    let output = output.unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("No module named 'yaml'") {
        let words = format!("SKIPPED {test}: no python3-yaml\n");
        std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes()).ok();
        return None;
    }
    assert!(output.status.success(), "{words}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
}

#[test]
fn the_containers_are_pinned_listen_on_loopback_and_keep_what_they_hold() {
    let test = "the_containers_are_pinned_listen_on_loopback_and_keep_what_they_hold";
    let Some(composition) = composition(test) else {
        return;
    };
    let services = composition["services"].as_object().unwrap();
    let names: Vec<_> = services.keys().collect();
    assert_eq!(names, ["kafka", "qdrant"]);
    for (name, service) in services {
        let (_, tag) = service["image"].as_str().unwrap().split_once(':').unwrap();
        let numbers: Vec<_> = tag.trim_start_matches('v').split('.').collect();
        assert_eq!(numbers.len(), 3, "{name}: {tag} is no version");
        assert!(
            numbers.iter().all(|part| part.parse::<u32>().is_ok()),
            "{name}: {tag}"
        );
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        assert_eq!(texts(&service["ports"]).count(), 1, "{name}");
        for volume in texts(&service["volumes"]) {
            let (volume, _) = volume.split_once(':').unwrap();
            let volumes = composition["volumes"].as_object().unwrap();
            assert!(volumes.contains_key(volume), "{name}: {volume}");
        }
        assert!(texts(&service["security_opt"]).any(|option| option == "no-new-privileges:true"));
    }
    // The broker that configs/index.toml names.
    let index = fs_err::read_to_string(checkout().join("configs/index.toml")).unwrap();
    let address = "127.0.0.1:9092";
    assert!(index.contains(address), "{index}");
    let kafka = &services["kafka"]["environment"];
    let advertised = kafka["KAFKA_ADVERTISED_LISTENERS"].as_str().unwrap();
    assert_eq!(advertised, format!("PLAINTEXT://{address}"));
    assert_eq!(kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"], "false");
}
