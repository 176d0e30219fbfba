//! Measures how long live ingest takes to see a camera, to see it again after it hung up, and to notice a stall.
//!
//! `cargo run --release -p sightline-tests --example camera_times`

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sightline::ingest::{
    Address, BackoffLimits, CameraState, Event, EventKind, Live, LiveOptions, LiveSpec, SystemClock,
};
use sightline_tests::rtsp::{Codec, Options, RtspServer, Stream};

const ROUNDS: usize = 10;

fn main() -> Result<()> {
    let camera = RtspServer::start(Options::new(Stream::pattern(Codec::H264, 640, 360, 25)))?;
    let mut spec = LiveSpec::new("gate", Address::parse("gate", &camera.url())?);
    // No wait between attempts, so that the attempt itself is measured.
    spec.backoff = BackoffLimits {
        base: Duration::ZERO,
        cap: Duration::ZERO,
        healthy_after: Duration::ZERO,
    };
    let stall_after = spec.stall_after;
    let (sender, events) = sync_channel(1024);
    let options = LiveOptions {
        clock: Arc::new(SystemClock::new()),
        seed: 1,
        events: Some(sender),
    };
    let since = Instant::now();
    let live = Live::open(vec![spec], options)?;
    wait(&events, |state| *state == CameraState::Watching)?;
    let first = since.elapsed();
    let (mut noticed, mut reopened, mut stalled) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let since = Instant::now();
        camera.hang_up()?;
        wait(&events, is_lost)?;
        noticed.push(since.elapsed());
        wait(&events, |state| *state == CameraState::Watching)?;
        reopened.push(since.elapsed());
    }
    for _ in 0..3 {
        let since = Instant::now();
        camera.stall(true);
        wait(&events, is_lost)?;
        stalled.push(since.elapsed());
        camera.stall(false);
        wait(&events, |state| *state == CameraState::Watching)?;
    }
    drop(live);
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    writeln!(
        std::io::stdout(),
        "first picture {:.0} ms; hang-up noticed {:.0} ms, picture again {:.0} ms (medians of {ROUNDS}); \
         stall noticed {:.0} ms (limit {:.0} ms)",
        first.as_secs_f64() * 1e3,
        median(&mut noticed),
        median(&mut reopened),
        median(&mut stalled),
        stall_after.as_secs_f64() * 1e3
    )?;
    Ok(())
}

fn is_lost(state: &CameraState) -> bool {
    matches!(
        state,
        CameraState::Stalled { .. } | CameraState::Refused { .. }
    )
}

fn wait(events: &Receiver<Event>, fits: impl Fn(&CameraState) -> bool) -> Result<()> {
    loop {
        let event = events
            .recv_timeout(Duration::from_secs(60))
            .context("the camera does not get there")?;
        if matches!(&event.kind, EventKind::State { state, .. } if fits(state)) {
            return Ok(());
        }
    }
}
