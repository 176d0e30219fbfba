//! What is held against what at the start, and over which way.

use std::process::Command;

use super::promise::Faults;
use super::proto::payload_index_params::IndexParams;
use super::proto::quantization_config::Quantization;
use super::stand_in::StandIn;
use super::tests::{count, open, options, point};
use super::*;
use crate::error::Reaction;
use crate::store::engine::suite::specs;
use crate::store::engine::{EXEMPLARS, TRACKLETS};
use crate::store::{Store, StoreOptions};

/// What is not as it would be made.
fn faults(options: &ServerOptions, collection: &Collection) -> Faults {
    let client = Client::new(options).unwrap();
    let found = setup::look(&client, &options.collection(collection.name));
    promise::faults(options, &specs(), collection, &found.unwrap().unwrap())
}

#[test]
#[expect(deprecated, reason = "what servers before 1.20 know")]
fn collections_are_made_as_they_should_be_and_once() {
    let server = StandIn::start();
    let options = ServerOptions {
        shards: 2,
        replicas: 3,
        ..options(&server)
    };
    open(&options).unwrap();
    let wanted = Wanted::Any("another".into());
    let client = Client::new(&options).unwrap();
    let (_, store) = Server::open(client, &specs(), &EXEMPLARS, 1000, &wanted).unwrap();
    assert_eq!(
        store, "another",
        "it is the first that makes it who says so"
    );
    open(&options).unwrap();
    assert_eq!(
        (server.calls("create"), server.calls("update_aliases")),
        (2, 2)
    );
    let fields = (TRACKLETS.fields.len() + EXEMPLARS.fields.len()) as u64;
    assert_eq!(server.calls("create_field_index"), fields);
    let made = server.made("sightline-tracklets-1").unwrap();
    let config = made.vectors_config.unwrap().config.unwrap();
    let proto::vectors_config::Config::ParamsMap(map) = config else {
        panic!("one vector without a name");
    };
    let params = &map.map["appearance:m@0123456789ab"];
    assert_eq!((params.size, params.on_disk), (4, Some(true)));
    let quantization = params.quantization_config.unwrap().quantization;
    let Some(Quantization::Scalar(scalar)) = quantization else {
        panic!("not quantized by value: {quantization:?}");
    };
    let int8 = i32::from(proto::QuantizationType::Int8);
    assert_eq!((scalar.r#type, scalar.always_ram), (int8, Some(true)));
    assert_eq!(
        (
            made.shard_number,
            made.replication_factor,
            made.write_consistency_factor
        ),
        (Some(2), Some(3), Some(2))
    );
    let index = |field: &str| {
        let index = server.index_of("sightline-tracklets-1", field).unwrap();
        (index.data_type, index.params)
    };
    let keyword = i32::from(proto::PayloadSchemaType::Keyword);
    let (kind, tenant) = index("site");
    let Some(IndexParams::KeywordIndexParams(tenant)) = tenant.unwrap().index_params else {
        panic!("not an index of words");
    };
    assert_eq!((kind, tenant.is_tenant), (keyword, Some(true)));
    assert_eq!(index("camera"), (keyword, None));
    assert_eq!(
        index("start_us").0,
        i32::from(proto::PayloadSchemaType::Integer)
    );
    assert_eq!(index("size").0, i32::from(proto::PayloadSchemaType::Float));
    assert!(faults(&options, &TRACKLETS) == Faults::default());
}

#[test]
fn a_collection_for_another_model_or_dimension_is_refused_at_the_start() {
    let server = StandIn::start();
    let options = options(&server);
    open(&options).unwrap();
    let any = Wanted::Any("a-store".into());
    let spoilers: [fn(&mut Vec<VectorSpec>); 3] = [
        |specs| specs[0].model = "new@1".into(),
        |specs| specs[0].dimension = 8,
        |specs| drop(specs.pop()),
    ];
    for spoil in spoilers {
        let mut other = specs();
        spoil(&mut other);
        let client = Client::new(&options).unwrap();
        let error = Server::open(client, &other, &TRACKLETS, 1000, &any).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        assert_eq!(error.reaction(), Reaction::Configuration);
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn a_wrong_key_is_refused_with_a_hint_and_no_key_is_ever_shown() {
    let stand_in = StandIn::start();
    stand_in.demand_key("a-secret");
    let mut wrong = options(&stand_in);
    wrong.api_key = Some("another-secret".into());
    let error = open(&wrong).unwrap_err();
    assert!(error.to_string().contains("api_key_file"), "{error}");
    assert_eq!(error.reaction(), Reaction::Configuration);
    let mut right = options(&stand_in);
    right.api_key = Some("a-secret".into());
    open(&right).unwrap();
    assert!(!format!("{right:?} {wrong:?} {error:?}").contains("secret"));
    right.url = "http://qdrant.example:6334".into();
    let error = Client::new(&right).unwrap_err().to_string();
    assert!(error.contains("https"), "{error}");
}

fn store_options(server: &StandIn) -> StoreOptions {
    StoreOptions {
        server: Some(options(server)),
        ..crate::store::tests::options()
    }
}

#[test]
fn a_server_that_was_emptied_or_replaced_is_not_begun_in_the_middle() {
    let server = StandIn::start();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(ours.path(), &store_options(&server)).unwrap();
    let other = Store::open(theirs.path(), &store_options(&server)).unwrap();
    assert_eq!(
        store.identity(),
        other.identity(),
        "one pair of collections"
    );
    let before = store.identity().to_owned();
    drop((store, other));
    let store = Store::open(ours.path(), &store_options(&server)).unwrap();
    assert_eq!(store.identity(), before);
    drop(store);

    let refused = |options: &StoreOptions, why: &str| {
        let error = Store::open(ours.path(), options).unwrap_err();
        assert_eq!(error.reaction(), Reaction::Configuration, "{error}");
        let words = error.to_string();
        let file = ours.path().join("server").display().to_string();
        for words_of_it in [why, &file, "another `group`"] {
            assert!(words.contains(words_of_it), "{words}");
        }
    };
    // Another address, where nobody has been, or somebody else.
    let elsewhere = StandIn::start();
    refused(&store_options(&elsewhere), "not there any more");
    assert!(elsewhere.made("sightline-exemplars-1").is_none());
    let stranger = tempfile::tempdir().unwrap();
    drop(Store::open(stranger.path(), &store_options(&elsewhere)).unwrap());
    refused(&store_options(&elsewhere), "another store");
    // One collection of the two.
    server.forget("sightline-tracklets-1");
    refused(&store_options(&server), "sightline-tracklets");
    server.empty();
    refused(&store_options(&server), "not there any more");
    assert!(
        server.made("sightline-exemplars-1").is_none(),
        "nothing is made"
    );

    // Beginning anew is said, and makes another store of it.
    fs_err::remove_file(ours.path().join("server")).unwrap();
    let store = Store::open(ours.path(), &store_options(&server)).unwrap();
    assert_ne!(store.identity(), before);
    drop(store);
    // Whoever was away meanwhile is told.
    let error = Store::open(theirs.path(), &store_options(&server)).unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
}

#[test]
fn half_of_what_is_made_at_the_first_start_is_made_whole_by_the_next() {
    let server = StandIn::start();
    let dir = tempfile::tempdir().unwrap();
    // The process dies between the two collections, and before anything is noted.
    let wanted = Wanted::Any("a-store".into());
    let client = Client::new(&options(&server)).unwrap();
    Server::open(client, &specs()[..1], &EXEMPLARS, 1000, &wanted).unwrap();
    let store = Store::open(dir.path(), &store_options(&server)).unwrap();
    assert_eq!(store.identity(), "qdrant/a-store/site");
    drop(store);
    // Of one that was lost with nobody who knows it, the other half stays behind.
    server.forget("sightline-exemplars-1");
    let stranger = tempfile::tempdir().unwrap();
    let error = Store::open(stranger.path(), &store_options(&server)).unwrap_err();
    assert!(error.to_string().contains("two stores"), "{error}");
    assert!(!stranger.path().join("server").exists());
}

#[test]
fn a_collection_that_something_else_made_is_not_taken_for_ours() {
    let server = StandIn::start();
    let options = options(&server);
    open(&options).unwrap();
    server.remake("sightline-tracklets-1", |made| made.metadata.clear());
    let error = open(&options).unwrap_err();
    assert!(
        error.to_string().contains("something else made it"),
        "{error}"
    );
    assert_eq!(error.reaction(), Reaction::Configuration);
}

#[test]
fn a_server_that_is_too_old_to_hold_the_promise_is_refused() {
    let server = StandIn::start();
    for version in ["1.15.5", "0.99.0", "newest", ""] {
        server.pretend(version);
        let error = open(&options(&server)).unwrap_err();
        assert!(error.to_string().contains("1.16 or newer"), "{error}");
        assert_eq!(error.reaction(), Reaction::Configuration);
    }
    assert!(server.made("sightline-tracklets-1").is_none());
    for version in ["1.16.0", "1.20.2", "1.100.0-dev", "2.0.0"] {
        server.pretend(version);
        open(&options(&server)).unwrap();
    }
}

/// Changes one vector of how a collection was made.
fn revector(made: &mut proto::CreateCollection, change: impl FnOnce(&mut proto::VectorParams)) {
    let config = made.vectors_config.as_mut().unwrap().config.as_mut();
    let Some(proto::vectors_config::Config::ParamsMap(map)) = config else {
        panic!("one vector without a name");
    };
    change(map.map.get_mut("appearance:m@0123456789ab").unwrap());
}

#[test]
fn a_collection_that_answers_otherwise_or_keeps_less_is_refused() {
    const NAME: &str = "sightline-tracklets-1";
    type Change = fn(&mut proto::CreateCollection);
    let changes: [(Change, &str); 5] = [
        (
            |made| {
                revector(made, |vector| {
                    let binary = proto::BinaryQuantization::default();
                    vector.quantization_config = Some(Quantization::Binary(binary).into());
                });
            },
            "int8",
        ),
        (
            |made| {
                revector(made, |vector| {
                    vector.datatype = Some(proto::Datatype::Uint8.into());
                });
            },
            "32 bits",
        ),
        (
            |made| {
                revector(made, |vector| {
                    vector.multivector_config = Some(proto::MultiVectorConfig::default());
                });
            },
            "many in one",
        ),
        (|made| made.replication_factor = Some(2), "2 copies"),
        (
            |made| made.write_consistency_factor = None,
            "write_consistency_factor",
        ),
    ];
    for (change, why) in changes {
        let server = StandIn::start();
        let options = ServerOptions {
            replicas: 3,
            ..options(&server)
        };
        open(&options).unwrap();
        server.remake(NAME, change);
        let error = open(&options).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.reaction(), Reaction::Configuration, "{error}");
    }
    // Everything that is wrong is said at once.
    let server = StandIn::start();
    let options = options(&server);
    open(&options).unwrap();
    for field in ["start_us", "camera"] {
        server.reindex(NAME, field, |schema| {
            schema.data_type = proto::PayloadSchemaType::Text.into();
        });
    }
    let words = open(&options).unwrap_err().to_string();
    for part in ["`start_us`", "`camera`", "kind Text", "delete that index"] {
        assert!(words.contains(part), "{words}");
    }
}

#[test]
#[expect(deprecated, reason = "what servers before 1.20 know")]
fn a_collection_that_only_costs_more_is_used_and_told() {
    const NAME: &str = "sightline-tracklets-1";
    let server = StandIn::start();
    let options = options(&server);
    open(&options).unwrap();
    server.remake(NAME, |made| {
        revector(made, |vector| {
            vector.on_disk = None;
            vector.quantization_config = None;
        });
    });
    server.reindex(NAME, "site", |schema| schema.params = None);
    open(&options).unwrap();
    let found = faults(&options, &TRACKLETS);
    assert!(found.refused.is_empty(), "{found:?}");
    assert_eq!(found.slow.len(), 3, "{found:?}");
    for (words, of) in ["in memory", "not quantized", "tenants"]
        .iter()
        .zip(&found.slow)
    {
        assert!(of.contains(words), "{of}");
    }
    // Quantized for the whole collection is quantized.
    let client = Client::new(&options).unwrap();
    let mut info = setup::look(&client, NAME).unwrap().unwrap();
    let scalar = proto::ScalarQuantization {
        r#type: proto::QuantizationType::Int8.into(),
        memory: Some(proto::Memory::Pinned.into()),
        ..proto::ScalarQuantization::default()
    };
    info.config.as_mut().unwrap().quantization_config = Some(Quantization::Scalar(scalar).into());
    assert_eq!(
        promise::faults(&options, &specs(), &TRACKLETS, &info)
            .slow
            .len(),
        2
    );
}

/// Makes an authority, and a certificate by it for `127.0.0.1`: `NAME.pem`, `NAME-own.pem` and `NAME-own.key`.
fn certify(dir: &std::path::Path, name: &str) {
    const NEW: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for line in [
        format!("req -x509 {NEW} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"),
        format!(
            "req {NEW} -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout {name}-own.key -out {name}-own.csr"
        ),
        format!(
            "x509 -req -in {name}-own.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 2 -copy_extensions copy -out {name}-own.pem"
        ),
    ] {
        let mut command = Command::new("openssl");
        let output = command.args(line.split(' ')).current_dir(dir).output();
        let output = output.unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {line}: {words}");
    }
}

#[test]
fn a_server_is_talked_to_by_tls_and_only_if_somebody_trusted_vouches_for_it() {
    let dir = tempfile::tempdir().unwrap();
    certify(dir.path(), "authority");
    certify(dir.path(), "stranger");
    let read = |name: &str| fs_err::read(dir.path().join(name)).unwrap();
    let server = StandIn::start_tls(&read("authority-own.pem"), &read("authority-own.key"));
    server.demand_key("a-secret");
    let right = ServerOptions {
        api_key: Some("a-secret".into()),
        ca_file: Some(dir.path().join("authority.pem")),
        ..options(&server)
    };
    assert!(right.url.starts_with("https://127.0.0.1:"));
    let opened = open(&right).unwrap();
    opened.upsert(vec![point(1), point(2)]).unwrap();
    assert_eq!(count(&opened), 2);

    let before = server.calls("health_check");
    let refused = |options: ServerOptions| {
        let limits = ServerLimits {
            attempt: std::time::Duration::from_secs(5),
            call: std::time::Duration::from_millis(300),
        };
        open(&ServerOptions { limits, ..options })
            .unwrap_err()
            .to_string()
    };
    let stranger = refused(ServerOptions {
        ca_file: Some(dir.path().join("stranger.pem")),
        ..right.clone()
    });
    assert!(stranger.contains("certificate"), "{stranger}");
    let system = refused(ServerOptions {
        ca_file: None,
        ..right.clone()
    });
    assert!(system.contains("certificate"), "{system}");
    // The certificate is for an address, not for a name.
    refused(ServerOptions {
        url: right.url.replace("127.0.0.1", "localhost"),
        ..right.clone()
    });
    refused(ServerOptions {
        url: right.url.replace("https", "http"),
        ..right.clone()
    });
    let missing = refused(ServerOptions {
        ca_file: Some(dir.path().join("none.pem")),
        ..right
    });
    assert!(missing.contains("none.pem"), "{missing}");
    assert_eq!(server.calls("health_check"), before, "no call came through");
}
