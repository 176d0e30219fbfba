//! `sightline run`: live cameras until SIGTERM; SIGHUP takes a changed configuration.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use sightline_console::{Ask, StoreAsk};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::mover::{Mover, OwnEncoders, as_moved};
use super::search::{Needs, start_encoders};
use super::serving::Serving;
use crate::cli::{ExitStatus, RunArgs};
use crate::config::{CameraConfig, Config, Purpose};
use crate::flow::{
    self, Batching, Counting, Encoders, LiveFlow, LiveParts, Outlet, OutletStatus, StageTimes,
    Telemetry, Workers,
};
use crate::ingest::{
    Address, Credentials, FrameRate, Live, LiveOptions, LiveSpec, SystemClock, Transport,
};
use crate::models::runtime;
use crate::observe::events::ConfigReloaded;
use crate::observe::notify::{Notifier, Watchdog};
use crate::observe::{Health, Metrics, MonotonicClock, Progress, QueueDepths, logs};

/// How often the control loop looks round.
const TICK: Duration = Duration::from_millis(50);
/// How often counters of cameras and the sink are taken over.
const POLL: Duration = Duration::from_secs(1);
/// Longest wait for the index at the end; what is not indexed by then stays in the spool, safe.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// Camera events that may wait.
const EVENT_QUEUE: usize = 1024;

/// Watches the cameras.
///
/// # Errors
/// A bad configuration, a model or a store that cannot be used, or a stage that failed.
pub fn run(args: &RunArgs) -> Result<()> {
    let config = as_moved(Config::load(&args.config, Purpose::Live)?)?;
    if config.cameras.is_empty() {
        bail!(
            "{}: no camera is configured; add a table [cameras.<id>] with `url`",
            args.config.display()
        );
    }
    let log = logs::start(config.observe.format, config.observe.level)?;
    let notifier = Notifier::from_env().context("NOTIFY_SOCKET cannot be reached")?;
    let clock = MonotonicClock::system();
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let progress = Progress::new(clock);
    let health = Arc::new(Health::new(metrics.clone(), progress.clone()));
    // Signals are held from here on, so that none ends the process half-way.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let is_stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // Who cannot wait for what is under way sends a second one.
        let failed = i32::from(ExitStatus::Failed.code());
        signal_hook::flag::register_conditional_shutdown(signal, failed, is_stopping.clone())?;
    }

    notifier.status("loading models");
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let detector = flow::load_detector(environment, &config)?;
    let encoders = Encoders::load(environment, &config)?;
    let outlet = Outlet::open_to_run(
        &config,
        encoders.vectors()?,
        Box::new(OwnEncoders::new(&config)),
    )?;
    let ask = match outlet.store() {
        Some(store) => {
            let encoder = start_encoders(&config, &Needs::all(&config))?;
            Some(Arc::new(StoreAsk::new(store.clone(), Some(encoder))))
        }
        // Questions go to whoever indexes the log.
        None => None,
    };
    health.set_models_loaded(true);
    health.set_store_open(true);
    let answers = ask.clone().map(|ask| ask as Arc<dyn Ask>);
    let serving = Serving::start(&config, answers, &metrics, &health)?;
    let mover = match (outlet.store(), &ask) {
        (Some(store), Some(ask)) => Mover::start(&config, store, ask, &metrics)?,
        // The store is moved where it is.
        _ => None,
    };
    drop(ask);
    let counting = match outlet.store() {
        Some(store) => {
            let store = store.clone();
            let metrics = metrics.clone();
            Some(Counting::start(metrics, move || store.store_status())?)
        }
        None => None,
    };

    let times = Arc::new(StageTimes::default());
    let queues = metrics.queues.clone();
    let followers = Workers::for_cameras().followers;
    let telemetry = Arc::new(Telemetry::new(metrics, &progress, &times, followers));
    let batching = Batching::Gathered {
        longest_wait: Duration::from_millis(u64::from(config.embed.batch_wait_ms.0)),
        remembered: config.embed.remembered as usize,
    };
    let (embed, embedders) = encoders.start(batching, &times, &queues.embed)?;
    let mut follower = flow::follower_parts(&config, embedders, times, false);
    follower.tells_coverage = false;
    let (camera_events, arrivals) = sync_channel(EVENT_QUEUE);
    let specs = live_specs(&config)?;
    health.set_cameras_expected(specs.iter().filter(|spec| spec.is_enabled).count());
    let regions = regions_of(&specs);
    let mut live = Live::open(
        specs,
        LiveOptions {
            clock: Arc::new(SystemClock::new()),
            seed: u64::from(std::process::id()),
            events: Some(camera_events),
        },
    )?;
    let flow = LiveFlow::start(
        LiveParts {
            mailbox: live.mailbox(),
            camera_events: arrivals,
            detector,
            gate: flow::gate_options(&config),
            follower,
            followers,
            queues: queues.clone(),
            observer: telemetry.clone(),
        },
        outlet.writer(),
    )?;
    flow.regions().set(regions);
    notifier.ready();
    notifier.status("running");
    tracing::info!(
        cameras = config.cameras.len(),
        store = %config.store.folder.display(),
        sends_to_the_log = config.kafka.is_used(),
        "watching"
    );

    let mut control = Control {
        path: &args.config,
        config,
        log,
        notifier: &notifier,
        health: &health,
        telemetry: &telemetry,
        queues: &queues,
        watchdog: Watchdog::new(progress, Notifier::from_env()?),
    };
    let ended = control.watch(&mut signals, &mut live, &flow, &outlet);
    is_stopping.store(true, Ordering::Relaxed);
    notifier.stopping();
    tracing::info!("stopping: cameras first, then every stage in the order of the flow");
    drop(live);
    let ended = ended.and(flow.finish());
    let ended = ended.and(embed.join());
    let ended = ended.and(mover.map_or(Ok(()), Mover::stop));
    let ended = ended.and(counting.map_or(Ok(()), Counting::stop));
    let drained = outlet.drain(DRAIN_DEADLINE);
    if let Err(error) = &drained {
        tracing::warn!(
            error = format!("{error:#}"),
            "the rest stays in the spool and goes on at the next start"
        );
    }
    let served = serving.stop();
    drop(telemetry);
    let closed = outlet.close();
    ended.and(served).and(closed)
}

struct Control<'a> {
    path: &'a Path,
    config: Config,
    log: logs::LogHandle,
    notifier: &'a Notifier,
    health: &'a Health,
    telemetry: &'a Telemetry,
    queues: &'a QueueDepths,
    watchdog: Watchdog,
}

impl Control<'_> {
    /// Goes round until a signal ends it or a stage fails.
    fn watch(
        &mut self,
        signals: &mut Signals,
        live: &mut Live,
        flow: &LiveFlow,
        outlet: &Outlet,
    ) -> Result<()> {
        let (mut polled, mut fed) = (Instant::now(), Instant::now());
        loop {
            for signal in signals.pending() {
                if signal == SIGHUP {
                    self.reload(live, flow)?;
                } else {
                    return Ok(());
                }
            }
            if flow.has_failed() {
                // Its own words come when the flow is finished.
                return Ok(());
            }
            if let Some(camera) = live.dead_camera() {
                bail!(
                    "camera `{camera}` is not watched any more: its thread ended, or too many of its pipelines hung; start the process anew"
                );
            }
            if polled.elapsed() >= POLL {
                polled = Instant::now();
                for (spec, status) in live.cameras() {
                    self.telemetry.poll_camera(spec, &status);
                }
                if let Some(store) = outlet.store() {
                    self.telemetry.index_news(store.take_index_news());
                    self.telemetry.searchable(&store.take_searchable());
                }
                let waiting = live.mailbox().depth();
                self.queues
                    .mailbox
                    .set(i64::try_from(waiting).unwrap_or(i64::MAX));
                for time in outlet.take_sync_times() {
                    self.telemetry.synced(time);
                }
                match outlet.status() {
                    OutletStatus::Store(status) => self.telemetry.poll_sink(&status, wall_ns()?),
                    OutletStatus::Log(status) => self.telemetry.poll_log(&status, wall_ns()?),
                }
            }
            if fed.elapsed() >= Watchdog::interval() {
                fed = Instant::now();
                self.watchdog.tick();
            }
            std::thread::sleep(TICK);
        }
    }

    /// Takes a changed configuration, or keeps the old one and says why.
    fn reload(&mut self, live: &mut Live, flow: &LiveFlow) -> Result<()> {
        self.notifier.reloading()?;
        let taken = self.take(live, flow);
        let refused = taken.as_ref().err().map(|error| format!("{error:#}"));
        ConfigReloaded {
            refused: refused.as_deref(),
        }
        .emit();
        self.notifier.ready();
        Ok(())
    }

    fn take(&mut self, live: &mut Live, flow: &LiveFlow) -> Result<()> {
        let new = as_moved(Config::load(self.path, Purpose::Live)?)?;
        let changes = self.config.diff(&new);
        if !changes.restart_required.is_empty() {
            bail!(
                "a restart is needed for {}",
                changes.restart_required.join(", ")
            );
        }
        let specs = live_specs(&new)?;
        let expected = specs.iter().filter(|spec| spec.is_enabled).count();
        let regions = regions_of(&specs);
        live.apply(specs)?;
        flow.regions().set(regions);
        self.health.set_cameras_expected(expected);
        self.log.set_level(new.observe.level)?;
        for id in &changes.cameras_removed {
            self.telemetry.forget_camera(id.as_str());
        }
        self.config = new;
        Ok(())
    }
}

fn wall_ns() -> Result<i64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    Ok(i64::try_from(since.as_nanos())?)
}

fn regions_of(specs: &[LiveSpec]) -> HashMap<Arc<str>, crate::ingest::Region> {
    specs
        .iter()
        .filter_map(|spec| Some((spec.camera.clone(), spec.region.clone()?)))
        .collect()
}

fn live_specs(config: &Config) -> Result<Vec<LiveSpec>> {
    config.cameras.values().map(live_spec).collect()
}

fn live_spec(camera: &CameraConfig) -> Result<LiveSpec> {
    let id = camera.id.as_str();
    let source = camera
        .source
        .as_ref()
        .ok_or_else(|| anyhow!("camera `{id}` was loaded without its address; this is a bug"))?;
    let credentials = source.username.as_ref().map(|user| Credentials {
        user: user.clone(),
        password: source
            .password
            .as_ref()
            .map_or("", |password| password.expose())
            .to_owned(),
    });
    let address = |url: &crate::config::StreamUrl| {
        Address::parse(id, &url.to_connect()).map(|it| it.with_credentials(credentials.clone()))
    };
    let (region, masks) = flow::areas(&camera.view).with_context(|| format!("camera `{id}`"))?;
    let mut spec = LiveSpec::new(id, address(&source.url)?);
    spec.detect_address = source.detect_url.as_ref().map(address).transpose()?;
    spec.is_enabled = camera.enabled;
    spec.transport = match source.transport {
        crate::config::Transport::Udp => Transport::Udp,
        crate::config::Transport::Tcp | crate::config::Transport::Tls => Transport::Tcp,
    };
    spec.ca_file.clone_from(&source.ca_file);
    let millis = |value: crate::config::Millis| Duration::from_millis(u64::from(value.0));
    spec.latency = millis(source.latency_ms);
    spec.first_frame_within = millis(source.start_timeout_ms);
    spec.stall_after = millis(source.stall_after_ms);
    spec.backoff.cap = millis(source.reconnect_max_ms);
    (spec.region, spec.masks) = (region, masks);
    spec.fps_cap = camera
        .view
        .fps_cap
        .map(|fps| FrameRate::try_new(f64::from(fps)))
        .transpose()?;
    Ok(spec)
}
