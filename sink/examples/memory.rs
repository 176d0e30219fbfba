//! Whether memory stays flat as sightings flow through spool, store and association.
//!
//! `MALLOC_ARENA_MAX=2 cargo run --release --locked --workspace --example memory -- [SIGHTINGS] [WINDOW_MINUTES]`
//! (defaults 40000 and 10; a window of 0 leaves association out): four cameras, somebody new before one of them every
//! two seconds of the recording, five sightings each with a picture of 7 KB. Prints anonymous and resident memory.

use std::io::Write;
use std::time::Duration;

use sightline_sink::persons::AssociationOptions;
use sightline_sink::{
    Bytes, Event, NamedVector, Sighting, SightingId, Sink, SinkOptions, StoreOptions, TrackId,
    TrackState, VectorSpec, f16,
};

type Failure = Box<dyn std::error::Error>;

const SECOND: i64 = 1_000_000_000;
const A_TRACK: u32 = 5;
const VECTORS: [(&str, usize); 2] = [("appearance", 256), ("joint", 256)];
const MODEL: &str = "bench@000000000000";
/// People who come by again and again.
const PEOPLE: u64 = 40;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    }
}

fn vectors(who: u64, dice: &mut Dice) -> Vec<NamedVector> {
    let vector = |(place, (name, dimension)): (u64, (&str, usize))| {
        let mut own = Dice((who + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place | 1);
        let values = (0..dimension).map(|_| f16::from_f32(own.next() + 0.5 * dice.next()));
        NamedVector {
            name: name.to_owned(),
            model: MODEL.to_owned(),
            values: values.collect(),
        }
    };
    (0..).zip(VECTORS).map(vector).collect()
}

fn sighting(number: u32, dice: &mut Dice) -> Event {
    let (ordinal, sequence) = (number / A_TRACK, number % A_TRACK);
    let who = u64::from(ordinal).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
    let camera = format!("camera-{}", ordinal % 4);
    let start_ns = 1_700_000_000 * SECOND + i64::from(ordinal) * 2 * SECOND;
    let capture_ns = start_ns + i64::from(sequence) * 2 * SECOND;
    let track = TrackId::derive("bench", &camera, start_ns, 0);
    let vectors = vectors(who % PEOPLE, dice);
    let is_end = sequence + 1 == A_TRACK;
    let mut crop = vec![0xff, 0xd8, 0xff, 0xe0];
    crop.extend((4..7_000).map(|_| (dice.next() * 255.0) as u8));
    Event::Sighting(Box::new(Sighting {
        id: SightingId::derive(track, sequence),
        track,
        site: "bench".into(),
        camera,
        capture_ns,
        clock_error_ns: None,
        bbox: [0.4, 0.3, 0.5, 0.8],
        quality: 0.5 + dice.next() / 2.0,
        sequence,
        vectors: if is_end { Vec::new() } else { vectors.clone() },
        crop: (!is_end).then(|| Bytes::from(crop)),
        state: TrackState {
            start_ns,
            end_ns: capture_ns,
            detections: sequence + 1,
            revision: sequence,
            vectors,
            best_quality: 0.9,
            has_ended: is_end,
        },
        is_end,
    }))
}

fn main() -> Result<(), Failure> {
    const LOOK_EVERY: u32 = 2_000;
    let mut arguments = std::env::args().skip(1);
    let sightings: u32 = arguments.next().map_or(Ok(40_000), |it| it.parse())?;
    let window: i64 = arguments.next().map_or(Ok(10), |it| it.parse())?;
    let dir = tempfile::tempdir()?;
    let specs = VECTORS.map(|(name, dimension)| VectorSpec {
        name: name.to_owned(),
        dimension,
        model: MODEL.to_owned(),
    });
    let mut store = StoreOptions::new(specs.into());
    store.persons = (window > 0).then(|| AssociationOptions {
        window_ns: window * 60 * SECOND,
        ..AssociationOptions::default()
    });
    let sink = Sink::open(dir.path(), SinkOptions::new(store))?;
    let writer = sink.writer();
    let mut dice = Dice(7);
    let mut out = std::io::stdout();
    writeln!(out, "sightings  minutes  anonymous MiB  resident MiB")?;
    for number in 0..sightings {
        writer.append(&sighting(number, &mut dice))?;
        if number % 100 == 99 {
            sink.drain(Duration::from_secs(60))?;
        }
        if number % LOOK_EVERY == LOOK_EVERY - 1 {
            let [resident, anonymous] = memory_mib()?;
            let minutes = number / A_TRACK * 2 / 60;
            writeln!(
                out,
                "{:>9}  {minutes:>7}  {anonymous:>13.1}  {resident:>12.1}",
                number + 1
            )?;
        }
    }
    sink.close()?;
    Ok(())
}

/// Resident and anonymous memory.
fn memory_mib() -> Result<[f64; 2], Failure> {
    let text = fs_err::read_to_string("/proc/self/smaps_rollup")?;
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0)
            .ok_or(format!("no `{name}` in smaps_rollup"))
    };
    Ok([of("Rss:")?, of("Anonymous:")?])
}
