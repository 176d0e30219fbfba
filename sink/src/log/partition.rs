//! The sites of one partition, joined by one process at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::Message;

use crate::event::ForgottenSet;
use crate::persons::wire::{PART_BYTES, PersonBody, PersonMessage, TrackMessage, parts};
use crate::persons::{
    APPEARANCE, Associator, Outline, PersonEvent, Refill, WalkingTime, is_too_far_ahead,
};
use crate::{AssociationOptions, Error, Event, PersonId, Result, Sighting, TrackId};

/// Messages and time after which a new outline is made: what whoever takes over has to do again.
const OUTLINE_AFTER: (u64, Duration) = (20_000, Duration::from_secs(300));

/// Most sites of a partition.
const MOST_SITES: usize = 1000;

/// Stands before what is said with each commit.
const MARK: &str = "sightline-association 1";

/// How sites are joined.
#[derive(Debug, Clone)]
pub(super) struct Joining {
    pub(super) options: AssociationOptions,
    /// The model by whose vectors tracks are compared; those by others are left out. None: whatever comes.
    pub(super) model: Option<String>,
}

/// What a partition counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) sightings: u64,
    pub(super) forgotten: u64,
    pub(super) ahead: u64,
    pub(super) by_others: u64,
    pub(super) words: u64,
    pub(super) words_refused: u64,
}

/// A message's place in its partition, and when the log took it: the clock of sightings here, since whoever takes over has to
/// decide the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) offset: i64,
    at_ns: i64,
}

impl Came {
    pub(super) fn of(message: &impl Message) -> Self {
        let at_ms = message.timestamp().to_millis();
        Self {
            offset: message.offset(),
            at_ns: at_ms.map_or(i64::MAX, |ms| ms.saturating_mul(1_000_000)),
        }
    }
}

/// Where whoever takes over begins; said with each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Offset of the outlines among the decisions.
    pub(super) outline: i64,
    /// Offset of the first message that they do not contain.
    pub(super) through: i64,
    /// Offset of the first message that is needed beside them.
    pub(super) begin: i64,
    /// Sites.
    pub(super) sites: usize,
}

impl Mark {
    pub(super) fn words(self) -> String {
        let Self {
            outline,
            through,
            begin,
            sites,
        } = self;
        format!("{MARK} {outline} {through} {begin} {sites}")
    }

    /// Reads what was said with a commit; none where that was something else.
    pub(super) fn read(words: &str) -> Option<Self> {
        let mut numbers = words.strip_prefix(MARK)?.split_whitespace();
        let mut next = || numbers.next()?.parse::<i64>().ok().filter(|n| *n >= 0);
        let (outline, through, begin, sites) = (next()?, next()?, next()?, next()?);
        let sites = usize::try_from(sites).ok()?;
        let is_good = begin <= through && sites <= MOST_SITES && numbers.next().is_none();
        is_good.then_some(Self {
            outline,
            through,
            begin,
            sites,
        })
    }
}

#[derive(Debug)]
struct Site {
    associator: Associator,
    /// Where in the log its tracks began.
    first: BTreeMap<TrackId, i64>,
}

/// The sites of one partition.
#[derive(Debug)]
pub(super) struct Partition {
    joining: Joining,
    sites: BTreeMap<String, Site>,
    /// The last revisions of sites that readers know, for those that are not here yet.
    revisions: BTreeMap<String, u64>,
    /// Offset of the next message.
    next: i64,
    mark: Option<Mark>,
    taken_since: u64,
    outlined: Instant,
    is_outline_due: bool,
}

impl Partition {
    /// One of which nothing was taken in yet.
    pub(super) fn new(joining: &Joining, next: i64) -> Self {
        Self {
            joining: joining.clone(),
            sites: BTreeMap::new(),
            revisions: BTreeMap::new(),
            next,
            mark: None,
            taken_since: 0,
            outlined: Instant::now(),
            is_outline_due: true,
        }
    }

    /// One as it was when its outlines were made, without its sightings yet.
    pub(super) fn refilling(
        joining: &Joining,
        mark: Mark,
        outlines: BTreeMap<String, Outline>,
    ) -> Refilling {
        let sites = outlines.into_iter();
        Refilling {
            joining: joining.clone(),
            mark,
            sites: sites
                .map(|(site, outline)| (site, Refill::of(outline)))
                .collect(),
        }
    }

    pub(super) fn next(&self) -> i64 {
        self.next
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    pub(super) fn sites(&self) -> usize {
        self.sites.len()
    }

    /// What the associators count of all sites: late and repeated sightings.
    pub(super) fn late(&self) -> u64 {
        let sites = self.sites.values();
        sites.map(|site| site.associator.counts().late).sum()
    }

    /// Takes in a message, and adds what was decided.
    ///
    /// # Errors
    ///
    /// When it can never be taken in, and why.
    pub(super) fn take(
        &mut self,
        came: Came,
        message: TrackMessage,
        forgotten: &ForgottenSet,
        told: &mut Vec<PersonMessage>,
        taken: &mut Taken,
    ) -> Result<(), String> {
        self.next = came.offset + 1;
        self.taken_since += 1;
        match message {
            TrackMessage::Event(Event::Sighting(sighting))
                if forgotten.refuses(&sighting).is_some() =>
            {
                taken.forgotten += 1;
                Ok(())
            }
            TrackMessage::Event(Event::Sighting(mut sighting)) => {
                taken.sightings += 1;
                let others = self.joining.without_others(&mut sighting);
                taken.by_others += u64::from(others);
                let (name, track) = (sighting.site.clone(), sighting.track);
                let site = self.site(&name)?;
                let event = Event::Sighting(sighting);
                if site.associator.is_ahead(&event, came.at_ns) {
                    taken.ahead += 1;
                    return Ok(());
                }
                site.first.entry(track).or_insert(came.offset);
                site.take(&name, &event, told);
                Ok(())
            }
            TrackMessage::Event(Event::Coverage(coverage)) => {
                let name = coverage.site.clone();
                let event = Event::Coverage(coverage);
                let site = self.site(&name)?;
                if !site.associator.is_ahead(&event, came.at_ns) {
                    site.take(&name, &event, told);
                }
                Ok(())
            }
            TrackMessage::Event(Event::Forgotten(_)) => {
                Err("what is to be forgotten does not belong to this topic".to_owned())
            }
            TrackMessage::Word(word) => {
                let name = word.site.clone();
                let site = self.site(&name)?;
                let mut decisions = Vec::new();
                let said = site
                    .associator
                    .say_word(word.tracks, word.verdict, &mut decisions);
                site.tell(&name, decisions, told);
                match said {
                    Some(feedback) => {
                        taken.words += 1;
                        told.push(PersonMessage {
                            site: name,
                            body: PersonBody::Said(feedback),
                        });
                    }
                    None => taken.words_refused += 1,
                }
                Ok(())
            }
        }
    }

    fn site(&mut self, name: &str) -> Result<&mut Site, String> {
        if !self.sites.contains_key(name) {
            if self.sites.len() >= MOST_SITES {
                return Err(format!("more than {MOST_SITES} sites in one partition"));
            }
            let associator = Associator::new(self.joining.options.clone());
            let mut associator = associator.map_err(|error| error.to_string())?;
            associator.go_on_after(self.revisions.get(name).copied().unwrap_or(0));
            let site = Site {
                associator,
                first: BTreeMap::new(),
            };
            self.sites.insert(name.to_owned(), site);
        }
        self.sites
            .get_mut(name)
            .ok_or_else(|| "a site is lost; this is a bug".to_owned())
    }

    /// Lets go of what is to be forgotten.
    pub(super) fn forget(&mut self, forgotten: &ForgottenSet, told: &mut Vec<PersonMessage>) {
        for (name, site) in &mut self.sites {
            let tracks = site.associator.to_forget(name, forgotten);
            if tracks.is_empty() {
                continue;
            }
            let mut decisions = Vec::new();
            site.associator.forget_tracks(&tracks, &mut decisions);
            site.tell(name, decisions, told);
            // Whoever takes over shall not join what is forgotten again.
            self.is_outline_due = true;
        }
    }

    /// Takes in what waits, and settles everything: nothing more will come for now.
    pub(super) fn finish(&mut self, told: &mut Vec<PersonMessage>) {
        for (name, site) in &mut self.sites {
            let mut decisions = Vec::new();
            site.associator.finish(&mut decisions);
            site.tell(name, decisions, told);
        }
        self.is_outline_due = true;
    }

    /// Messages before this one were taken in, or could not be.
    pub(super) fn go_on_at(&mut self, next: i64) {
        self.next = self.next.max(next);
    }

    /// Decisions from now on have revisions after those that readers know.
    pub(super) fn go_on_after(&mut self, known: &Known) {
        self.revisions.clone_from(&known.revisions);
        for (name, site) in &mut self.sites {
            let last = known.revisions.get(name).copied();
            site.associator.go_on_after(last.unwrap_or(0));
        }
    }

    /// What readers know is held against what is so here; the difference is told, with revisions after theirs.
    pub(super) fn correct(&mut self, known: &Known, told: &mut Vec<PersonMessage>) -> u64 {
        let before = told.len();
        self.go_on_after(known);
        for (name, site) in &mut self.sites {
            let mut decisions = Vec::new();
            site.associator.differing(&known.persons, &mut decisions);
            site.tell(name, decisions, told);
        }
        (told.len() - before) as u64
    }

    /// Whether outlines shall be made with the next commit.
    pub(super) fn is_outline_due(&self) -> bool {
        let (messages, time) = OUTLINE_AFTER;
        let is_old = self.taken_since > 0 && self.outlined.elapsed() >= time;
        !self.sites.is_empty() && (self.is_outline_due || is_old || self.taken_since >= messages)
    }

    /// What whoever takes over needs of all sites, and what was learned of their ways. [`Partition::outlined`] says that
    /// it is in the log.
    ///
    /// # Errors
    ///
    /// When it cannot be written as text.
    pub(super) fn outlines(&mut self) -> Result<(Vec<PersonMessage>, Mark)> {
        let mut messages = Vec::new();
        let mut begin = self.next;
        for (name, site) in &mut self.sites {
            let outline = site.associator.outline(&mut site.first);
            begin = begin.min(outline.begins_at().unwrap_or(begin));
            let json = serde_json::to_vec(&outline)
                .map_err(|error| Error::io("write an outline")(error.into()))?;
            let message = |body| PersonMessage {
                site: name.clone(),
                body,
            };
            let parts = parts(self.next, &json).into_iter();
            messages.extend(parts.map(|part| message(PersonBody::Outline(part))));
        }
        // After all outlines, so that these lie together.
        for (name, site) in &self.sites {
            let ways = within_bounds(site.associator.walking_times());
            if !ways.is_empty() {
                messages.push(PersonMessage {
                    site: name.clone(),
                    body: PersonBody::Ways(ways),
                });
            }
        }
        let mark = Mark {
            outline: 0,
            through: self.next,
            begin,
            sites: self.sites.len(),
        };
        Ok((messages, mark))
    }

    /// The outlines are in the log.
    pub(super) fn outlined(&mut self, mark: Mark) {
        self.mark = Some(mark);
        self.taken_since = 0;
        self.outlined = Instant::now();
        self.is_outline_due = false;
    }
}

impl Site {
    fn take(&mut self, name: &str, event: &Event, told: &mut Vec<PersonMessage>) {
        let mut decisions = Vec::new();
        self.associator.take(event, &mut decisions);
        self.tell(name, decisions, told);
    }

    fn tell(&self, name: &str, decisions: Vec<PersonEvent>, told: &mut Vec<PersonMessage>) {
        let revision = self.associator.revision();
        let decisions = decisions.into_iter();
        told.extend(decisions.map(|decision| PersonMessage::of(name, decision, revision)));
    }
}

impl Joining {
    /// Takes vectors by other models away; whether there were any.
    fn without_others(&self, sighting: &mut Sighting) -> bool {
        let Some(model) = &self.model else {
            return false;
        };
        let mut has_others = false;
        for vectors in [&mut sighting.vectors, &mut sighting.state.vectors] {
            vectors.retain(|vector| {
                let is_ours = vector.name != APPEARANCE || vector.model == *model;
                has_others |= !is_ours;
                is_ours
            });
        }
        has_others
    }
}

/// The ways with the most joins, as many as one message holds.
fn within_bounds(mut ways: Vec<WalkingTime>) -> Vec<WalkingTime> {
    const MOST: usize = PART_BYTES / 512;
    if ways.len() > MOST {
        ways.sort_by(|a, b| b.joins.total_cmp(&a.joins));
        ways.truncate(MOST);
    }
    ways
}

/// What readers of the decisions know.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) persons: BTreeMap<TrackId, PersonId>,
    /// The last one of each site.
    pub(super) revisions: BTreeMap<String, u64>,
}

/// See [`Partition::refilling`].
pub(super) struct Refilling {
    joining: Joining,
    mark: Mark,
    sites: BTreeMap<String, Refill>,
}

impl Refilling {
    /// Takes in what lies before the outlines.
    pub(super) fn take(&mut self, came: Came, message: TrackMessage) {
        let TrackMessage::Event(Event::Sighting(mut sighting)) = message else {
            return;
        };
        if is_too_far_ahead(sighting.capture_ns, came.at_ns) {
            return;
        }
        self.joining.without_others(&mut sighting);
        if let Some(site) = self.sites.get_mut(&sighting.site) {
            site.take(came.offset, &sighting, self.joining.options.lateness_ns);
        }
    }

    /// The partition, and how many tracks the log does not hold any more.
    ///
    /// # Errors
    ///
    /// When the map makes no sense.
    pub(super) fn done(self) -> Result<(Partition, usize)> {
        let mut partition = Partition::new(&self.joining, self.mark.through);
        let mut missing = 0;
        for (name, refill) in self.sites {
            let (associator, first, gone) = refill.done(self.joining.options.clone())?;
            missing += gone;
            partition.sites.insert(name, Site { associator, first });
        }
        partition.outlined(self.mark);
        Ok((partition, missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_with_a_commit_is_read_again_and_nothing_else_is() {
        let mark = Mark {
            outline: 7,
            through: 30,
            begin: 12,
            sites: 2,
        };
        assert_eq!(Mark::read(&mark.words()), Some(mark));
        for words in [
            "",
            "sightline-store abc host:/folder",
            "sightline-association 2 7 30 12 2",
            "sightline-association 1 7 30 12",
            "sightline-association 1 7 30 31 2",
            "sightline-association 1 7 30 12 -1",
            "sightline-association 1 7 30 12 2 5",
            "sightline-association 1 7 30 12 99999",
        ] {
            assert_eq!(Mark::read(words), None, "{words}");
        }
    }
}
