//! Association as a whole, on walks of which everything is known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::event::Event;
use crate::{PersonId, TrackId};

mod long;
pub(crate) mod walks;

use walks::{S, Walk, crowd, in_time, track_of};

fn associate(events: &[Event], options: AssociationOptions) -> (Associator, Vec<PersonEvent>) {
    let mut associator = Associator::new(options).unwrap();
    let mut decisions = Vec::new();
    for event in events {
        associator.take(event, &mut decisions);
    }
    associator.finish(&mut decisions);
    (associator, decisions)
}

fn persons(associator: &Associator, walks: &[Walk]) -> BTreeMap<PersonId, Vec<u32>> {
    let mut persons: BTreeMap<PersonId, Vec<u32>> = BTreeMap::new();
    for walk in walks {
        let person = associator
            .person_of(track_of(walk))
            .expect("every track has one");
        persons.entry(person).or_default().push(walk.who);
    }
    persons
}

/// What readers know who follow the decisions.
fn followed(decisions: &[PersonEvent]) -> HashMap<TrackId, PersonId> {
    let mut known: HashMap<TrackId, (u64, PersonId)> = HashMap::new();
    for decision in decisions {
        if let PersonEvent::PersonAssigned(assigned) = decision {
            let held = known.entry(assigned.track).or_insert((0, assigned.person));
            if assigned.revision > held.0 {
                *held = (assigned.revision, assigned.person);
            }
        }
    }
    known
        .into_iter()
        .map(|(track, (_, person))| (track, person))
        .collect()
}

#[test]
fn with_looks_that_are_sure_nobody_is_lost_and_nobody_mixed_up() {
    for seed in 1..6 {
        let walks = crowd(seed, 25);
        let (associator, _) = associate(&in_time(&walks), AssociationOptions::default());
        let persons = persons(&associator, &walks);
        let people: BTreeSet<u32> = walks.iter().map(|walk| walk.who).collect();
        assert_eq!(persons.len(), people.len(), "seed {seed}: {persons:?}");
        for who in persons.values() {
            assert!(
                who.iter().all(|other| other == &who[0]),
                "seed {seed}: {who:?}"
            );
        }
    }
}

#[test]
fn a_join_says_why_and_who_else_it_could_have_been() {
    let walks = [(1, 0, 0), (2, 0, 20), (1, 1, 12), (3, 1, 40)].map(|(who, camera, at_s)| Walk {
        who,
        camera,
        start_ns: at_s * S + i64::from(who),
        seconds: 6,
    });
    let (associator, decisions) = associate(&in_time(&walks), AssociationOptions::default());
    let join = associator.explain(track_of(&walks[2])).unwrap();
    assert_eq!(join.follows, track_of(&walks[0]));
    let sum = join.appearance + join.transit + join.place + join.word;
    assert!((join.log_odds - sum).abs() < 1e-9 && join.log_odds > 1.0);
    assert!(join.probability > 0.7 && !join.is_calibrated);
    assert!(join.runner_up.unwrap().log_odds < join.log_odds);
    assert_eq!(associator.explain(track_of(&walks[0])), None);
    let told = decisions.iter().any(|decision| {
        matches!(decision, PersonEvent::PersonAssigned(it) if it.join.is_some_and(|told| told.follows == join.follows))
    });
    assert!(told, "the reason stands in the event");
}

#[test]
fn two_cameras_without_a_way_between_them_at_once_are_two_people() {
    let walks = [0, 1].map(|camera| Walk {
        who: 1,
        camera,
        start_ns: camera as i64 * 2 * S,
        seconds: 10,
    });
    let way = |overlaps| AssociationOptions {
        map: SiteMap {
            ways: vec![Way {
                between: ["a".into(), "b".into()],
                overlaps,
                seconds: None,
                zones: None,
            }],
            ..SiteMap::default()
        },
        ..AssociationOptions::default()
    };
    for (overlaps, expected) in [(true, 1), (false, 2)] {
        let (associator, _) = associate(&in_time(&walks), way(overlaps));
        assert_eq!(
            persons(&associator, &walks).len(),
            expected,
            "overlaps: {overlaps}"
        );
    }
}

#[test]
fn what_was_let_go_of_keeps_its_person_and_memory_stays_bounded() {
    let walks: Vec<Walk> = (0..400)
        .map(|n| Walk {
            who: n as u32 % 7,
            camera: (n / 7) as usize % 4,
            start_ns: n * 3 * S,
            seconds: 2,
        })
        .collect();
    let options = AssociationOptions {
        most_tracks: 50,
        ..AssociationOptions::default()
    };
    let (associator, _) = associate(&in_time(&walks), options);
    assert!(associator.state().tracks.len() <= 50);
    assert_eq!(associator.counts().retired, 350);
    assert_eq!(persons(&associator, &walks).len(), 7);
}

#[test]
fn a_restart_goes_on_as_if_there_had_been_none() {
    let walks = crowd(9, 25);
    let events = in_time(&walks);
    let (whole, told) = associate(&events, AssociationOptions::default());
    let dir = tempfile::tempdir().unwrap();
    let mut decisions = Vec::new();
    for (index, part) in events.chunks(events.len() / 5 + 1).enumerate() {
        let mut book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
        for event in part {
            book.take(event, &mut decisions).unwrap();
        }
        book.flush().unwrap();
        if index == 2 {
            // What was taken in and not made durable comes again.
            let mut lost = Vec::new();
            for event in &part[..10] {
                book.take(event, &mut lost).unwrap();
            }
            assert_eq!(lost, [], "repeats change nothing");
        }
    }
    let mut book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    assert!(!book.take_regained().is_empty());
    book.finish(&mut decisions).unwrap();
    drop(book);
    assert_eq!(decisions, told);
    let book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    for walk in &walks {
        assert_eq!(
            book.person_of(track_of(walk)),
            whole.person_of(track_of(walk))
        );
    }
    let history = fs_err::read_to_string(dir.path().join("decisions.jsonl")).unwrap();
    let read: Vec<PersonEvent> = history
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(followed(&read), followed(&told));
}

#[test]
fn what_a_full_disk_tore_costs_nothing_that_was_written_after_it() {
    let walks = crowd(9, 25);
    let events = in_time(&walks);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (first, second) = events.split_at(events.len() / 2);
    for part in [first, second] {
        let mut book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
        for event in part {
            book.take(event, &mut Vec::new()).unwrap();
        }
        book.flush().unwrap();
        drop(book);
        // Half of the last record stands behind it, and could not be taken back.
        let bytes = fs_err::read(&log).unwrap();
        let torn = [&bytes[..], &bytes[bytes.len() - 300..bytes.len() - 100]].concat();
        fs_err::write(&log, torn).unwrap();
        if part == first {
            // The next one was appended by the process that had met the full disk.
            let mut bytes = fs_err::read(&log).unwrap();
            let mut record = Vec::new();
            let payload = crate::event::encode(&second[0]).unwrap();
            crate::spool::record::write(&mut record, 1, second[0].time_ns(), &payload);
            bytes.extend(record);
            fs_err::write(&log, bytes).unwrap();
        }
    }
    let (whole, _) = associate(&events, AssociationOptions::default());
    let mut book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    book.finish(&mut Vec::new()).unwrap();
    for walk in &walks {
        let track = track_of(walk);
        assert_eq!(book.person_of(track), whole.person_of(track));
    }
}

#[test]
fn an_id_that_was_renamed_still_leads_to_its_person() {
    let walks = [(0, 0), (1, 12)].map(|(camera, at_s)| Walk {
        who: 1,
        camera,
        start_ns: at_s * S,
        seconds: 6,
    });
    let mut events = in_time(&walks);
    // The second track is a person of its own until its looks are known.
    for event in &mut events {
        if let Event::Sighting(sighting) = event
            && sighting.track == track_of(&walks[1])
            && sighting.sequence < 2
        {
            sighting.vectors.clear();
            sighting.state.vectors.clear();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    let mut decisions = Vec::new();
    for event in &events {
        book.take(event, &mut decisions).unwrap();
    }
    book.finish(&mut decisions).unwrap();
    let (first, second) = (track_of(&walks[0]), track_of(&walks[1]));
    let renamed = PersonEvent::Rename {
        from: PersonId::derive(second),
        to: PersonId::derive(first),
        at_ns: 14 * S,
    };
    assert!(decisions.contains(&renamed), "{decisions:?}");
    drop(book);
    let book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    let record = book
        .person(PersonId::derive(second))
        .expect("it leads somewhere");
    assert_eq!(record.person, PersonId::derive(first));
    assert_eq!(record.tracks.len(), 2);
    assert_eq!(
        book.person(PersonId::derive(TrackId::derive("s", "c", 1, 1))),
        None
    );
}

#[test]
fn what_people_say_stands_against_all_evidence_and_after_a_restart() {
    let walks = [(1, 0, 0), (2, 0, 60), (1, 1, 12)].map(|(who, camera, at_s)| Walk {
        who,
        camera,
        start_ns: at_s * S + i64::from(who),
        seconds: 6,
    });
    let [one, two, three] = walks.each_ref().map(track_of);
    let dir = tempfile::tempdir().unwrap();
    let open = || PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    let mut decisions = Vec::new();
    let mut book = open();
    for event in in_time(&walks) {
        book.take(&event, &mut decisions).unwrap();
    }
    book.finish(&mut decisions).unwrap();
    assert_eq!(book.person_of(one), book.person_of(three));
    let different = [[three, one]];
    let taken = book.say_words(&different, Verdict::Different, &mut decisions);
    assert_eq!(taken.unwrap(), 1);
    let nobody = TrackId::derive("s", "c", 1, 1);
    let same = [[one, two], [one, nobody]];
    let taken = book.say_words(&same, Verdict::Same, &mut decisions);
    assert_eq!(taken.unwrap(), 1);
    drop(book);
    let mut book = open();
    book.finish(&mut decisions).unwrap();
    assert_ne!(book.person_of(one), book.person_of(three));
    assert_eq!(book.person_of(one), book.person_of(two));
    assert!(book.join_of(two).unwrap().word > 0.0);
    let feedback = fs_err::read_to_string(dir.path().join("feedback.jsonl")).unwrap();
    let said: Vec<Feedback> = feedback
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].was_same && said[0].verdict == Verdict::Different);
    assert!(said[0].similarity.unwrap() > 0.9 && !said[1].was_same);
}

#[test]
fn a_clock_that_is_days_ahead_costs_nobody_else_their_person() {
    let day = 86_400 * S;
    let walks = [(1, 0, 0), (1, 1, 12)].map(|(who, camera, at_s)| Walk {
        who,
        camera,
        start_ns: at_s * S,
        seconds: 6,
    });
    let ahead = Walk {
        who: 2,
        camera: 2,
        start_ns: crate::clock::now_ns() + 2 * day,
        seconds: 6,
    };
    let dir = tempfile::tempdir().unwrap();
    let mut book = PersonBook::open(dir.path(), AssociationOptions::default()).unwrap();
    let mut decisions = Vec::new();
    let [first, second] = walks.map(|walk| in_time(&[walk]));
    for (event, is_taken) in first
        .iter()
        .map(|event| (event, true))
        .chain(in_time(&[ahead]).iter().map(|event| (event, false)))
        .chain(second.iter().map(|event| (event, true)))
    {
        assert_eq!(book.take(event, &mut decisions).unwrap(), is_taken);
    }
    book.finish(&mut decisions).unwrap();
    let [one, other] = walks.each_ref().map(track_of);
    assert_eq!(book.person_of(one), book.person_of(other));
    assert_eq!(book.person_of(track_of(&ahead)), None);
    assert!(book.counts().ahead > 0 && book.counts().late == 0);
}

#[test]
fn nobody_is_on_two_sites_whose_cameras_have_the_same_names() {
    let walks = [(1, 0, 0), (1, 1, 12)].map(|(who, camera, at_s)| Walk {
        who,
        camera,
        start_ns: at_s * S,
        seconds: 6,
    });
    let mut events = in_time(&walks);
    let of_site = |events: &[Event]| {
        let (associator, _) = associate(events, AssociationOptions::default());
        walks
            .each_ref()
            .map(|walk| associator.person_of(track_of(walk)))
    };
    let [one, other] = of_site(&events);
    assert_eq!(one, other);
    for event in &mut events {
        if let Event::Sighting(sighting) = event
            && sighting.track == track_of(&walks[1])
        {
            sighting.site = "another".to_owned();
        }
    }
    let [one, other] = of_site(&events);
    assert_ne!(one, other);
    let (mut associator, mut said) = associate(&events, AssociationOptions::default());
    let pair = walks.each_ref().map(track_of);
    let word = associator.say_word(pair, Verdict::Same, &mut said);
    assert_eq!(word, None, "nor by anybody's word");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn neither_order_within_the_lateness_nor_repeats_change_anything(
        seed in 1_u64..500, shuffles in proptest::collection::vec(any::<u32>(), 1..40),
    ) {
        let walks = crowd(seed, 12);
        let events = in_time(&walks);
        let (one, told) = associate(&events, AssociationOptions::default());
        // Each event comes up to 8 s later than it should; every seventh comes twice.
        let mut late: Vec<(i64, usize)> = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let delay = i64::from(shuffles[index % shuffles.len()] % 8) * S;
            late.push((event.time_ns() + delay, index));
            if index % 7 == 0 {
                late.push((event.time_ns() + delay + S, index));
            }
        }
        late.sort_unstable();
        let shuffled: Vec<Event> = late.iter().map(|(_, index)| events[*index].clone()).collect();
        let (two, again) = associate(&shuffled, AssociationOptions::default());
        prop_assert_eq!(told, again);
        prop_assert_eq!(one.state().persons.clone(), two.state().persons.clone());
        prop_assert_eq!(two.counts().late, 0);
    }

    #[test]
    fn what_is_remembered_of_pairs_and_persons_changes_nothing(
        seed in 1_u64..500, alike in 2_u32..12, window_s in prop_oneof![Just(40_i64), Just(7200)],
    ) {
        let mut walks = crowd(seed, 15);
        walks.iter_mut().for_each(|walk| walk.who %= alike);
        walks.sort_by_key(|walk| (walk.start_ns, walk.who, walk.camera));
        walks.dedup_by_key(|walk| (walk.start_ns, walk.who, walk.camera));
        let options = AssociationOptions { window_ns: window_s * S, ..AssociationOptions::default() };
        let (remembers, mut forgets) =
            (Associator::new(options.clone()).unwrap(), Associator::new(options).unwrap());
        let (mut remembers, mut told, mut again) = (remembers, Vec::new(), Vec::new());
        for (index, event) in in_time(&walks).iter().enumerate() {
            remembers.take(event, &mut told);
            forgets.evidence.forget_all();
            forgets.take(event, &mut again);
            if index == 60 {
                let pair = [track_of(&walks[0]), track_of(&walks[1])];
                remembers.say_word(pair, Verdict::Same, &mut told);
                forgets.evidence.forget_all();
                forgets.say_word(pair, Verdict::Same, &mut again);
            }
        }
        remembers.finish(&mut told);
        forgets.evidence.forget_all();
        forgets.finish(&mut again);
        prop_assert_eq!(told, again);
    }

    #[test]
    fn nobody_is_at_two_places_at_once_and_every_id_is_that_of_a_first_track(
        seed in 1_u64..500, alike in 1_u32..4,
    ) {
        // Several people look exactly alike: only time and place tell them apart.
        let mut walks = crowd(seed, 15);
        walks.iter_mut().for_each(|walk| walk.who %= alike);
        walks.sort_by_key(|walk| (walk.start_ns, walk.who, walk.camera));
        walks.dedup_by_key(|walk| (walk.start_ns, walk.who, walk.camera));
        let ways = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")].map(|(a, b)| Way {
            between: [a.into(), b.into()],
            overlaps: false,
            seconds: None,
            zones: None,
        });
        let map = SiteMap { ways: ways.into(), ..SiteMap::default() };
        let options = AssociationOptions { map, ..AssociationOptions::default() };
        let (associator, decisions) = associate(&in_time(&walks), options);
        let mut of: BTreeMap<PersonId, Vec<Walk>> = BTreeMap::new();
        for walk in &walks {
            of.entry(associator.person_of(track_of(walk)).unwrap()).or_default().push(*walk);
        }
        for (id, mut walks) in of {
            walks.sort_by_key(|walk| (walk.start_ns, track_of(walk)));
            prop_assert_eq!(id, PersonId::derive(track_of(&walks[0])));
            for pair in walks.windows(2) {
                prop_assert!(pair[0].start_ns + pair[0].seconds * S <= pair[1].start_ns + S / 2);
            }
        }
        for (track, person) in followed(&decisions) {
            prop_assert_eq!(associator.person_of(track), Some(person));
        }
    }
}
