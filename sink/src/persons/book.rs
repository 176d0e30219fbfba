//! A site's persons on disk: what association took in, what it knows, and what it decided.
//!
//! `log` holds what was taken in since `snapshot.json`. Association is a function of what it takes in, so
//! reading both again gives the same persons, and the decisions since the snapshot once more; they are
//! idempotent. `decisions.jsonl` is the history, for people and scripts.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use serde::{Deserialize, Serialize};

use super::associator::{Associator, State};
use super::event::{Join, PersonEvent};
use super::options::{AssociationCounts, AssociationOptions};
use super::renamed::Renamed;
use super::track::Looks;
use super::transit::WalkingTime;
use super::word::{self, Feedback, Verdict};
use crate::event::{self, Event, Sighting};
use crate::spool::record::{self, Parsed};
use crate::{Error, PersonId, Result, SightingId, TrackId, clock};

/// Bytes of log after which a new snapshot is written.
const LOG_BYTES: u64 = 32 << 20;

/// Bytes of history after which it is begun anew; the one before is kept beside it.
const HISTORY_BYTES: u64 = 64 << 20;

/// A person as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// Its id now; another one than was asked for where that was renamed.
    pub person: PersonId,
    /// Its tracks in order of their starts.
    pub tracks: Vec<PersonTrack>,
}

/// One track of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonTrack {
    /// The track.
    pub track: TrackId,
    /// Why it belongs here; none for the first, and for those too old to be compared.
    pub join: Option<Join>,
}

/// The persons of a site, and their files.
#[derive(Debug)]
pub struct PersonBook {
    dir: PathBuf,
    associator: Associator,
    renamed: Renamed,
    log: File,
    log_bytes: u64,
    unwritten: Vec<u8>,
    history: File,
    history_bytes: u64,
    untold: Vec<u8>,
    /// What was decided while the log was read again.
    regained: Vec<PersonEvent>,
    is_finished: bool,
}

/// What `snapshot.json` holds.
#[derive(Serialize, Deserialize)]
struct Snapshot<'a> {
    format: u32,
    renamed: std::borrow::Cow<'a, [(PersonId, PersonId)]>,
    state: std::borrow::Cow<'a, State>,
}

const FORMAT: u32 = 1;
const WHAT: &str = "write the record of persons";

impl PersonBook {
    /// Opens the book in `dir`, or makes it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the snapshot cannot be trusted; when the map makes no sense; when the disk
    /// refuses. A torn log is no error: what is lost of it was not acknowledged.
    pub fn open(dir: impl AsRef<Path>, options: AssociationOptions) -> Result<Self> {
        let what = "open the record of persons";
        let dir = dir.as_ref();
        fs_err::create_dir_all(dir).map_err(Error::io(what))?;
        let (mut associator, renamed) = match read_snapshot(&dir.join("snapshot.json"))? {
            Some((state, renamed)) => (Associator::restored(options, state)?, renamed),
            None => (Associator::new(options)?, Renamed::default()),
        };
        let append = |name: &str| {
            let mut options = File::options();
            options.append(true).create(true);
            options.open(dir.join(name)).map_err(Error::io(what))
        };
        let bytes = match fs_err::read(dir.join("log")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io(what)(error)),
        };
        let mut regained = Vec::new();
        let (mut at, mut end) = (0, 0);
        while at < bytes.len() {
            if let Parsed::Good(found) = record::parse(&bytes, at) {
                let payload = bytes.get(found.payload_at..found.end).unwrap_or_default();
                if let Ok(event) = event::decode(payload) {
                    associator.take(&event, &mut regained);
                }
                (at, end) = (found.end, found.end);
            } else if let Some(next) = record::resync(&bytes, at + 1) {
                // What a full disk tore and could not take back is behind it once more, whole.
                at = next;
            } else {
                break;
            }
        }
        let log = append("log")?;
        if end < bytes.len() {
            tracing::warn!(
                log = %dir.join("log").display(), lost_bytes = bytes.len() - end,
                "the record of persons has a torn end, what is lost comes again"
            );
            log.set_len(end as u64).map_err(Error::io(what))?;
        }
        let history = append("decisions.jsonl")?;
        let history_bytes = history.metadata().map_err(Error::io(what))?.len();
        let mut book = Self {
            dir: dir.to_path_buf(),
            associator,
            renamed,
            log,
            log_bytes: end as u64,
            unwritten: Vec::new(),
            history,
            history_bytes,
            untold: Vec::new(),
            regained: Vec::new(),
            is_finished: false,
        };
        for decision in &regained {
            book.rename(decision);
        }
        book.regained = regained;
        Ok(book)
    }

    /// What was decided since the last snapshot, found again when the book was opened.
    pub fn take_regained(&mut self) -> Vec<PersonEvent> {
        std::mem::take(&mut self.regained)
    }

    /// Takes in an event and adds what was decided to `decisions`. False: it is minutes ahead of the clock, and left out.
    ///
    /// # Errors
    ///
    /// When the event breaks the schema's rules.
    pub fn take(&mut self, event: &Event, decisions: &mut Vec<PersonEvent>) -> Result<bool> {
        if self.associator.is_ahead(event, clock::now_ns()) {
            return Ok(false);
        }
        let bare;
        let event = match event {
            Event::Sighting(sighting) => {
                let sighting = Sighting {
                    crop: None,
                    ..(**sighting).clone()
                };
                bare = Event::Sighting(Box::new(sighting));
                &bare
            }
            Event::Coverage(_) | Event::Forgotten(_) => event,
        };
        let payload = event::encode(event)?;
        record::write(&mut self.unwritten, 1, event.time_ns(), &payload);
        let before = decisions.len();
        self.associator.take(event, decisions);
        self.note(&decisions[before..])?;
        Ok(true)
    }

    /// Takes on what tracks look like by another model, and makes it durable.
    pub(crate) fn relook(
        &mut self,
        decisions: &mut Vec<PersonEvent>,
        looks: impl FnMut(&[TrackId], &[SightingId]) -> Result<Looks>,
    ) -> Result<()> {
        let before = decisions.len();
        self.associator.relook(decisions, looks)?;
        self.note(&decisions[before..])?;
        // The log holds looks by the former model, so it is given up for a snapshot without them.
        self.is_finished = true;
        self.flush()
    }

    /// Takes somebody's word on pairs of tracks, and makes it durable. Says of how many: the others have a track that is not
    /// compared any more.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn say_words(
        &mut self,
        pairs: &[[TrackId; 2]],
        verdict: Verdict,
        decisions: &mut Vec<PersonEvent>,
    ) -> Result<u64> {
        let before = decisions.len();
        let pairs = pairs.iter();
        let said: Vec<Feedback> = pairs
            .filter_map(|pair| self.associator.say_word(*pair, verdict, decisions))
            .collect();
        if said.is_empty() {
            return Ok(0);
        }
        self.note(&decisions[before..])?;
        word::append(&self.dir.join("feedback.jsonl"), &said)?;
        self.is_finished = true;
        self.flush()?;
        Ok(said.len() as u64)
    }

    /// What was said, in the order in which it was said, from the `after`th pair (from 0) on, at most so many.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn feedback(&self, after: usize, most: usize) -> Result<Vec<Feedback>> {
        word::read(&self.dir.join("feedback.jsonl"), after, most)
    }

    /// Lets go of tracks as if they had never been, in every file too. Says how many were known.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn forget(
        &mut self,
        tracks: &BTreeSet<TrackId>,
        decisions: &mut Vec<PersonEvent>,
    ) -> Result<u64> {
        let before = decisions.len();
        let known = self.associator.forget(tracks, decisions);
        self.note(&decisions[before..])?;
        let gone: BTreeSet<PersonId> = tracks.iter().copied().map(PersonId::derive).collect();
        self.renamed.forget(&gone);
        // The log holds their sightings, so it is given up for a snapshot without them.
        self.is_finished = true;
        self.flush()?;
        for name in ["decisions.jsonl", "decisions.old.jsonl", "feedback.jsonl"] {
            strike(&self.dir.join(name), tracks)?;
        }
        let path = self.dir.join("decisions.jsonl");
        let mut options = File::options();
        options.append(true).create(true);
        self.history = options.open(path).map_err(Error::io(WHAT))?;
        self.history_bytes = self.history.metadata().map_err(Error::io(WHAT))?.len();
        Ok(known)
    }

    /// Nothing more will come for now: takes in what waits, and settles everything.
    ///
    /// # Errors
    ///
    /// As [`PersonBook::flush`].
    pub fn finish(&mut self, decisions: &mut Vec<PersonEvent>) -> Result<()> {
        let before = decisions.len();
        self.associator.finish(decisions);
        self.note(&decisions[before..])?;
        self.is_finished = true;
        self.flush()
    }

    /// Makes everything taken in so far durable.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn flush(&mut self) -> Result<()> {
        if !self.unwritten.is_empty() {
            word::append_whole(&mut self.log, self.log_bytes, &self.unwritten)
                .map_err(Error::io(WHAT))?;
            self.log_bytes += self.unwritten.len() as u64;
            self.unwritten.clear();
        }
        if !self.untold.is_empty() {
            word::append_whole(&mut self.history, self.history_bytes, &self.untold)
                .map_err(Error::io(WHAT))?;
            self.history_bytes += self.untold.len() as u64;
            self.untold.clear();
        }
        if self.history_bytes > HISTORY_BYTES {
            let path = self.dir.join("decisions.jsonl");
            fs_err::rename(&path, self.dir.join("decisions.old.jsonl")).map_err(Error::io(WHAT))?;
            self.history = File::create(&path).map_err(Error::io(WHAT))?;
            self.history_bytes = 0;
        }
        // What `finish` and people's words did is not in the log, so it has to be in the snapshot.
        if self.log_bytes > LOG_BYTES || self.is_finished {
            self.write_snapshot()?;
            self.log.set_len(0).map_err(Error::io(WHAT))?;
            self.log_bytes = 0;
            self.is_finished = false;
        }
        Ok(())
    }

    /// Whose a track is, as of now.
    pub fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.associator.person_of(track)
    }

    /// Why a track belongs to its person, as of now; none for the person's first track.
    pub fn join_of(&self, track: TrackId) -> Option<Join> {
        self.associator.explain(track)
    }

    /// A person with the reasons of its joins; an id that was renamed leads to the one that holds.
    pub fn person(&self, id: PersonId) -> Option<PersonRecord> {
        let person = self.current(id);
        let tracks = self.associator.tracks_of(person);
        if tracks.is_empty() {
            return None;
        }
        let tracks = tracks.into_iter().map(|track| PersonTrack {
            track,
            join: self.associator.explain(track),
        });
        Some(PersonRecord {
            person,
            tracks: tracks.collect(),
        })
    }

    /// The id that holds for a person whose id may have been renamed.
    pub fn current(&self, id: PersonId) -> PersonId {
        let is_held = |person| !self.associator.tracks_of(person).is_empty();
        self.renamed.current(id, is_held)
    }

    /// What was learned of the ways between cameras.
    pub fn walking_times(&self) -> Vec<WalkingTime> {
        self.associator.walking_times()
    }

    /// What was counted.
    pub fn counts(&self) -> AssociationCounts {
        self.associator.counts()
    }

    fn note(&mut self, decisions: &[PersonEvent]) -> Result<()> {
        for decision in decisions {
            self.rename(decision);
            serde_json::to_writer(&mut self.untold, decision)
                .map_err(|error| Error::io(WHAT)(error.into()))?;
            self.untold.push(b'\n');
        }
        Ok(())
    }

    fn rename(&mut self, decision: &PersonEvent) {
        match decision {
            PersonEvent::Rename { from, to, .. } => {
                let revision = self.associator.revision();
                self.renamed.insert(*from, revision, *to);
            }
            // It stands for somebody again.
            PersonEvent::PersonAssigned(assigned) => self.renamed.remove(assigned.person),
        }
    }

    fn write_snapshot(&self) -> Result<()> {
        let renamed: Vec<_> = self.renamed.by_age().collect();
        let snapshot = Snapshot {
            format: FORMAT,
            renamed: renamed.into(),
            state: std::borrow::Cow::Borrowed(self.associator.state()),
        };
        let part = self.dir.join("snapshot.part");
        let file = File::create(&part).map_err(Error::io(WHAT))?;
        let mut writer = BufWriter::new(&file);
        serde_json::to_writer(&mut writer, &snapshot)
            .map_err(|error| Error::io(WHAT)(error.into()))?;
        writer.flush().map_err(Error::io(WHAT))?;
        drop(writer);
        file.sync_all().map_err(Error::io(WHAT))?;
        fs_err::rename(&part, self.dir.join("snapshot.json")).map_err(Error::io(WHAT))?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(Error::io(WHAT))
    }
}

/// Takes the lines out of a file that name one of the tracks.
pub(super) fn strike(path: &Path, tracks: &BTreeSet<TrackId>) -> Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(WHAT)(error)),
    };
    let is_named = |line: &str| {
        let words = line.split('"');
        words
            .filter_map(|word| word.parse::<TrackId>().ok())
            .any(|id| tracks.contains(&id))
    };
    let part = path.with_extension("part");
    let mut left = BufWriter::new(File::create(&part).map_err(Error::io(WHAT))?);
    let mut has_struck = false;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(Error::io(WHAT))?;
        if is_named(&line) {
            has_struck = true;
        } else {
            writeln!(left, "{line}").map_err(Error::io(WHAT))?;
        }
    }
    let left = left
        .into_inner()
        .map_err(|error| Error::io(WHAT)(error.into_error()))?;
    if !has_struck {
        return fs_err::remove_file(&part).map_err(Error::io(WHAT));
    }
    left.sync_all().map_err(Error::io(WHAT))?;
    fs_err::rename(&part, path).map_err(Error::io(WHAT))
}

type Held = (State, Renamed);

fn read_snapshot(path: &Path) -> Result<Option<Held>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read the record of persons")(error)),
    };
    let corrupt = |what: String| Error::Corrupt {
        path: path.to_path_buf(),
        what,
    };
    let snapshot: Snapshot<'static> = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| corrupt(error.to_string()))?;
    if snapshot.format != FORMAT {
        return Err(corrupt(format!(
            "its format is {}, this build reads {FORMAT}",
            snapshot.format
        )));
    }
    let mut renamed = Renamed::default();
    for (age, (from, to)) in (0..).zip(snapshot.renamed.iter()) {
        renamed.insert(*from, age, *to);
    }
    Ok(Some((snapshot.state.into_owned(), renamed)))
}
