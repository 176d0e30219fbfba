//! Reading what is safe, while more is being appended.

use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use fs_err::File;

use super::record::{self, Parsed, Record};
use super::{Inner, segment};
use crate::event::{self, Event, MAX_EVENT_BYTES};
use crate::{Error, Result};

/// Bytes taken from a segment at once; holds at least one record of any size.
const WINDOW_BYTES: usize = 4 * (MAX_EVENT_BYTES + record::HEADER_BYTES);

/// Reads a spool in order. It sees what is safe, and waits for more; it skips what is broken or was
/// given up, counting the former. Several readers do not disturb one another.
#[derive(Debug)]
pub struct Reader {
    inner: Arc<Inner>,
    /// The next sequence wanted.
    next: u64,
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    first: u64,
    file: File,
    /// Where in the file the buffer begins.
    offset: u64,
    buffer: Vec<u8>,
    /// Where in the buffer the next record is expected.
    at: usize,
}

/// The part of the spool that may be read now.
struct Safe {
    first: u64,
    path: std::path::PathBuf,
    /// Where its safe part ends.
    end: u64,
    /// Last safe sequence in it.
    last: u64,
    /// Where to begin to look for the sequence wanted.
    seek: u64,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>, from: u64) -> Self {
        Self {
            inner,
            next: from.max(1),
            open: None,
        }
    }

    /// The sequence that is wanted next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next safe event with its sequence; `None` when there is none yet.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read.
    pub fn try_next(&mut self) -> Result<Option<(u64, Event)>> {
        loop {
            let Some(safe) = self.safe() else {
                return Ok(None);
            };
            if !self.open(&safe)? {
                continue;
            }
            let Some(record) = self.find(&safe)? else {
                // Nothing of what is wanted is left in this segment: all of it was broken.
                self.skip_to(safe.last + 1);
                continue;
            };
            if record.sequence > self.next {
                self.count_gap(record.sequence);
            }
            self.next = record.sequence + 1;
            let payload = self
                .open
                .as_ref()
                .and_then(|open| open.buffer.get(record.payload_at..record.end))
                .unwrap_or_default();
            match event::decode(payload) {
                Ok(event) => return Ok(Some((record.sequence, event))),
                Err(error) => {
                    tracing::warn!(sequence = record.sequence, %error, "spool skips an event");
                    self.inner.note_broken(1, record.sequence);
                }
            }
        }
    }

    /// Waits until there is something to read, at most `timeout`. Says whether there is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.inner.lock();
        while state.safe_sequence < self.next {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .inner
                .more_is_safe
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Which segment holds the next sequence wanted, or the first one after it.
    fn safe(&self) -> Option<Safe> {
        let state = self.inner.lock();
        let segment = state
            .segments
            .iter()
            .find(|segment| segment.last >= self.next)?;
        let is_active = state
            .segments
            .back()
            .is_some_and(|last| last.first == segment.first);
        let (end, last) = if is_active {
            (state.safe_end, state.safe_sequence)
        } else {
            (segment.end, segment.last)
        };
        if last < self.next {
            return None;
        }
        Some(Safe {
            first: segment.first,
            path: segment.path.clone(),
            end,
            last,
            seek: segment
                .mark(self.next)
                .map_or(segment::HEADER_BYTES as u64, |mark| mark.offset),
        })
    }

    /// Opens the segment. `false` when it has just been given up by the spool.
    fn open(&mut self, safe: &Safe) -> Result<bool> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.first == safe.first)
        {
            return Ok(true);
        }
        let file = match File::open(&safe.path) {
            Ok(file) => file,
            Err(error) => {
                let is_gone = self.safe().is_none_or(|now| now.first != safe.first);
                if is_gone {
                    return Ok(false);
                }
                return Err(Error::io("open a segment of the spool")(error));
            }
        };
        self.open = Some(OpenSegment {
            first: safe.first,
            file,
            offset: safe.seek,
            buffer: Vec::new(),
            at: 0,
        });
        Ok(true)
    }

    /// The next good record at or after the sequence wanted.
    fn find(&mut self, safe: &Safe) -> Result<Option<Record>> {
        let wanted = self.next;
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        loop {
            if open.at >= open.buffer.len() && !open.refill(safe.end)? {
                return Ok(None);
            }
            match record::parse(&open.buffer, open.at) {
                Parsed::Good(record) => {
                    open.at = record.end;
                    if record.sequence >= wanted {
                        return Ok(Some(record));
                    }
                }
                Parsed::Short(_) if open.refill(safe.end)? => {}
                Parsed::Short(_) | Parsed::Broken => open.resync(safe.end)?,
            }
        }
    }

    /// Counts the records between the one wanted and `found`, which are broken.
    fn count_gap(&mut self, found: u64) {
        let broken = {
            let state = self.inner.lock();
            state.count(self.next, found - 1)
        };
        if broken > 0 {
            tracing::warn!(
                from = self.next,
                to = found - 1,
                broken,
                "spool skips broken records"
            );
            self.inner.note_broken(broken, found - 1);
        }
    }

    fn skip_to(&mut self, sequence: u64) {
        self.count_gap(sequence);
        self.next = sequence;
        self.open = None;
    }
}

impl OpenSegment {
    /// Moves the window to the next record expected. `false` when there is nothing more to read.
    fn refill(&mut self, end: u64) -> Result<bool> {
        let from = self.offset + self.at as u64;
        let len = (end.saturating_sub(from)).min(WINDOW_BYTES as u64) as usize;
        if len <= self.buffer.len().saturating_sub(self.at) {
            return Ok(false);
        }
        self.buffer.resize(len, 0);
        self.file
            .file()
            .read_exact_at(&mut self.buffer, from)
            .map_err(Error::io("read a segment of the spool"))?;
        self.offset = from;
        self.at = 0;
        Ok(true)
    }

    /// Goes to the next good record behind a broken place.
    fn resync(&mut self, end: u64) -> Result<()> {
        let mut from = self.at + 1;
        loop {
            if let Some(found) = record::resync(&self.buffer, from) {
                self.at = found;
                return Ok(());
            }
            // A record may begin in the last part of the window and end behind it.
            let largest = MAX_EVENT_BYTES + record::HEADER_BYTES;
            let len = self.buffer.len();
            self.at = (len + 1).saturating_sub(largest).max(from).min(len);
            if !self.refill(end)? {
                self.at = len;
                return Ok(());
            }
            from = 0;
        }
    }
}
