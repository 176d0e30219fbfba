//! What is on its way to the log: acknowledged in order, whatever order the answers come in.

use std::collections::{BTreeSet, VecDeque};

/// Records between spool and log.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Sequences in order, and how many messages of each are not safe in the log yet.
    records: VecDeque<(u64, u8)>,
    bytes: usize,
    /// Sightings that are not safe in the log yet.
    sightings: BTreeSet<u64>,
}

impl Window {
    /// Takes in a record that is sent as so many messages; sequences must grow.
    pub(super) fn push(&mut self, sequence: u64, bytes: usize, is_sighting: bool, messages: u8) {
        self.records.push_back((sequence, messages));
        self.bytes += bytes;
        if is_sighting {
            self.sightings.insert(sequence);
        }
    }

    /// Takes note that a message of a record is safe in the log; returns up to which sequence all are.
    pub(super) fn done(&mut self, sequence: u64, bytes: usize) -> Option<u64> {
        let at = self
            .records
            .binary_search_by_key(&sequence, |(sequence, _)| *sequence)
            .ok()?;
        let record = self.records.get_mut(at)?;
        if record.1 == 0 {
            return None;
        }
        record.1 -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        if record.1 > 0 {
            return None;
        }
        self.sightings.remove(&sequence);
        let mut through = None;
        while let Some((sequence, 0)) = self.records.front().copied() {
            self.records.pop_front();
            through = Some(sequence);
        }
        through
    }

    /// Whether every sighting before `sequence` is safe in the log.
    pub(super) fn has_all_sightings_before(&self, sequence: u64) -> bool {
        self.sightings.first().is_none_or(|first| *first > sequence)
    }

    /// Records on their way.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_any_order_acknowledge_in_order() {
        let mut window = Window::default();
        for (sequence, is_sighting) in [(3, true), (4, false), (7, true), (8, true)] {
            window.push(sequence, 10, is_sighting, 1);
        }
        assert_eq!(window.done(7, 10), None);
        assert!(!window.has_all_sightings_before(4));
        assert_eq!(window.done(3, 10), Some(3));
        assert!(window.has_all_sightings_before(4));
        assert_eq!(window.done(4, 10), Some(7));
        assert_eq!((window.done(4, 10), window.done(5, 10)), (None, None));
        assert_eq!((window.len(), window.bytes()), (1, 10));
        assert_eq!(window.done(8, 10), Some(8));
        assert_eq!((window.len(), window.bytes()), (0, 0));
    }

    #[test]
    fn a_record_of_two_messages_is_safe_when_both_are() {
        let mut window = Window::default();
        window.push(3, 20, true, 2);
        window.push(4, 10, true, 1);
        assert_eq!(window.done(3, 15), None);
        assert_eq!((window.done(4, 10), window.bytes()), (None, 5));
        assert!(!window.has_all_sightings_before(4));
        assert_eq!(window.done(3, 5), Some(4));
        assert_eq!((window.len(), window.bytes()), (0, 0));
    }
}
