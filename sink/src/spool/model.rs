//! The spool against a model: random operations and crashes; and any damage.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{event, last_segment, open, read_all, sequences};
use super::*;
use crate::event::testing::coverage;

#[derive(Debug, Clone)]
enum Operation {
    Append(u32),
    Beat,
    Sync,
    Acknowledge(prop::sample::Index),
    Reopen,
    /// Die without a sync, and lose a part of what was not safe.
    Crash(prop::sample::Index),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0_u32..100).prop_map(Operation::Append),
        2 => Just(Operation::Beat),
        4 => Just(Operation::Sync),
        2 => any::<prop::sample::Index>().prop_map(Operation::Acknowledge),
        1 => Just(Operation::Reopen),
        2 => any::<prop::sample::Index>().prop_map(Operation::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_safe_record_is_lost_whatever_happens(
        operations in proptest::collection::vec(operation(), 1..150)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, _) = open(dir.path());
        let (mut safe, mut unsafe_): (BTreeMap<u64, Event>, BTreeMap<u64, Event>) = Default::default();
        let mut acknowledged = 0;
        for operation in operations {
            match operation {
                Operation::Append(number) => {
                    let sequence = spool.append(&event(number)).unwrap();
                    prop_assert!(safe.keys().chain(unsafe_.keys()).all(|known| *known < sequence));
                    unsafe_.insert(sequence, event(number));
                }
                Operation::Beat => {
                    let beat = Event::Coverage(coverage("gate-2", 5, 9, true));
                    unsafe_.insert(spool.append(&beat).unwrap(), beat);
                }
                Operation::Sync => {
                    spool.sync().unwrap();
                    safe.append(&mut unsafe_);
                }
                Operation::Acknowledge(index) => {
                    let newest = safe.keys().next_back().copied().unwrap_or(0);
                    let sequence = index.index(newest as usize + 1) as u64;
                    spool.acknowledge(sequence).unwrap();
                    acknowledged = acknowledged.max(sequence);
                }
                Operation::Reopen => {
                    spool.sync().unwrap();
                    safe.append(&mut unsafe_);
                    drop(spool);
                    let (reopened, recovery) = open(dir.path());
                    prop_assert!(recovery.is_clean(), "{:?}", recovery);
                    spool = reopened;
                }
                Operation::Crash(index) => {
                    // A roll or a large backlog makes records safe by itself.
                    let status = spool.status();
                    let rest = unsafe_.split_off(&(status.safe + 1));
                    safe.append(&mut unsafe_);
                    let (path, safe_end, end) = {
                        let state = spool.inner.lock();
                        let active = state.segments.back().unwrap();
                        (active.path.clone(), state.safe_end, active.end)
                    };
                    drop(spool);
                    let cut = safe_end + index.index((end - safe_end) as usize + 1) as u64;
                    File::options().write(true).open(&path).unwrap().set_len(cut).unwrap();
                    let (reopened, _) = open(dir.path());
                    let survived = reopened.status().safe;
                    for (sequence, event) in rest {
                        if sequence <= survived {
                            safe.insert(sequence, event);
                        }
                    }
                    spool = reopened;
                }
            }
            // The bound may have taken from the old end, and says so.
            let dropped = spool.status().dropped;
            let expected: Vec<_> = safe
                .iter()
                .filter(|(sequence, _)| **sequence > acknowledged.max(dropped.newest_to))
                .map(|(sequence, event)| (*sequence, event.clone()))
                .collect();
            let safe_now = spool.status().safe;
            let found: Vec<_> = read_all(&spool, acknowledged + 1);
            let found_safe: Vec<_> = found
                .into_iter()
                .filter(|(sequence, _)| !unsafe_.contains_key(sequence))
                .collect();
            prop_assert_eq!(found_safe, expected);
            prop_assert!(safe_now >= safe.keys().next_back().copied().unwrap_or(0));
            prop_assert_eq!(spool.status().broken, 0);
        }
    }

    #[test]
    fn a_spool_of_any_bytes_opens_and_reads(
        files in proptest::collection::vec((0_u64..50, proptest::collection::vec(any::<u8>(), 0..300)), 0..5),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = open(dir.path());
        for number in 0..8 {
            spool.append(&Event::Coverage(coverage("gate-2", number, number + 5, true))).unwrap();
        }
        spool.sync().unwrap();
        drop(spool);
        let (path, mut bytes) = last_segment(dir.path());
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs_err::write(&path, &bytes).unwrap();
        for (first, bytes) in &files {
            if *first != 1 {
                fs_err::write(segment::path_of(dir.path(), *first), bytes).unwrap();
            }
        }
        let (spool, recovery) = open(dir.path());
        let found = sequences(&spool);
        prop_assert_eq!(found.len() as u64, recovery.records);
        prop_assert!(found.is_sorted());
        let next = spool.append(&event(1)).unwrap();
        spool.sync().unwrap();
        prop_assert_eq!(sequences(&spool).last().copied(), Some(next));
    }
}
