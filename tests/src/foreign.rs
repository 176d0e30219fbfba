//! Every place where bytes from outside are read, for the fuzz targets in `tests/fuzz/` and for the test that sends
//! mutated good inputs through all of them: whatever comes, it is taken or refused, and nothing panics.

use std::path::Path;

use anyhow::{Context, Result};
use sightline::config::{Config, Purpose};
use sightline_console::picture::Picture;
use sightline_console::wire::SearchRequest;
use sightline_reid::mend::{self, Mend};
use sightline_sink::event::{decode, encode};
use sightline_sink::spool::Limits;
use sightline_sink::{Bytes, Event, Sighting, SightingId, Spool, TrackId, TrackState, f16};

use crate::program::checkout;

/// One reader of foreign bytes.
#[derive(Clone, Copy)]
pub struct Reader {
    /// Name of its fuzz target.
    pub name: &'static str,
    /// Reads; panics only where Sightline breaks a promise.
    pub read: fn(&[u8]),
    /// Inputs that are good, to begin from.
    pub seeds: fn() -> Result<Vec<Vec<u8>>>,
}

/// All of them.
pub const READERS: &[Reader] = &[
    Reader {
        name: "event",
        read: event,
        seeds: events,
    },
    Reader {
        name: "spool",
        read: spool,
        seeds: segments,
    },
    Reader {
        name: "config",
        read: config,
        seeds: configs,
    },
    Reader {
        name: "card",
        read: card,
        seeds: cards,
    },
    Reader {
        name: "network",
        read: network,
        seeds: networks,
    },
    Reader {
        name: "question",
        read: question,
        seeds: questions,
    },
    Reader {
        name: "picture",
        read: picture,
        seeds: pictures,
    },
    Reader {
        name: "tracks",
        read: tracks,
        seeds: track_files,
    },
];

/// An event of the log: what is taken is the same after another journey.
///
/// # Panics
/// When it is not.
pub fn event(bytes: &[u8]) {
    let Ok(event) = decode(bytes) else {
        return;
    };
    #[expect(
        clippy::expect_used,
        reason = "what was decoded kept every rule of its fields"
    )]
    let again = encode(&event)
        .and_then(|bytes| decode(&bytes))
        .expect("a good event");
    assert_eq!(event, again);
}

/// A segment of the spool after anything may have happened to the disk: it opens, and takes events again.
///
/// # Panics
/// When it does not, and the disk is well.
#[expect(
    clippy::expect_used,
    reason = "the promise under test: no bytes keep a spool from opening"
)]
pub fn spool(bytes: &[u8]) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let name = {
        let (spool, _) = Spool::open(folder.path(), Limits::default()).expect("a new spool");
        drop(spool);
        segment_in(folder.path()).expect("its first segment")
    };
    fs_err::write(&name, bytes).expect("room on the disk");
    let (spool, _) = Spool::open(folder.path(), Limits::default()).expect("it opens");
    spool
        .append(&sighting(b"\xff\xd8\xff\xd9"))
        .expect("it takes an event");
    spool.sync().expect("it is safe");
}

/// A configuration.
pub fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        for purpose in [Purpose::Live, Purpose::Offline] {
            let _faults = Config::parse(text, Path::new("fuzz.toml"), purpose, &|_| None).is_err();
        }
    }
}

/// A model's card.
pub fn card(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _is_refused = sightline_reid::Card::parse(text, Path::new("model.toml")).is_err();
    }
}

/// A network that is to be mended.
pub fn network(bytes: &[u8]) {
    for mends in [
        &[Mend::InstanceNorm][..],
        &[Mend::DynamicBatch],
        &[Mend::InstanceNorm, Mend::DynamicBatch],
    ] {
        let _is_refused = mend::apply(bytes, mends).is_err();
    }
}

/// A question to the API.
pub fn question(bytes: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<SearchRequest>(bytes)
        && let Some(image) = request.image
    {
        picture(&image.0);
    }
}

/// A picture that somebody searches with.
///
/// # Panics
/// When its size is not that of its pixels.
pub fn picture(bytes: &[u8]) {
    if let Ok(picture) = Picture::decode(bytes) {
        assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
    }
}

/// Files of tracks, as MOTChallenge and AI City write them.
pub fn tracks(bytes: &[u8]) {
    let path = Path::new("tracks.txt");
    let _is_refused = sightline_eval::read::parse_ground_truth(bytes, path).is_err();
    let _is_refused = sightline_eval::read::parse_tracks(bytes, path).is_err();
    let _is_refused = sightline_eval::read::parse_scene(bytes, path).is_err();
}

fn sighting(jpeg: &'static [u8]) -> Event {
    let track = TrackId::derive("site", "gate", 1_000, 0);
    let vector = || sightline_sink::NamedVector {
        name: "appearance".to_owned(),
        model: "person-reid-0267@d6c01505814c".to_owned(),
        values: (1..=8_u8).map(|it| f16::from_f32(f32::from(it))).collect(),
    };
    Event::Sighting(Box::new(Sighting {
        id: SightingId::derive(track, 0),
        track,
        site: "site".to_owned(),
        camera: "gate".to_owned(),
        capture_ns: 2_000,
        clock_error_ns: Some(-5),
        bbox: [0.1, 0.2, 0.3, 0.4],
        quality: 0.5,
        sequence: 0,
        vectors: vec![vector()],
        crop: Some(Bytes::from_static(jpeg)),
        state: TrackState {
            start_ns: 1_000,
            end_ns: 2_000,
            detections: 7,
            revision: 0,
            vectors: vec![vector()],
            best_quality: 0.5,
            has_ended: false,
        },
        is_end: false,
    }))
}

fn events() -> Result<Vec<Vec<u8>>> {
    Ok(vec![encode(&sighting(b"\xff\xd8\xff\xd9"))?])
}

fn segment_in(folder: &Path) -> Result<std::path::PathBuf> {
    let mut largest = None;
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|it| it == "spool");
        if is_segment && largest.as_ref() < Some(&path) {
            largest = Some(path);
        }
    }
    largest.context("a spool without a segment")
}

fn segments() -> Result<Vec<Vec<u8>>> {
    let folder = tempfile::TempDir::new()?;
    let (spool, _) = Spool::open(folder.path(), Limits::default())?;
    for _ in 0..3 {
        spool.append(&sighting(b"\xff\xd8\xff\xd9"))?;
    }
    spool.sync()?;
    drop(spool);
    Ok(vec![fs_err::read(segment_in(folder.path())?)?])
}

fn files(paths: &[&str]) -> Result<Vec<Vec<u8>>> {
    let read = |path: &&str| Ok(fs_err::read(checkout().join(path))?);
    paths.iter().map(read).collect()
}

fn configs() -> Result<Vec<Vec<u8>>> {
    files(&["configs/edge.toml", "configs/replay.toml"])
}

fn cards() -> Result<Vec<Vec<u8>>> {
    files(&[
        "models/fastestdet/model.toml",
        "models/person-reid-0267/model.toml",
    ])
}

fn networks() -> Result<Vec<Vec<u8>>> {
    files(&["reid/tests/golden/tiny.onnx"])
}

fn questions() -> Result<Vec<Vec<u8>>> {
    let image = pictures()?.swap_remove(0);
    let request = SearchRequest {
        text: Some("a woman in a red coat".to_owned()),
        image: Some(sightline_console::wire::PictureBytes(image)),
        cameras: vec!["gate".to_owned()],
        limit: Some(5),
        min_duration_s: Some(1.5),
        ..SearchRequest::default()
    };
    Ok(vec![serde_json::to_vec(&request)?])
}

fn pictures() -> Result<Vec<Vec<u8>>> {
    files(&[
        "tests/world/crops/images/0001_c1_000000_00.jpg",
        "tests/world/demo/map.png",
    ])
}

fn track_files() -> Result<Vec<Vec<u8>>> {
    Ok(vec![
        b"1,1,10.5,20,30,60,1,1,0.9\n2,1,11,20,30,60,1,1,1\n".to_vec(),
        b"1 7 0 10 20 30 60 1.5 2.5\n2 7 1 10 20 30 60 -1 -1\n".to_vec(),
    ])
}
