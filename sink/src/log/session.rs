//! One life of a consumer: partitions merged, applied, made durable, committed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use super::claim;
use super::clerk::{Clerk, Done, Seen};
use super::clock::Clock;
use super::dead::Forwarder;
use super::decisions::Decisions;
use super::ear::is_final;
use super::forgotten::Feed;
use super::group::{self, Context, Positions, consumer};
use super::heartbeats::Heartbeats;
use super::held::{Held, Item};
use super::lanes::{Arrival, Lanes, Place, What};
use super::look::Look;
use super::receiver::Shared;
use super::standing::RETRY;
use super::topics::{Topic, require_topics};
use crate::event::Forgotten;
use crate::store::Applied;
use crate::{Error, Event, Reaction, Result};

/// Longest wait for an answer of the brokers.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for an answer while partitions are claimed: meanwhile nothing is indexed.
const CLAIM_LIMIT: Duration = Duration::from_secs(3);

/// How long an idle thread sleeps.
const IDLE: Duration = Duration::from_millis(5);

/// Time between two looks at the log's end: while heartbeats wait for one, and otherwise.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(1));

/// A consumer that gets nothing for so long though there is something is replaced by a fresh one.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a batch waits for more where more is known to be on its way.
const LINGER: Duration = Duration::from_millis(50);

/// How long it sleeps meanwhile at a time.
const TICK: Duration = Duration::from_millis(1);

/// How long others may hold partitions that an embedded store needs: longer than the group takes to notice a dead member.
const OTHERS: Duration = Duration::from_secs(60);

/// Decisions that are taken in at once.
const DECISIONS: usize = 500;

/// Heartbeats that may wait; beyond it no more are read.
const MOST_HELD: usize = if cfg!(test) { 50 } else { 20_000 };

/// Indexes until the receiver stops; begins anew after every fault.
pub(super) fn run(shared: &Arc<Shared>) {
    shared.standing.live("indexing", || {
        shared.standing.status().turns += 1;
        Session::begin(shared)?.run()
    });
}

struct Session<'s> {
    shared: &'s Arc<Shared>,
    // First of those that hold the consumer, so that it ends before the group is left.
    clerk: Clerk,
    consumer: Arc<BaseConsumer<Context>>,
    lanes: Lanes<Context>,
    forwarder: Forwarder,
    /// What everybody is to forget.
    feed: Feed,
    /// What others decide of persons; none where nobody follows them here.
    decisions: Option<Decisions>,
    /// All heartbeats, where others write to the same store; none where they come with the group's partitions.
    heartbeats: Option<Heartbeats>,
    /// Next offset of each partition, as far as it was read.
    read: Positions,
    /// Heartbeats that wait until all before them is indexed.
    held: Held,
    looked: Instant,
    came: Instant,
    clock: Clock,
    /// When this process had all partitions last.
    alone: Instant,
    uncommitted_since: Option<Instant>,
}

impl<'s> Session<'s> {
    fn begin(shared: &'s Arc<Shared>) -> Result<Self> {
        let options = &shared.options.log;
        require_topics(options, ASK_LIMIT)?;
        let is_shared = shared.store.is_shared();
        let mut names = vec![options.topic(Topic::Sightings)];
        if !is_shared {
            names.push(options.topic(Topic::Coverage));
        }
        let consumer = consumer(options, shared)?;
        let mut look = Look::take(&consumer, options, ASK_LIMIT)?;
        claim::check(&look, &shared.store, options)?;
        // Where the log began anew its heartbeats are read from the beginning.
        count_own(shared, &mut look);
        let lost = shared.known().observe(&look)?;
        shared.standing.status().lost += lost;
        let heartbeats = is_shared.then(|| {
            let next = shared.known().heartbeats().clone();
            Heartbeats::open(options, &next, ASK_LIMIT)
        });
        // Before the first sighting: nothing of what is forgotten may be searchable even for a moment.
        let (feed, known) = Feed::open(options, ASK_LIMIT)?;
        let topics: Vec<&str> = names.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| options.error("subscribe", &error))?;
        let now = Instant::now();
        let mut session = Self {
            shared,
            clerk: Clerk::start(&consumer, options)?,
            consumer,
            lanes: Lanes::default(),
            forwarder: Forwarder::connect(options)?,
            feed,
            decisions: None,
            heartbeats: heartbeats.transpose()?,
            read: Positions::new(),
            held: Held::default(),
            looked: now.checked_sub(LOOK_EVERY.1).unwrap_or(now),
            came: now,
            clock: Clock::now(),
            alone: now,
            uncommitted_since: None,
        };
        session.forget(known)?;
        session.begin_to_follow()?;
        Ok(session)
    }

    /// Reads what was decided until now, and writes of it what holds.
    fn begin_to_follow(&mut self) -> Result<()> {
        let Shared { store, options, .. } = &**self.shared;
        if !store.follows_persons() {
            return Ok(());
        }
        let mut next = self.shared.followed().clone();
        let mut decisions = Decisions::open(&options.log, &next, ASK_LIMIT)?;
        while !decisions.is_at_end() && !self.shared.standing.must_stop() {
            let messages = decisions.next(DECISIONS, &mut next)?;
            if messages.is_empty() {
                decisions.require_heard(ASK_LIMIT)?;
                std::thread::sleep(TICK);
            }
            store.hear_persons(messages)?;
        }
        self.write_persons()?;
        *self.shared.followed() = next;
        self.decisions = Some(decisions);
        Ok(())
    }

    /// Takes in what was decided since.
    fn follow(&mut self) -> Result<()> {
        let Some(decisions) = &mut self.decisions else {
            return Ok(());
        };
        let mut next = self.shared.followed().clone();
        let messages = decisions.next(DECISIONS, &mut next)?;
        if messages.is_empty() {
            return Ok(());
        }
        self.shared.store.hear_persons(messages)?;
        self.write_persons()?;
        *self.shared.followed() = next;
        Ok(())
    }

    fn write_persons(&self) -> Result<()> {
        self.shared.store.write_followed()?;
        self.shared.standing.status().persons = self.shared.store.followed_counts();
        Ok(())
    }

    fn forget(&self, entries: Vec<Forgotten>) -> Result<()> {
        if !entries.is_empty() {
            let entries = entries.into_iter();
            let events: Vec<_> = entries.map(|entry| (0, Event::Forgotten(entry))).collect();
            self.shared.store.apply(&events)?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        loop {
            let is_last = self.shared.standing.must_stop();
            self.serve()?;
            while let Some(entry) = self.feed.next()? {
                self.forget(vec![entry])?;
            }
            self.follow()?;
            let batch = if is_last { Vec::new() } else { self.gather()? };
            let is_idle = batch.is_empty();
            self.apply(batch)?;
            if is_last {
                return self.commit_at_last();
            }
            while let Some(done) = self.clerk.done()? {
                match done {
                    Done::Committed(committed) => self.take_commit(committed)?,
                    Done::Looked(looked) => self.take_look(looked)?,
                }
            }
            self.look_if_due()?;
            self.commit_if_due()?;
            self.clock.check(&self.shared.options.log, "read")?;
            if is_idle {
                std::thread::sleep(IDLE);
            }
        }
    }

    /// Lets the client do what it has to: join the group, share partitions anew.
    fn serve(&mut self) -> Result<()> {
        self.shared.standing.status().turns += 1;
        match self.consumer.poll(Duration::ZERO) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => self.heed(&error)?,
            Some(Ok(message)) => {
                // Newer ones may have been read from the partition's queue already; what is not committed yet of them comes again.
                self.consumer.context().shift().pending.clear();
                let what = format!(
                    "{}/{} has no queue of its own",
                    message.topic(),
                    message.partition()
                );
                return Err(self.shared.options.log.failed("read", what));
            }
        }
        self.take_assignment()
    }

    /// What the client says of itself: mostly it mends it alone; some faults need a fresh client.
    fn heed(&self, error: &KafkaError) -> Result<()> {
        let is_final = is_final(error);
        let error = self.shared.options.log.error("read", error);
        if is_final {
            return Err(error);
        }
        self.shared.standing.complain(&error);
        Ok(())
    }

    fn take_assignment(&mut self) -> Result<()> {
        let context = self.consumer.context();
        if !std::mem::take(&mut context.shift().has_changed) {
            return Ok(());
        }
        let failed = |error: KafkaError| self.shared.options.log.error("share partitions", &error);
        let assignment = self.consumer.assignment().map_err(failed)?;
        let assigned = context.places(&assignment);
        let came = std::mem::take(&mut context.shift().queues);
        // Whoever had them meanwhile read on.
        self.read.retain(|place, _| !came.contains_key(place));
        if !self.lanes.assign(&assigned, came) {
            let options = &self.shared.options.log;
            let what = "a partition has no queue of its own".to_owned();
            return Err(options.failed("share partitions", what));
        }
        let all_heartbeats = self.heartbeats.is_some();
        let is_mine = |place: &Place| {
            (all_heartbeats && place.topic == Topic::Coverage) || assigned.contains(place)
        };
        self.read.retain(|place, _| is_mine(place));
        self.held.keep(is_mine);
        self.came = Instant::now();
        self.shared.standing.status().partitions = assigned.len();
        self.claim();
        tracing::info!(partitions = assigned.len(), "partitions of this indexer");
        Ok(())
    }

    /// Says which store the new partitions go into. What cannot be said now is said with the first commit.
    fn claim(&self) {
        let options = &self.shared.options.log;
        let Some(_commit) = self.consumer.context().commit_lock() else {
            tracing::debug!("a commit has no answer; partitions are claimed with the next one");
            return;
        };
        let claimed = Look::take(&self.consumer, options, CLAIM_LIMIT).and_then(|look| {
            let mine = self.lanes.places();
            claim::take(&self.consumer, &look, mine, &self.shared.claim, options)
        });
        if let Err(error) = claimed {
            tracing::debug!(%error, "partitions are claimed with the first commit");
        }
    }

    /// Partitions that this session reads.
    fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let heartbeats = self.heartbeats.iter();
        self.lanes
            .places()
            .chain(heartbeats.flat_map(Heartbeats::places))
    }

    /// Reads a batch in order of time.
    fn gather(&mut self) -> Result<Vec<Item>> {
        let shared = self.shared;
        let judge = |event: &Event| shared.refusal(event);
        let begin = Instant::now();
        let mut batch = Vec::new();
        let mut dead = 0;
        while batch.len() < self.shared.options.batch_records {
            // Those that wait go on when sightings are indexed, so these never wait for them.
            let has_room = self.held.len() < MOST_HELD;
            let is_wanted = |place: Place| has_room || place.topic == Topic::Sightings;
            let arrival = match self.lanes.next(is_wanted, &judge) {
                Ok(Some(arrival)) => arrival,
                Ok(None)
                    if !batch.is_empty() && self.lanes.is_waiting() && begin.elapsed() < LINGER =>
                {
                    std::thread::sleep(TICK);
                    continue;
                }
                Ok(None) => break,
                Err(error) => {
                    self.heed(&error)?;
                    break;
                }
            };
            self.came = Instant::now();
            let item = self.take(arrival, &mut dead)?;
            // Heartbeats wait for all that was in the log before them.
            match item.0.topic {
                Topic::Coverage => self.held.push(item),
                Topic::Sightings
                | Topic::Dead
                | Topic::Forgotten
                | Topic::Tracks
                | Topic::Persons => batch.push(item),
            }
        }
        while self.held.len() < MOST_HELD
            && let Some(heartbeats) = &self.heartbeats
            && let Some(arrival) = heartbeats.next(&judge)?
        {
            self.came = Instant::now();
            let item = self.take(arrival, &mut dead)?;
            self.held.push(item);
        }
        if dead > 0 {
            // Whatever is applied may be committed at any moment, by a partition's being taken away too.
            self.forwarder.confirm(ASK_LIMIT)?;
            self.shared.standing.status().dead += dead;
        }
        Ok(batch)
    }

    /// Notes that a message was read; what nobody can index is laid down as dead.
    fn take(&mut self, arrival: Arrival, dead: &mut u64) -> Result<Item> {
        let Arrival {
            place,
            offset,
            what,
        } = arrival;
        self.read.insert(place, offset + 1);
        let event = match what {
            What::Event(event) => Some(event),
            What::Dead(message, reason) => {
                if self.lays_down(place) {
                    self.forwarder.lay_down(place, offset, &message, &reason)?;
                    *dead += 1;
                }
                None
            }
        };
        Ok((place, offset, event))
    }

    /// Of a heartbeat that several indexers read one lays it down: whoever has the sightings of the same number. Who has none
    /// cannot tell; twice is better than never.
    fn lays_down(&self, place: Place) -> bool {
        let of_sightings = Place {
            topic: Topic::Sightings,
            ..place
        };
        let mut mine = self.lanes.places().peekable();
        self.heartbeats.is_none()
            || place == of_sightings
            || mine.peek().is_none()
            || mine.any(|mine| mine == of_sightings)
    }

    fn apply(&mut self, batch: Vec<Item>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut places = Positions::new();
        let mut events = Vec::with_capacity(batch.len());
        for (place, offset, event) in batch {
            places.insert(place, offset + 1);
            events.extend(event.map(|event| (offset.unsigned_abs() + 1, event)));
        }
        let begin = Instant::now();
        let Some(applied) = self.apply_until_taken(&events)? else {
            return Ok(());
        };
        // Meanwhile nothing was asked for.
        self.came = Instant::now();
        let mine: Vec<_> = self.places().collect();
        places.retain(|place, _| mine.contains(place));
        self.consumer.context().shift().pending.append(&mut places);
        self.uncommitted_since.get_or_insert_with(Instant::now);
        let mut status = self.shared.standing.status();
        status.trouble = None;
        status.applied.add(applied);
        status.indexing.events += events.len() as u64;
        status.indexing.calls += 1;
        status.indexing.wall_ns += u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Tries until the store takes the events. Other partitions are not read on meanwhile, and the group is
    /// told that this member lives. None when the receiver stops.
    fn apply_until_taken(&mut self, events: &[(u64, Event)]) -> Result<Option<Applied>> {
        let mut delay = RETRY.0;
        let mut embedded = None;
        loop {
            match self.embed_and_apply(events, &mut embedded) {
                Ok(applied) => return Ok(Some(applied)),
                Err(error) if may_pass(&error) => {
                    tracing::warn!(%error, waiting = events.len(), "indexing failed, trying again");
                    let mut status = self.shared.standing.status();
                    status.is_level = false;
                    status.trouble = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            let again = Instant::now() + delay;
            while Instant::now() < again {
                if self.shared.standing.must_stop() {
                    return Ok(None);
                }
                self.serve()?;
                self.keep_looking()?;
                std::thread::sleep(IDLE);
            }
            delay = (delay * 2).min(RETRY.1);
        }
    }

    /// While the store takes nothing: what waits in the log is still counted. What a look would let go on waits for a later one.
    fn keep_looking(&mut self) -> Result<()> {
        self.look_if_due()?;
        while let Some(done) = self.clerk.done()? {
            match done {
                Done::Committed(committed) => self.take_commit(committed)?,
                Done::Looked(looked) => {
                    self.looked = Instant::now();
                    if let Ok(mut seen) = looked {
                        count_own(self.shared, &mut seen.look);
                        self.shared.standing.status().behind = seen.look.behind();
                    }
                }
            }
        }
        Ok(())
    }

    /// Applies events; those by other models are embedded first, and kept in `embedded` for another attempt.
    fn embed_and_apply(
        &self,
        events: &[(u64, Event)],
        embedded: &mut Option<Vec<(u64, Event)>>,
    ) -> Result<Applied> {
        let Shared { store, embed, .. } = &**self.shared;
        let (applied, count) = store.apply_embedding(events, embed.as_ref(), embedded)?;
        self.shared.standing.status().embedded += count;
        Ok(applied)
    }

    /// Begins to make durable and to commit what was applied, while indexing goes on.
    fn commit_if_due(&mut self) -> Result<()> {
        let is_due = self
            .uncommitted_since
            .is_some_and(|since| since.elapsed() >= self.shared.options.flush_after);
        if is_due && self.clerk.commit()? {
            self.uncommitted_since = None;
        }
        Ok(())
    }

    /// Commits what was applied, after the commit that is under way, if one is. A broker that has just gone may never answer, and the
    /// client waits for it without a limit: then it is given up, and what was applied last comes again.
    fn commit_at_last(&mut self) -> Result<()> {
        let end = Instant::now() + ASK_LIMIT;
        let mut is_begun = self.clerk.commit()?;
        while Instant::now() < end {
            match self.clerk.done()? {
                Some(Done::Committed(committed)) if is_begun => return committed,
                Some(Done::Committed(_)) => is_begun = self.clerk.commit()?,
                Some(Done::Looked(_)) => {}
                None => std::thread::sleep(TICK),
            }
        }
        Err(self
            .shared
            .options
            .log
            .failed("commit", "no answer".to_owned()))
    }

    /// What could not be committed is tried again.
    fn take_commit(&mut self, committed: Result<()>) -> Result<()> {
        match committed {
            Ok(()) => Ok(()),
            Err(error) if error.reaction() == Reaction::Transient => {
                self.shared.standing.complain(&error);
                self.uncommitted_since = Some(Instant::now());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Begins to ask where the log ends and what the group has committed.
    fn look_if_due(&mut self) -> Result<()> {
        let is_quiet = self.held.is_empty()
            && self.shared.goals().is_empty()
            && self.shared.standing.status().is_level;
        let every = if is_quiet { LOOK_EVERY.1 } else { LOOK_EVERY.0 };
        if self.looked.elapsed() >= every && self.clerk.look()? {
            self.held.look_begins();
        }
        Ok(())
    }

    fn take_look(&mut self, looked: Result<Seen>) -> Result<()> {
        self.looked = Instant::now();
        let mut seen = match looked {
            Ok(seen) => seen,
            Err(error) if error.reaction() == Reaction::Transient => {
                self.shared.standing.complain(&error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        count_own(self.shared, &mut seen.look);
        let look = &seen.look;
        claim::check(look, &self.shared.store, &self.shared.options.log)?;
        let lost = self.shared.known().observe(look)?;
        self.shared.standing.status().lost += lost;
        // Heartbeats of which no more are read for now are nothing that should have come.
        let is_read = |place: Place| self.held.len() < MOST_HELD || place.topic == Topic::Sightings;
        let is_left =
            |place: Place| is_read(place) && look.left(place, self.read.get(&place).copied()) > 0;
        if !self.places().any(is_left) {
            self.came = Instant::now();
        } else if self.came.elapsed() > SILENCE {
            let seconds = SILENCE.as_secs();
            let what = format!("nothing came for {seconds} s though there is something");
            return Err(self.shared.options.log.failed("read", what));
        }
        let ready = self.held.release(look);
        self.apply(ready)?;
        self.complain_of_others(look);
        let mut status = self.shared.standing.status();
        status.looks += 1;
        status.behind = look.behind();
        status.is_level = status.behind == 0
            && self.held.is_empty()
            && self.feed.has_read(seen.forgotten_end)
            && self.decisions.as_ref().is_none_or(Decisions::is_at_end);
        if status.is_level {
            status.trouble = None;
        }
        let nth = status.looks;
        drop(status);
        self.shared.goals().observe(nth, &seen, |ends| {
            let mut decisions = self.decisions.iter();
            self.feed.has_read(ends.forgotten) && decisions.all(|it| it.reached_end_since(ends.at))
        });
        self.shared.standing.notify();
        Ok(())
    }

    /// An embedded store needs every partition, and so does whoever joins tracks. For a moment some may be with a process that was killed.
    fn complain_of_others(&mut self, look: &Look) {
        let store = &self.shared.store;
        let mine = self.lanes.places().count();
        let mut all = look.partitions(Topic::Sightings);
        if self.heartbeats.is_none() {
            all += look.partitions(Topic::Coverage);
        }
        if mine == all || (store.is_shared() && !store.associates()) {
            self.alone = Instant::now();
        } else if store.is_shared() && self.alone.elapsed() > OTHERS {
            let group = self.shared.options.log.group();
            let what = format!(
                "somebody else in group `{group}` has {} of {all} partitions, so each joins only its part of the tracks into persons; \
                 set `association = \"service\"` under [kafka] and start `sightline associate`",
                all - mine
            );
            self.shared
                .standing
                .complain(&self.shared.options.log.failed("join tracks", what));
        } else if self.alone.elapsed() > OTHERS {
            let group = self.shared.options.log.group();
            let what = format!(
                "somebody else in group `{group}` has {} of {all} partitions, and this store needs them all",
                all - mine
            );
            self.shared
                .standing
                .complain(&self.shared.options.log.failed("read", what));
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // They hold the consumer, which holds them: the group would never be left.
        let came = std::mem::take(&mut self.consumer.context().shift().queues);
        drop(came);
        if !self.clerk.end() {
            group::leave(&self.consumer);
        }
    }
}

/// Heartbeats that a store has for itself, since others write to it too, are not in the group's commits.
fn count_own(shared: &Shared, look: &mut Look) {
    if shared.store.is_shared() {
        let known = shared.known();
        look.set_indexed(Topic::Coverage, known.heartbeats());
    }
}

/// Whether the store may take events later that it does not take now; a model that fails may be mended, and the log waits.
fn may_pass(error: &Error) -> bool {
    error.reaction() == Reaction::Transient || matches!(error, Error::Embed { .. })
}
