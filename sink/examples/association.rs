//! What association costs a track when very many are stored already.
//!
//! `cargo run --release --locked --workspace --example association -- [TRACKS]` (default 100000): people walk past 40
//! cameras, a track every 1.5 s, each with 4 sightings of 256 values. After 1,000, 10,000 and TRACKS tracks it
//! prints the time a track takes, all of its sightings together, and what is held in memory.

use std::io::Write;
use std::time::Instant;

use sightline_sink::persons::{AssociationOptions, Associator};
use sightline_sink::{Event, NamedVector, Sighting, SightingId, TrackId, TrackState, f16};

const CAMERAS: u64 = 40;
const SIGHTINGS: u32 = 4;
const DIMENSION: usize = 256;
const SECOND: i64 = 1_000_000_000;
/// Tracks whose times are looked at.
const MEASURED: usize = 500;

struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % below
    }
}

fn look(who: u64, dice: &mut Dice) -> Vec<NamedVector> {
    let mut own = Dice(who.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let value = |dice: &mut Dice| dice.next(2001) as f32 / 1000.0 - 1.0;
    let values = (0..DIMENSION).map(|_| f16::from_f32(value(&mut own) + 0.7 * value(dice)));
    vec![NamedVector {
        name: "appearance".into(),
        model: "bench@0".into(),
        values: values.collect(),
    }]
}

/// The sightings of the `n`th track: somebody of the last quarter of an hour, or a newcomer.
fn track(n: u64, dice: &mut Dice) -> Vec<Event> {
    let who = n / 3 - dice.next(200).min(n / 3);
    let camera = format!("camera-{}", dice.next(CAMERAS));
    let start_ns = 1_700_000_000 * SECOND + n as i64 * 3 * SECOND / 2;
    let id = TrackId::derive("bench", &camera, start_ns, 0);
    (0..=SIGHTINGS)
        .map(|sequence| {
            let capture_ns = start_ns + i64::from(sequence) * 2 * SECOND;
            let is_end = sequence == SIGHTINGS;
            let vectors = look(who, dice);
            Event::Sighting(Box::new(Sighting {
                id: SightingId::derive(id, sequence),
                track: id,
                site: "bench".into(),
                camera: camera.clone(),
                capture_ns,
                clock_error_ns: None,
                bbox: [0.4, 0.3, 0.5, 0.8],
                quality: 0.7,
                sequence,
                vectors: if is_end { Vec::new() } else { vectors.clone() },
                crop: None,
                state: TrackState {
                    start_ns,
                    end_ns: capture_ns,
                    detections: 20 * sequence + 1,
                    revision: sequence,
                    vectors,
                    best_quality: 0.7,
                    has_ended: is_end,
                },
                is_end,
            }))
        })
        .collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let all: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 100_000,
    };
    let mut out = std::io::stdout().lock();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for window_minutes in [30, 120] {
        let mut associator = Associator::new(AssociationOptions {
            window_ns: window_minutes * 60 * SECOND,
            ..AssociationOptions::default()
        })?;
        let mut decisions = Vec::new();
        let mut times_us: Vec<f64> = Vec::with_capacity(MEASURED);
        for n in 0..all {
            let events = track(n, &mut dice);
            let begin = Instant::now();
            for event in &events {
                associator.take(event, &mut decisions);
            }
            times_us.push(begin.elapsed().as_secs_f64() * 1e6);
            decisions.clear();
            let stored = n + 1;
            if stored == 1_000 || stored == 10_000 || stored == all {
                let skipped = times_us.len().saturating_sub(MEASURED);
                let mut last = times_us.split_off(skipped);
                let mean = last.iter().sum::<f64>() / last.len() as f64;
                last.sort_by(f64::total_cmp);
                let at = |share: f64| last[((last.len() - 1) as f64 * share) as usize];
                let counts = associator.counts();
                writeln!(
                    out,
                    "window {window_minutes} min, {stored} tracks stored, {} compared: {mean:.0} us a track, p50 {:.0}, p99 {:.0}",
                    counts.tracks - counts.retired,
                    at(0.5),
                    at(0.99)
                )?;
                times_us.clear();
            }
        }
    }
    Ok(())
}
