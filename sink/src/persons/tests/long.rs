//! Persons who come by often, and tracks that are let go of.

use std::collections::BTreeSet;

use super::*;

const MINUTE: i64 = 60 * S;

fn walk(who: u32, camera: usize, start_ns: i64, seconds: i64) -> Walk {
    Walk {
        who,
        camera,
        start_ns,
        seconds,
    }
}

/// The ids of everybody's tracks, each once.
fn ids(associator: &Associator, walks: &[Walk]) -> BTreeSet<PersonId> {
    let tracks = walks.iter().map(track_of);
    tracks.filter_map(|it| associator.person_of(it)).collect()
}

fn renames(decisions: &[PersonEvent]) -> Vec<(PersonId, PersonId)> {
    let renames = decisions.iter().filter_map(|decision| match decision {
        PersonEvent::Rename { from, to, .. } => Some((*from, *to)),
        PersonEvent::PersonAssigned(_) => None,
    });
    renames.collect()
}

#[test]
fn whoever_comes_by_sixty_times_in_two_hours_stays_one_person() {
    // Three people, each past a camera every two minutes, at different times.
    let walks: Vec<Walk> = (0..180)
        .map(|n| walk(n % 3, (n / 3) as usize % 4, i64::from(n) * 40 * S, 8))
        .collect();
    let (associator, decisions) = associate(&in_time(&walks), AssociationOptions::default());
    let persons = persons(&associator, &walks);
    assert_eq!(persons.len(), 3, "{persons:?}");
    for (id, who) in &persons {
        assert!(who.iter().all(|other| other == &who[0]), "{who:?}");
        assert_eq!(associator.tracks_of(*id).len(), 60);
    }
    // The last join is worth what an early one is, and no track went back and forth.
    let of_first: Vec<&Walk> = walks.iter().filter(|walk| walk.who == 0).collect();
    let worth = |at: usize| {
        associator
            .explain(track_of(of_first[at]))
            .unwrap()
            .appearance
    };
    assert!(
        (worth(59) - worth(10)).abs() < 1.0,
        "{} {}",
        worth(59),
        worth(10)
    );
    assert!(renames(&decisions).is_empty(), "{:?}", renames(&decisions));
}

#[test]
fn whoever_is_in_the_way_of_what_was_said_leaves() {
    let walk = |who, camera, start_s: i64, seconds| Walk {
        who,
        camera,
        start_ns: start_s * S,
        seconds,
    };
    // Two people; of each, a track on the third camera while the other is there too.
    let one = [walk(1, 0, 0, 10), walk(1, 2, 20, 15), walk(1, 1, 60, 10)];
    let other = [walk(2, 1, 12, 5), walk(2, 2, 25, 15), walk(2, 0, 80, 10)];
    let all = [one, other].concat();
    let (mut associator, _) = associate(&in_time(&all), AssociationOptions::default());
    assert_eq!(persons(&associator, &all).len(), 2);
    let mut say = |a: &Walk, b: &Walk| {
        let pair = [track_of(a), track_of(b)];
        associator
            .say_word(pair, Verdict::Same, &mut Vec::new())
            .unwrap();
    };
    say(&one[0], &one[2]);
    say(&other[0], &other[2]);
    say(&one[0], &other[0]);
    let of = |walk: &Walk| associator.person_of(track_of(walk)).unwrap();
    for said in [&one[2], &other[0], &other[2]] {
        assert_eq!(of(said), of(&one[0]));
    }
    assert_ne!(of(&one[1]), of(&other[1]), "nobody is twice on one camera");
}

#[test]
fn two_who_came_by_often_become_one_by_a_word_and_two_again_by_another() {
    let walks: Vec<Walk> = (0..80)
        .map(|n| walk(n % 2, (n / 2) as usize % 4, i64::from(n) * 60 * S, 8))
        .collect();
    let (mut associator, mut said) = associate(&in_time(&walks), AssociationOptions::default());
    assert_eq!(ids(&associator, &walks).len(), 2);
    let of = |who: u32| {
        walks
            .iter()
            .filter(move |walk| walk.who == who)
            .map(track_of)
    };
    let [one, other] = [0, 1].map(|who| of(who).collect::<Vec<TrackId>>());
    for tracks in [&one, &other] {
        for pair in tracks.windows(2) {
            let pair = [pair[0], pair[1]];
            associator.say_word(pair, Verdict::Same, &mut said).unwrap();
        }
    }
    let last = [one[39], other[39]];
    associator.say_word(last, Verdict::Same, &mut said).unwrap();
    assert_eq!(
        ids(&associator, &walks).len(),
        1,
        "looks do not stand against it"
    );
    // A word on tracks that lie far apart is heard as well.
    associator
        .say_word(last, Verdict::Different, &mut said)
        .unwrap();
    let far = [one[0], other[39]];
    associator
        .say_word(far, Verdict::Different, &mut said)
        .unwrap();
    associator.finish(&mut said);
    assert_ne!(associator.person_of(far[0]), associator.person_of(far[1]));
    assert_ne!(associator.person_of(last[0]), associator.person_of(last[1]));
}

#[test]
fn a_track_that_comes_later_than_the_window_has_a_person_and_is_counted_once() {
    let now = [walk(1, 0, 10 * MINUTE, 8), walk(1, 1, 11 * MINUTE, 8)];
    let late = walk(2, 2, MINUTE, 8);
    let options = AssociationOptions {
        window_ns: 5 * MINUTE,
        ..AssociationOptions::default()
    };
    let mut events = in_time(&now);
    events.extend(in_time(&[late]));
    let (associator, decisions) = associate(&events, options);
    let track = track_of(&late);
    let told: Vec<_> = decisions
        .iter()
        .filter_map(|decision| match decision {
            PersonEvent::PersonAssigned(told) if told.track == track => Some(told.person),
            _ => None,
        })
        .collect();
    assert_eq!(told, [PersonId::derive(track)]);
    assert_eq!(associator.counts().tracks, 3);
    assert_eq!(associator.state().tracks.len(), 2);
    let others: u64 = late.seconds as u64;
    assert_eq!(associator.counts().repeated, others);
}

#[test]
fn a_word_on_a_track_that_is_let_go_of_holds_for_its_person() {
    // All look alike. Of the first two it is said that they are two people, and that the third is the first one again.
    let walks = [(0, 0), (1, 60), (2, 120)].map(|(camera, at_s)| walk(1, camera, at_s * S, 8));
    let later = [
        walk(1, 3, 5 * MINUTE + 30 * S, 8),
        walk(1, 2, 6 * MINUTE, 8),
    ];
    let options = AssociationOptions {
        window_ns: 5 * MINUTE,
        ..AssociationOptions::default()
    };
    let (mut associator, mut said) = associate(&in_time(&walks), options);
    let [first, second, third] = walks.each_ref().map(track_of);
    for (pair, verdict) in [
        ([first, second], Verdict::Different),
        ([first, third], Verdict::Same),
    ] {
        associator.say_word(pair, verdict, &mut said).unwrap();
    }
    assert_eq!(associator.person_of(first), associator.person_of(third));
    for event in in_time(&later) {
        associator.take(&event, &mut said);
    }
    associator.finish(&mut said);
    let tracks = &associator.state().tracks;
    assert!(!tracks.contains_key(&first) && tracks.contains_key(&second));
    let of = |track| associator.person_of(track).unwrap();
    assert_ne!(of(first), of(second));
    assert_eq!(of(first), of(third));
    assert!(!associator.state().words.is_empty());
}

#[test]
fn a_newer_word_stands_against_one_on_a_track_that_is_let_go_of() {
    let options = AssociationOptions {
        window_ns: 5 * MINUTE,
        ..AssociationOptions::default()
    };
    let say = |associator: &mut Associator, pairs: &[[TrackId; 2]], verdict| {
        for pair in pairs {
            associator
                .say_word(*pair, verdict, &mut Vec::new())
                .unwrap();
        }
    };
    // Two people, each with a track early and late, said to be one by way of the late ones; then those are told apart.
    let walks = [(1, 0, 0), (2, 1, 20), (1, 2, 280), (2, 3, 290)]
        .map(|(who, camera, at_s)| walk(who, camera, at_s * S, 8));
    let passer = [walk(9, 0, 6 * MINUTE, 40)];
    let [one_early, two_early, one_late, two_late] = walks.each_ref().map(track_of);
    let (mut associator, mut said) = associate(&in_time(&walks), options.clone());
    let same = [
        [one_early, one_late],
        [two_early, two_late],
        [one_late, two_late],
    ];
    say(&mut associator, &same, Verdict::Same);
    for event in in_time(&passer) {
        associator.take(&event, &mut said);
    }
    assert!(!associator.state().tracks.contains_key(&one_early));
    assert!(!associator.state().tracks.contains_key(&two_early));
    assert_eq!(
        associator.person_of(one_late),
        associator.person_of(two_late)
    );
    say(&mut associator, &[[one_late, two_late]], Verdict::Different);
    assert_ne!(
        associator.person_of(one_late),
        associator.person_of(two_late)
    );
    // One who was rejected by a mistake, where only the later of the two tracks can still be named.
    let walks = [(0, 0), (2, 270), (3, 290)].map(|(camera, at_s)| walk(1, camera, at_s * S, 8));
    let [early, late, rejected] = walks.each_ref().map(track_of);
    let (mut associator, mut said) = associate(&in_time(&walks), options);
    say(&mut associator, &[[early, late]], Verdict::Same);
    let different = [[rejected, early], [rejected, late]];
    say(&mut associator, &different, Verdict::Different);
    for event in in_time(&passer) {
        associator.take(&event, &mut said);
    }
    assert!(!associator.state().tracks.contains_key(&early));
    assert_ne!(associator.person_of(rejected), associator.person_of(late));
    say(&mut associator, &[[rejected, late]], Verdict::Same);
    assert_eq!(associator.person_of(rejected), associator.person_of(late));
}

#[test]
fn ids_stay_when_tracks_are_let_go_of() {
    // The first track outlasts the second one, which is let go of first; then more come than are remembered.
    let mut walks = vec![walk(1, 0, 0, 400), walk(1, 1, 60 * S, 10)];
    walks.extend((0..560).map(|n| walk(1, 1 + n % 3, (500 + 40 * n as i64) * S, 3)));
    let options = AssociationOptions {
        window_ns: 5 * MINUTE,
        ..AssociationOptions::default()
    };
    let (associator, decisions) = associate(&in_time(&walks), options);
    let id = PersonId::derive(track_of(&walks[0]));
    let last = track_of(&walks[walks.len() - 1]);
    assert_eq!(associator.person_of(last), Some(id));
    assert_eq!(renames(&decisions), []);
    let known = associator.tracks_of(id);
    assert!(
        known.contains(&track_of(&walks[0])) && known.len() <= 530,
        "{}",
        known.len()
    );
    for person in associator.state().persons.values() {
        assert!(!person.tracks.is_empty(), "nobody stays without tracks");
    }
}

#[test]
fn whoever_left_tells_where_most_of_it_went() {
    let walks = [(1, 0, 0), (1, 1, 12), (1, 2, 24), (2, 3, 100), (2, 0, 112)]
        .map(|(who, camera, at_s)| walk(who, camera, at_s * S + i64::from(who), 6));
    let (mut associator, mut said) = associate(&in_time(&walks), AssociationOptions::default());
    let [a, b, c, d, _] = walks.each_ref().map(track_of);
    let old = PersonId::derive(a);
    assert_eq!(associator.person_of(c), Some(old));
    said.clear();
    // The first track leaves, and two of three stay with one another.
    associator.say_word([a, b], Verdict::Different, &mut said);
    associator.say_word([a, c], Verdict::Different, &mut said);
    assert_eq!(associator.person_of(b), associator.person_of(c));
    associator
        .say_word([a, d], Verdict::Same, &mut said)
        .unwrap();
    assert_eq!(associator.person_of(a), associator.person_of(d));
    let rest = associator.person_of(b).unwrap();
    for (from, to) in renames(&said) {
        if from == old {
            assert_eq!(to, rest, "{said:?}");
        }
    }
    assert!(
        !associator
            .state()
            .persons
            .contains_key(&PersonId::derive(d))
    );
}

#[test]
fn with_the_last_track_that_is_compared_goes_whoever_it_was() {
    // By time alone nobody would know: the second one's last visit is said to be the first one's.
    let walks = [
        walk(1, 0, 0, 5),
        walk(2, 1, 10 * S, 5),
        walk(2, 2, 4 * MINUTE, 5),
        walk(1, 3, 5 * MINUTE, 5),
        walk(3, 0, 8 * MINUTE, 5),
    ];
    let options = AssociationOptions {
        window_ns: 5 * MINUTE,
        ..AssociationOptions::default()
    };
    let (mut associator, mut said) = associate(&in_time(&walks), options);
    let [one, two, third, fourth, _] = walks.each_ref().map(track_of);
    assert_eq!(associator.person_of(third), Some(PersonId::derive(two)));
    said.clear();
    associator
        .say_word([third, fourth], Verdict::Same, &mut said)
        .unwrap();
    let all = [one, two, third, fourth].map(|track| associator.person_of(track));
    assert_eq!(all, [Some(PersonId::derive(one)); 4]);
    let renamed = (PersonId::derive(two), PersonId::derive(one));
    assert_eq!(renames(&said), [renamed]);
    for person in associator.state().persons.values() {
        assert!(!person.tracks.is_empty());
    }
}

#[test]
fn what_ended_before_a_long_pause_teaches_the_ways_as_well() {
    let pair = |at_s: i64| [walk(1, 0, at_s * S, 6), walk(1, 1, (at_s + 12) * S, 6)];
    let quiet = [pair(0), pair(600)].concat();
    let (associator, _) = associate(&in_time(&quiet), AssociationOptions::default());
    let ways = associator.walking_times();
    let way = |left: &str, entered: &str| {
        let mut found = ways.iter();
        found.find(|way| way.left == left && way.entered == entered)
    };
    let joins = way("a", "b").expect("the way was learned").joins;
    assert!(joins > 1.5, "both walks count, the last one too: {joins}");
}

/// Lets who is on camera `a` head for the left or the right side of the picture.
fn head(events: &mut [Event], tracks: &BTreeSet<TrackId>, step: f32) {
    for event in events {
        if let Event::Sighting(it) = event
            && tracks.contains(&it.track)
        {
            let left = 0.45 + step * (it.capture_ns - it.state.start_ns) as f32 / S as f32;
            it.bbox = [left, 0.3, left + 0.1, 0.8];
        }
    }
}

#[test]
fn of_two_who_look_alike_each_went_where_the_way_leads_by_which_it_went_out() {
    // Whoever goes to b leaves the picture of a on its left, and to c on its right.
    let taught = |n: u32| {
        let (start_ns, to) = (i64::from(n) * 40 * S, 1 + (n % 2) as usize);
        [walk(n, 0, start_ns, 6), walk(n, to, start_ns + 12 * S, 6)]
    };
    let people: Vec<Walk> = (0..40).flat_map(taught).collect();
    let then = 40 * 40 * S + 5 * MINUTE;
    for left_first in [true, false] {
        let [of_left, of_right] = if left_first { [0, 1] } else { [1, 0] };
        let left = walk(99, 0, then + of_left, 6);
        let right = walk(99, 0, then + of_right, 6);
        let (at_b, at_c) = (walk(99, 1, then + 12 * S, 6), walk(99, 2, then + 12 * S, 6));
        let walks = [people.clone(), vec![left, right, at_b, at_c]].concat();
        let on_a = |to: usize| {
            let pairs = people.chunks(2).filter(move |pair| pair[1].camera == to);
            pairs.map(|pair| track_of(&pair[0]))
        };
        let mut events = in_time(&walks);
        head(
            &mut events,
            &on_a(1).chain([track_of(&left)]).collect(),
            -0.07,
        );
        head(
            &mut events,
            &on_a(2).chain([track_of(&right)]).collect(),
            0.07,
        );
        let (associator, _) = associate(&events, AssociationOptions::default());
        let of = |walk: &Walk| associator.person_of(track_of(walk)).unwrap();
        assert_eq!(of(&left), of(&at_b), "left first: {left_first}");
        assert_eq!(of(&right), of(&at_c), "left first: {left_first}");
        assert_ne!(of(&left), of(&right));
        let ways = associator.walking_times();
        let to_b = ways
            .iter()
            .find(|way| way.left == "a" && way.entered == "b");
        let leave_by = to_b
            .and_then(|way| way.leave_by)
            .expect("a side was learned");
        assert!(leave_by[2] <= 0.35, "{leave_by:?}");
    }
}

#[test]
fn whoever_stands_where_nothing_new_is_seen_teaches_once_it_has_gone() {
    let standing = walk(1, 0, 0, 6);
    let others = [100, 300, 400].map(|at_s| walk(2, 1, at_s * S, 6));
    let mut events = in_time(&[&[standing][..], &others].concat());
    for event in &mut events {
        if let Event::Sighting(it) = event
            && it.track == track_of(&standing)
            && it.is_end
        {
            (it.capture_ns, it.state.end_ns) = (180 * S, 180 * S);
        }
    }
    events.sort_by_key(Event::time_ns);
    let mut associator = Associator::new(AssociationOptions::default()).unwrap();
    for event in &events {
        associator.take(event, &mut Vec::new());
        let has_taught = associator.state().learned.contains(&track_of(&standing));
        assert!(!has_taught || event.time_ns() > 180 * S);
        assert!(has_taught || event.time_ns() < 400 * S);
    }
}
