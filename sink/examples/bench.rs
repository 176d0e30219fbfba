//! Measures spool, store and search on this machine:
//! `cargo run --release -p sightline-sink --example bench -- [SIGHTINGS] [FOLDER]`.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::path::Path;
use std::time::{Duration, Instant};

use sightline_sink::spool::Limits;
use sightline_sink::{
    Bytes, Event, Filter, NamedVector, Query, QueryKind, Sighting, SightingId, Spool, Store,
    StoreOptions, TrackId, TrackState, VectorSpec, f16,
};

type Failure = Box<dyn std::error::Error>;

const DIMENSION: usize = 256;
const SIGHTINGS_A_TRACK: u32 = 5;
const MODEL: &str = "bench@000000000000";
const SECOND_NS: i64 = 1_000_000_000;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSION).map(|_| self.next() - 0.5).collect()
    }
}

fn sighting(number: u32, numbers: &mut Numbers, crop_bytes: usize) -> Sighting {
    let (ordinal, sequence) = (number / SIGHTINGS_A_TRACK, number % SIGHTINGS_A_TRACK);
    let camera = format!("camera-{}", ordinal % 16);
    let start_ns = i64::from(ordinal) * SECOND_NS / 4;
    let track = TrackId::derive("bench", &camera, start_ns, 0);
    let values = numbers.vector().into_iter().map(f16::from_f32).collect();
    let vectors = vec![NamedVector {
        name: "appearance".into(),
        model: MODEL.into(),
        values,
    }];
    let end_ns = start_ns + i64::from(sequence * (1 + ordinal % 9)) * SECOND_NS;
    let mut crop = vec![0xff, 0xd8, 0xff, 0xe0];
    crop.extend((4..crop_bytes).map(|at| (number as usize * 31 + at * 7) as u8));
    crop[4..8].copy_from_slice(&number.to_le_bytes());
    Sighting {
        id: SightingId::derive(track, sequence),
        track,
        site: "bench".into(),
        camera,
        capture_ns: end_ns,
        clock_error_ns: None,
        bbox: [0.1, 0.1, 0.2, 0.2 + numbers.next() * 0.7],
        quality: numbers.next(),
        sequence,
        vectors: vectors.clone(),
        crop: Some(Bytes::from(crop)),
        state: TrackState {
            start_ns,
            end_ns,
            detections: sequence,
            revision: sequence,
            vectors,
            best_quality: 0.9,
            has_ended: false,
        },
        is_end: false,
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let sightings: u32 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let dir = arguments
        .next()
        .unwrap_or_else(|| "/tmp/sightline-sink-bench".to_owned());
    let dir = Path::new(&dir);
    if dir.exists() {
        return Err(format!("{} exists, give a folder that does not", dir.display()).into());
    }
    spool(&dir.join("spool-alone"))?;
    let store = fill(&dir.join("store"), sightings)?;
    for (name, filter) in [
        ("no filter", Filter::default()),
        (
            "one of 16 cameras",
            Filter {
                cameras: vec!["camera-3".into()],
                ..Filter::default()
            },
        ),
        (
            "time and duration",
            Filter {
                to_ns: Some(i64::from(sightings / SIGHTINGS_A_TRACK) * SECOND_NS / 8),
                min_duration_ns: Some(20 * SECOND_NS),
                ..Filter::default()
            },
        ),
    ] {
        search(&store, name, &filter)?;
    }
    Ok(())
}

fn spool(dir: &Path) -> Result<(), Failure> {
    const RECORDS: u32 = 10_000;
    const GROUP: u32 = 100;
    let (spool, _) = Spool::open(dir, Limits::default())?;
    let mut numbers = Numbers(3);
    let events: Vec<_> = (0..RECORDS)
        .map(|n| Event::Sighting(Box::new(sighting(n, &mut numbers, 6_900))))
        .collect();
    let started = Instant::now();
    for (number, event) in events.iter().enumerate() {
        spool.append(event)?;
        if number as u32 % GROUP == GROUP - 1 {
            spool.sync()?;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let bytes = spool.status().bytes;
    println!(
        "spool: {:.0} records/s of {} bytes, fsync every {GROUP}",
        f64::from(RECORDS) / seconds,
        bytes / u64::from(RECORDS)
    );
    Ok(())
}

fn fill(dir: &Path, sightings: u32) -> Result<Store, Failure> {
    let spec = VectorSpec {
        name: "appearance".into(),
        dimension: DIMENSION,
        model: MODEL.into(),
    };
    let options = StoreOptions::new(vec![spec]);
    let store = Store::open(dir, &options)?;
    let mut numbers = Numbers(5);
    let (mut applying, mut flushing) = (Duration::ZERO, Duration::ZERO);
    let all: Vec<u32> = (0..sightings).collect();
    for batch in all.chunks(500) {
        let events: Vec<_> = batch
            .iter()
            .map(|n| {
                (
                    u64::from(*n) + 1,
                    Event::Sighting(Box::new(sighting(*n, &mut numbers, 1_000))),
                )
            })
            .collect();
        let started = Instant::now();
        store.apply(&events)?;
        applying += started.elapsed();
        let started = Instant::now();
        store.flush()?;
        flushing += started.elapsed();
    }
    println!(
        "store: {sightings} sightings; apply {:.0}/s, with a flush every 500 {:.0}/s",
        f64::from(sightings) / applying.as_secs_f64(),
        f64::from(sightings) / (applying + flushing).as_secs_f64()
    );
    let status = store.status()?;
    println!(
        "store: {} exemplars, {} tracklets; resident {} MB",
        status.exemplars,
        status.tracklets,
        resident_mb()?
    );
    let bytes = bytes_under(&dir.join("index"))?;
    println!(
        "store: index {} MB on disk, {} bytes a tracklet with its {SIGHTINGS_A_TRACK} exemplars",
        bytes >> 20,
        bytes / status.tracklets.max(1)
    );
    drop(store);
    let started = Instant::now();
    let store = Store::open(dir, &options)?;
    println!(
        "store: opens again in {:.2} s",
        started.elapsed().as_secs_f64()
    );
    Ok(store)
}

fn search(store: &Store, name: &str, filter: &Filter) -> Result<(), Failure> {
    const SEARCHES: usize = 200;
    let mut numbers = Numbers(11);
    let mut times = Vec::with_capacity(SEARCHES);
    let mut answer = None;
    for _ in 0..SEARCHES {
        let query = Query {
            kind: QueryKind::Vector {
                name: "appearance".into(),
                model: MODEL.into(),
                values: numbers.vector(),
            },
            filter: filter.clone(),
            limit: 10,
        };
        let started = Instant::now();
        answer = Some(store.search(&query)?);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let milliseconds =
        |share: f64| times[((SEARCHES - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (searched, is_exact) =
        answer.map_or((0, true), |answer| (answer.searched, answer.is_exact));
    println!(
        "search, {name}: p50 {:.1} ms, p99 {:.1} ms among {searched} tracks, exact: {is_exact}",
        milliseconds(0.5),
        milliseconds(0.99)
    );
    Ok(())
}

fn resident_mb() -> Result<u64, Failure> {
    let pages = fs_err::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok((pages * 4096) >> 20)
}

/// Blocks in use under a folder; files may be sparse.
fn bytes_under(dir: &Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            bytes_under(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}
