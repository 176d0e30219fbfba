//! What association costs a track when very many are stored already.
//!
//! `cargo run --release --locked --workspace --example association -- [TRACKS]` (default 100000): people walk past 40
//! cameras, a track every 1.5 s, each with 4 sightings of 256 values. At 3,000, 10,000, 30,000 and TRACKS tracks it
//! prints the CPU time of each of the last 2,000, all of its sightings together, what is held in memory, and a
//! checksum of all decisions so far: a build that joins otherwise has another one.

use std::io::Write;

use rustix::time::{ClockId, clock_gettime};
use sightline_sink::persons::{AssociationOptions, Associator};
use sightline_sink::{Event, NamedVector, Sighting, SightingId, TrackId, TrackState, f16};

const CAMERAS: u64 = 40;
const SIGHTINGS: u32 = 4;
const DIMENSION: usize = 256;
const SECOND: i64 = 1_000_000_000;
/// Tracks whose times are looked at.
const MEASURED: usize = 2000;
const STOPS: [u64; 3] = [3_000, 10_000, 30_000];

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

/// CPU time of this thread: what others do on the machine does not count.
fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// What this process holds in memory, MiB.
fn held_mib() -> std::io::Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024)
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
        let mut checksum = 0;
        for n in 0..all {
            let events = track(n, &mut dice);
            let begin_us = cpu_us();
            for event in &events {
                associator.take(event, &mut decisions);
            }
            times_us.push(cpu_us() - begin_us);
            for decision in decisions.drain(..) {
                checksum = crc32c::crc32c_append(checksum, &serde_json::to_vec(&decision)?);
            }
            let stored = n + 1;
            if !(STOPS.contains(&stored) && stored < all || stored == all) {
                continue;
            }
            let mut last = times_us.split_off(times_us.len().saturating_sub(MEASURED));
            times_us.clear();
            let mean = last.iter().sum::<f64>() / last.len() as f64;
            last.sort_by(f64::total_cmp);
            let at = |share: f64| last[((last.len() - 1) as f64 * share) as usize];
            let counts = associator.counts();
            writeln!(
                out,
                "window {window_minutes} min, {stored} tracks stored, {} compared: {mean:.0} us of CPU a track, p50 {:.0}, p99 {:.0}; {} MiB held, decisions {checksum:08x}",
                counts.tracks - counts.retired,
                at(0.5),
                at(0.99),
                held_mib()?
            )?;
        }
    }
    Ok(())
}
