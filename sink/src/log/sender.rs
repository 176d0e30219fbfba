//! From the spool to the log: in order, nothing acknowledged that the brokers have not.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::clock::Clock;
use super::forgotten::Feed;
use super::message::{Outgoing, for_association, outgoing};
use super::options::Association;
use super::producer::{Delivered, Reports, Sent, WINDOW, is_about_the_message, producer, reports};
use super::publisher::Shared;
use super::topics::{Topic, require_topics};
use super::window::Window;
use crate::event::{Forgotten, ForgottenSet, Reason};
use crate::{Event, Reaction, Result};

/// First and longest time between attempts when the log refuses.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Longest wait for an answer about topics.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// How long an idle thread sleeps at most: while nothing is on its way, and otherwise.
const IDLE: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(2);

/// Time between two acknowledgements of the spool, each one fsync.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_millis(200);

/// A client with messages on their way that hears nothing for so long is replaced by a fresh one: after
/// a topic was made anew, an old client may hold on to what it knew of the former one.
const SILENCE: Duration = Duration::from_secs(30);

/// Heartbeats that wait for the sightings before them.
const MOST_HELD: usize = 1024;

/// Time between two clearings of the spool's files while somebody who is forgotten is in the picture.
const CLEAR_EVERY: Duration = Duration::from_secs(10);

/// The spool's files hold something of what is forgotten.
struct Clearing {
    /// Up to this record, at most.
    through: u64,
    /// Entries of what is forgotten for which they are cleared.
    entries: usize,
    due: Instant,
}

/// Sends until the publisher stops; begins anew after every fault.
pub(super) fn run(shared: &Shared) {
    let mut delay = RETRY.0;
    while !shared.intake.must_stop() {
        let sent_before = shared.status().sent;
        let ended = Session::begin(shared).and_then(|mut session| session.run());
        let Err(error) = ended else { return };
        let (mut status, text) = (shared.status(), error.to_string());
        if status.trouble.as_ref() != Some(&text) {
            tracing::warn!(%error, "the log takes nothing for now; the spool keeps everything");
        }
        if status.sent > sent_before {
            delay = RETRY.0;
        }
        status.trouble = Some(text);
        status.in_flight = 0;
        status.is_promise_broken = error.reaction() == Reaction::Configuration;
        drop(status);
        shared.intake.pause(delay);
        delay = (delay * 2).min(RETRY.1);
    }
}

/// One life of a client: from the first record that is not acknowledged to the first fault.
struct Session<'s> {
    shared: &'s Shared,
    producer: BaseProducer<Reports>,
    reader: crate::spool::Reader,
    window: Window,
    /// Heartbeats that wait for the sightings before them.
    held: VecDeque<(u64, Event)>,
    /// Read and not taken by the client yet.
    next: Option<(u64, Event)>,
    /// Records of whose messages the client took the first and not yet the second.
    begun: BTreeSet<u64>,
    /// Messages that the client itself refused.
    not_taken: Vec<Delivered>,
    through: u64,
    acknowledged: (u64, Instant),
    feed: Feed,
    forgotten: ForgottenSet,
    to_clear: Option<Clearing>,
    /// Entries of what is forgotten so far.
    entries: usize,
    /// When something was last heard of a message, or none was on its way.
    heard: Instant,
    clock: Clock,
    budget: Budget,
}

impl<'s> Session<'s> {
    fn begin(shared: &'s Shared) -> Result<Self> {
        let options = &shared.options.log;
        require_topics(options, ASK_LIMIT)?;
        // Before the first record: the spool may hold what was forgotten while the log was away.
        let (feed, known) = Feed::open(options, ASK_LIMIT)?;
        let producer = producer(options)?;
        let acknowledged = shared.intake.spool.status().acknowledged;
        let mut session = Self {
            shared,
            producer,
            reader: shared.intake.spool.reader(acknowledged + 1),
            window: Window::default(),
            held: VecDeque::new(),
            next: None,
            begun: BTreeSet::new(),
            not_taken: Vec::new(),
            through: acknowledged,
            acknowledged: (acknowledged, Instant::now()),
            feed,
            forgotten: ForgottenSet::default(),
            to_clear: None,
            entries: 0,
            heard: Instant::now(),
            clock: Clock::now(),
            budget: Budget::new(shared.options.most_per_second),
        };
        known.iter().for_each(|entry| session.note(entry));
        Ok(session)
    }

    fn note(&mut self, entry: &Forgotten) {
        self.forgotten.note(entry);
        self.entries += 1;
        if self.entries > self.shared.cleared.load(Ordering::Acquire) {
            let last = self.shared.intake.spool.status().appended;
            self.clear_through(last, Instant::now());
        }
    }

    /// Deletes the spool's files that may hold what is forgotten, once everything in them is done with.
    fn clear_if_due(&mut self) -> Result<()> {
        let acknowledged = self.acknowledged.0;
        let is_due = |clearing: &Clearing| {
            acknowledged >= clearing.through && Instant::now() >= clearing.due
        };
        if let Some(clearing) = self.to_clear.take_if(|clearing| is_due(clearing)) {
            self.shared.intake.spool.discard()?;
            let cleared = &self.shared.cleared;
            cleared.fetch_max(clearing.entries, Ordering::AcqRel);
        }
        Ok(())
    }

    fn clear_through(&mut self, through: u64, due: Instant) {
        let due = self
            .to_clear
            .as_ref()
            .map_or(due, |known| known.due.min(due));
        self.to_clear = Some(Clearing {
            through,
            entries: self.entries,
            due,
        });
    }

    fn run(&mut self) -> Result<()> {
        loop {
            let is_last = self.shared.intake.must_stop();
            while let Some(entry) = self.feed.next()? {
                self.note(&entry);
            }
            let moved = !is_last && self.send_some()?;
            self.take_reports()?;
            self.acknowledge_if_due(is_last)?;
            self.clear_if_due()?;
            if is_last {
                return Ok(());
            }
            self.clock.check(&self.shared.options.log, "send")?;
            if !moved {
                std::thread::sleep(PAUSE);
            }
            if !moved && self.window.len() == 0 {
                self.reader.wait(IDLE);
            }
        }
    }

    /// Hands the client what there is, up to the window and the rate. Says whether there was any.
    fn send_some(&mut self) -> Result<bool> {
        let mut moved = false;
        while self.window.len() < WINDOW.0 && self.window.bytes() < WINDOW.1 {
            // A heartbeat says that everything before it is in the log, so it comes after all of that.
            if let Some((sequence, _)) = self.held.front()
                && self.window.has_all_sightings_before(*sequence)
                && let Some((sequence, event)) = self.held.pop_front()
            {
                if !self.hand_over(sequence, &event)? {
                    self.held.push_front((sequence, event));
                    break;
                }
                moved = true;
                continue;
            }
            if self.held.len() >= MOST_HELD || !self.budget.has_room() {
                break;
            }
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.reader.try_next()?,
            };
            let Some((sequence, event)) = next else { break };
            let Some(event) = self.allowed(event) else {
                self.skip(sequence);
                moved = true;
                continue;
            };
            match event {
                Event::Coverage(_) => {
                    self.budget.take();
                    self.window.push(sequence, 0, false, self.messages());
                    self.held.push_back((sequence, event));
                }
                Event::Sighting(_) | Event::Forgotten(_) => {
                    if !self.hand_over(sequence, &event)? {
                        self.next = Some((sequence, event));
                        break;
                    }
                    self.budget.take();
                }
            }
            moved = true;
        }
        self.shared.status().in_flight = self.window.len() as u64;
        Ok(moved)
    }

    /// What may be sent in an event's place: itself; of a track that has come into a time that is forgotten, that it
    /// is to be forgotten whole; of a track that is forgotten, nothing.
    fn allowed(&self, event: Event) -> Option<Event> {
        let Event::Sighting(sighting) = &event else {
            return Some(event);
        };
        match self.forgotten.refuses(sighting) {
            None => Some(event),
            Some(Reason::Track) => None,
            Some(Reason::Stretch) => Some(Event::Forgotten(Forgotten {
                at_ns: sighting.capture_ns,
                tracks: vec![sighting.track],
                stretches: Vec::new(),
                pictures: Vec::new(),
            })),
        }
    }

    fn skip(&mut self, sequence: u64) {
        self.shared.status().forgotten += 1;
        self.clear_through(sequence, Instant::now() + CLEAR_EVERY);
        self.window.push(sequence, 0, false, 1);
        if let Some(through) = self.window.done(sequence, 0) {
            self.through = through;
        }
    }

    /// Messages that a sighting or a heartbeat is sent as.
    fn messages(&self) -> u8 {
        match self.shared.options.log.association {
            Association::Indexer => 1,
            Association::Service => 2,
        }
    }

    /// Gives one event to the client; `false` when its queue is full.
    fn hand_over(&mut self, sequence: u64, event: &Event) -> Result<bool> {
        let mut second = None;
        if self.messages() > 1 {
            second = for_association(sequence, event)?;
        }
        let is_sighting = !matches!(event, Event::Coverage(_));
        let weight = |message: &Outgoing| if is_sighting { message.value.len() } else { 0 };
        if !self.begun.contains(&sequence) {
            let first = outgoing(sequence, event)?;
            let bytes = weight(&first);
            let all_bytes = bytes + second.as_ref().map_or(0, weight);
            if !self.give(sequence, first, bytes)? {
                return Ok(false);
            }
            if is_sighting {
                let messages = 1 + u8::from(second.is_some());
                self.window.push(sequence, all_bytes, true, messages);
            }
            if let Event::Forgotten(forgotten) = event {
                self.forgotten.note(forgotten);
                self.shared.status().forgotten += 1;
                self.clear_through(sequence, Instant::now() + CLEAR_EVERY);
            }
        }
        if let Some(second) = second {
            let bytes = weight(&second);
            if !self.give(sequence, second, bytes)? {
                self.begun.insert(sequence);
                return Ok(false);
            }
            self.begun.remove(&sequence);
        }
        Ok(true)
    }

    /// Gives one message to the client; `false` when its queue is full.
    fn give(&mut self, sequence: u64, message: Outgoing, bytes: usize) -> Result<bool> {
        let topic = self.shared.options.log.topic(message.topic);
        let is_copy = message.topic == Topic::Tracks;
        let sent = Box::new(Sent {
            sequence,
            bytes,
            is_copy,
        });
        let record = BaseRecord::with_opaque_to(&topic, sent)
            .key(&message.key)
            .payload(&message.value)
            .headers(message.headers);
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) if is_about_the_message(&error) => {
                self.not_taken.push(Delivered {
                    sequence,
                    bytes,
                    is_copy,
                    outcome: Err(error),
                });
                Ok(true)
            }
            Err((error, _)) => Err(self.shared.options.log.error("send", &error)),
        }
    }

    fn take_reports(&mut self) -> Result<()> {
        let mut reports = reports(&self.producer);
        reports.append(&mut self.not_taken);
        let options = &self.shared.options.log;
        if self.window.len() == 0 || !reports.is_empty() {
            self.heard = Instant::now();
        } else if self.heard.elapsed() > SILENCE {
            let seconds = SILENCE.as_secs();
            return Err(options.failed("send", format!("no answer for {seconds} s")));
        }
        for report in reports {
            match report.outcome {
                Ok(()) => {
                    let mut status = self.shared.status();
                    status.sent += u64::from(!report.is_copy);
                    status.trouble = None;
                    status.is_promise_broken = false;
                }
                Err(error) if is_about_the_message(&error) => {
                    self.shared.status().refused += 1;
                    let sequence = report.sequence;
                    tracing::error!(sequence, %error, "the log refuses an event, which is dropped");
                }
                Err(error) => return Err(options.error("send", &error)),
            }
            if let Some(through) = self.window.done(report.sequence, report.bytes) {
                self.through = through;
            }
        }
        if let Some((_, what)) = self.producer.client().fatal_error() {
            return Err(options.failed("send", what));
        }
        if self.window.len() == 0 && self.next.is_none() && self.reader.position() > self.through {
            // What was skipped as broken, or had been given up, is done with too.
            self.through = self.reader.position() - 1;
        }
        Ok(())
    }

    fn acknowledge_if_due(&mut self, is_last: bool) -> Result<()> {
        let (acknowledged, since) = self.acknowledged;
        let is_due =
            self.shared.intake.is_draining() || is_last || since.elapsed() >= ACKNOWLEDGE_EVERY;
        if self.through > acknowledged && is_due {
            self.shared.intake.spool.acknowledge(self.through)?;
            self.acknowledged = (self.through, Instant::now());
            self.shared.intake.notify();
        }
        Ok(())
    }
}

/// Records that may be sent by now.
struct Budget {
    per_second: Option<f64>,
    left: f64,
    since: Instant,
}

impl Budget {
    fn new(per_second: Option<u32>) -> Self {
        Self {
            per_second: per_second.map(f64::from),
            left: 0.0,
            since: Instant::now(),
        }
    }

    fn has_room(&mut self) -> bool {
        let Some(per_second) = self.per_second else {
            return true;
        };
        // A tenth of a second's worth may gather, so that live records do not wait for their turn.
        let most = (per_second / 10.0).max(1.0);
        self.left = (self.left + self.since.elapsed().as_secs_f64() * per_second).min(most);
        self.since = Instant::now();
        self.left >= 1.0
    }

    fn take(&mut self) {
        self.left -= 1.0;
    }
}
