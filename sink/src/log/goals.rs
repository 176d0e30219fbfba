//! Those who wait until what is in the log now is indexed, while more comes all the time.
//!
//! A log that boxes write to is never empty for long. So nobody waits for that: a goal is where the log ended at a look that began after
//! the goal was set, and it is met when a later look finds all of that indexed and durable.

use std::time::Instant;

use super::clerk::Seen;
use super::look::Look;

/// Where the log ended when a goal was set.
#[derive(Debug)]
pub(super) struct Ends {
    look: Look,
    /// Where the topic of what is forgotten ended.
    pub(super) forgotten: i64,
    pub(super) at: Instant,
}

#[derive(Debug)]
struct Goal {
    id: u64,
    /// The first look that surely began after the goal was set.
    first_look: u64,
    ends: Option<Ends>,
    is_met: bool,
}

/// All goals that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Goals {
    made: u64,
    open: Vec<Goal>,
}

impl Goals {
    /// Sets a goal; `looks` were done so far, and one may be under way that began before.
    pub(super) fn set(&mut self, looks: u64) -> u64 {
        self.made += 1;
        self.open.push(Goal {
            id: self.made,
            first_look: looks + 2,
            ends: None,
            is_met: false,
        });
        self.made
    }

    /// Nobody waits for it any more.
    pub(super) fn give_up(&mut self, id: u64) {
        self.open.retain(|goal| goal.id != id);
    }

    pub(super) fn is_met(&self, id: u64) -> bool {
        self.open.iter().any(|goal| goal.id == id && goal.is_met)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Holds the goals against a look, the `nth`; `has_read` says whether what is no sighting and no heartbeat was read up to there.
    pub(super) fn observe(&mut self, nth: u64, seen: &Seen, has_read: impl Fn(&Ends) -> bool) {
        for goal in &mut self.open {
            if nth < goal.first_look || goal.is_met {
                continue;
            }
            let ends = goal.ends.get_or_insert_with(|| Ends {
                look: seen.look.clone(),
                forgotten: seen.forgotten_end,
                at: Instant::now(),
            });
            goal.is_met = seen.look.has_committed(&ends.look) && has_read(ends);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::tests::look;
    use super::*;

    fn seen(end: i64, committed: i64, forgotten_end: i64) -> Seen {
        Seen {
            look: look(0, end, Some(committed)),
            forgotten_end,
        }
    }

    #[test]
    fn a_goal_is_met_though_the_log_is_never_empty() {
        let mut goals = Goals::default();
        let goal = goals.set(5);
        // This look may have begun before.
        goals.observe(6, &seen(10, 10, 0), |_| true);
        assert!(!goals.is_met(goal));
        goals.observe(7, &seen(20, 15, 3), |_| true);
        goals.observe(8, &seen(30, 19, 3), |_| true);
        assert!(!goals.is_met(goal));
        goals.observe(9, &seen(40, 20, 9), |ends| {
            assert_eq!(ends.forgotten, 3);
            false
        });
        assert!(!goals.is_met(goal), "what is forgotten was not read yet");
        goals.observe(10, &seen(50, 31, 9), |_| true);
        assert!(goals.is_met(goal));
        goals.observe(11, &seen(60, 31, 9), |_| false);
        assert!(goals.is_met(goal), "once met it stays so");
        goals.give_up(goal);
        assert!(goals.is_empty() && !goals.is_met(goal));
    }

    #[test]
    fn where_nothing_is_left_the_first_look_is_enough() {
        let mut goals = Goals::default();
        let goal = goals.set(0);
        goals.observe(2, &seen(10, 10, 0), |_| true);
        assert!(goals.is_met(goal));
    }
}
