//! Heartbeats that wait until everything before them is indexed, by whoever of the group.
//!
//! A heartbeat goes on when all that was in the log at a look, which began after the heartbeat was read, is committed.

use std::collections::VecDeque;

use super::lanes::Place;
use super::look::Look;
use crate::Event;

/// A message that was read; without an event it is dead and laid down already.
pub(super) type Item = (Place, i64, Option<Event>);

/// Heartbeats in the order in which they were read.
#[derive(Default)]
pub(super) struct Held {
    items: VecDeque<Item>,
    /// The look that the first so many of them wait for.
    barrier: Option<(usize, Look)>,
    /// How many of them had been read when the look that is under way began.
    read_before_look: usize,
}

impl Held {
    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Lets go of those from partitions that somebody else reads now; the others wait for a look anew.
    pub(super) fn keep(&mut self, is_mine: impl Fn(&Place) -> bool) {
        self.items.retain(|(place, _, _)| is_mine(place));
        self.barrier = None;
        self.read_before_look = 0;
    }

    pub(super) fn look_begins(&mut self) {
        self.read_before_look = self.items.len();
    }

    /// What may go on, now that the look that had begun is there.
    pub(super) fn release(&mut self, look: &Look) -> Vec<Item> {
        let mut ready = Vec::new();
        if let Some((count, earlier)) = self.barrier.take() {
            if !look.has_passed(&earlier) {
                self.barrier = Some((count, earlier));
                return ready;
            }
            let count = count.min(self.items.len());
            ready.extend(self.items.drain(..count));
            self.read_before_look = self.read_before_look.saturating_sub(count);
        }
        if self.read_before_look > 0 {
            self.barrier = Some((self.read_before_look, look.clone()));
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::look::tests::look;
    use crate::log::topics::Topic;

    const PLACE: Place = Place {
        topic: Topic::Coverage,
        partition: 0,
    };

    fn offsets(items: &[Item]) -> Vec<i64> {
        items.iter().map(|(_, offset, _)| *offset).collect()
    }

    #[test]
    fn a_heartbeat_waits_for_what_was_in_the_log_at_a_look_after_it() {
        let mut held = Held::default();
        held.push((PLACE, 0, None));
        held.look_begins();
        // Read while the look was under way: it may have seen the end before.
        held.push((PLACE, 1, None));
        assert!(held.release(&look(0, 10, Some(2))).is_empty());
        held.look_begins();
        assert!(held.release(&look(0, 20, Some(9))).is_empty());
        held.look_begins();
        assert_eq!(offsets(&held.release(&look(0, 20, Some(10)))), [0]);
        held.look_begins();
        assert!(held.release(&look(0, 30, Some(19))).is_empty());
        held.look_begins();
        assert_eq!(offsets(&held.release(&look(0, 30, Some(20)))), [1]);
        assert!(held.is_empty());
    }

    #[test]
    fn a_look_that_began_before_partitions_moved_lets_nothing_go() {
        let mut held = Held::default();
        held.push((PLACE, 0, None));
        held.look_begins();
        held.keep(|_| true);
        assert!(held.release(&look(0, 0, Some(0))).is_empty());
        held.look_begins();
        assert!(held.release(&look(0, 0, Some(0))).is_empty());
        assert_eq!(offsets(&held.release(&look(0, 0, Some(0)))), [0]);
        held.push((PLACE, 1, None));
        held.keep(|_| false);
        assert_eq!(held.len(), 0);
    }
}
