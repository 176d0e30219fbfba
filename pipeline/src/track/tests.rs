//! The tracker's behaviour, on scenes with known truth.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sightline_detector::{BBox, Detection};
use sightline_sink::TrackId;

use super::scenes::{Dice, Noise, street};
use super::{CameraMotion, TrackState, Tracker, TrackerConfig};

fn person(x: f32, y: f32) -> BBox {
    BBox::from_center(x, y, 40.0, 100.0)
}

fn detection(bbox: BBox, score: f32) -> Detection {
    Detection { bbox, score }
}

fn tracker() -> Tracker {
    Tracker::new("harbour", "gate-2", TrackerConfig::default())
}

fn blind(asked: &[usize]) -> Vec<Option<Vec<f32>>> {
    vec![None; asked.len()]
}

fn at(seconds: f64) -> i64 {
    1_700_000_000_000_000_000 + (seconds * 1e9) as i64
}

/// Which ids a person had over a run in which `boxes` says who is where.
fn ids_of(
    tracker: &mut Tracker,
    times: impl Iterator<Item = f64>,
    boxes: impl Fn(f64) -> Vec<Option<BBox>>,
    looks: Option<&[[f32; 4]]>,
) -> Vec<BTreeSet<TrackId>> {
    let mut ids = Vec::new();
    for time in times {
        let seen: Vec<(usize, BBox)> = boxes(time)
            .into_iter()
            .enumerate()
            .filter_map(|(person, bbox)| Some((person, bbox?)))
            .collect();
        let detections: Vec<_> = seen.iter().map(|&(_, bbox)| detection(bbox, 0.9)).collect();
        let step = tracker.update(at(time), &detections, CameraMotion::Still, &mut |asked| {
            asked
                .iter()
                .map(|&index| Some(looks?[seen[index].0].to_vec()))
                .collect()
        });
        let pairs: Vec<_> = step
            .seen()
            .filter_map(|track| Some((track.id(), track.detection()?)))
            .collect();
        for (id, index) in pairs {
            let who = seen[index].0;
            ids.resize_with(ids.len().max(who + 1), BTreeSet::new);
            ids[who].insert(id);
            if let Some(looks) = looks {
                tracker.learn(id, &looks[who]);
            }
        }
    }
    ids
}

fn frames(seconds: f64, frames_per_second: f64) -> impl Iterator<Item = f64> {
    (0..(seconds * frames_per_second) as usize).map(move |frame| frame as f64 / frames_per_second)
}

#[test]
fn two_people_who_cross_keep_their_ids_by_their_velocity() {
    let ids = ids_of(
        &mut tracker(),
        frames(6.0, 10.0),
        |time| {
            let x = 60.0 * time as f32;
            // While one hides the other, only the one in front is seen.
            let is_hidden = (x - 180.0).abs() < 12.0;
            vec![
                Some(person(100.0 + x, 200.0)),
                (!is_hidden).then(|| person(460.0 - x, 194.0)),
            ]
        },
        None,
    );
    assert_eq!(ids.iter().map(BTreeSet::len).collect::<Vec<_>>(), [1, 1]);
    assert!(ids[0].is_disjoint(&ids[1]));
}

#[test]
fn two_people_who_meet_and_turn_back_keep_their_ids_only_by_their_look() {
    let meet = |time: f64| {
        let x = 60.0 * (3.0 - (time as f32 - 3.0).abs());
        let are_hidden = (time - 3.0).abs() < 0.35;
        vec![
            Some(person(100.0 + x, 200.0)),
            (!are_hidden).then(|| person(464.0 - x, 199.0)),
        ]
    };
    let looks = [[1.0, 0.1, 0.0, 0.0], [0.0, 0.1, 1.0, 0.0]];
    let ids = ids_of(&mut tracker(), frames(6.0, 10.0), meet, Some(&looks));
    assert_eq!(ids.iter().map(BTreeSet::len).collect::<Vec<_>>(), [1, 1]);
    assert!(ids[0].is_disjoint(&ids[1]));
}

#[test]
fn a_lost_person_is_recognised_by_its_look_after_position_is_worth_nothing() {
    let looks = [[1.0, 0.0, 0.2, 0.0]];
    let walk = |time: f64| {
        let is_away = (2.0..7.0).contains(&time);
        let x = if time < 2.0 { 100.0 } else { 330.0 };
        vec![(!is_away).then(|| person(x + 30.0 * time as f32, 200.0))]
    };
    let mut seeing = tracker();
    let ids = ids_of(&mut seeing, frames(9.0, 10.0), walk, Some(&looks));
    assert_eq!(ids[0].len(), 1);
    assert_eq!(seeing.counts().recognised, 1);
    let ids = ids_of(&mut tracker(), frames(9.0, 10.0), walk, None);
    assert_eq!(ids[0].len(), 2);
}

#[test]
fn a_track_that_comes_out_of_a_crossing_as_somebody_else_is_taken_apart() {
    // One walks behind the other and turns back there; only one box is found while they are close, and it goes on as the other's.
    let looks = [[1.0, 0.1, 0.0, 0.0], [0.0, 0.1, 1.0, 0.0]];
    let pass = |time: f64| {
        let x = 60.0 * time as f32;
        vec![
            (!(3.0..=5.0).contains(&time))
                .then(|| person(if time < 3.0 { 100.0 + x } else { 190.0 }, 200.0)),
            (time >= 3.0).then(|| person(100.0 + x, 202.0)),
        ]
    };
    let mut seeing = tracker();
    let ids = ids_of(&mut seeing, frames(8.0, 10.0), pass, Some(&looks));
    assert_eq!(seeing.counts().taken_apart, 1);
    // The first one is known again when it comes back.
    assert_eq!(ids[0].len(), 1);
    let taken: Vec<_> = ids[1].difference(&ids[0]).collect();
    assert_eq!(taken.len(), 1, "{ids:?}");
    let mut only_boxes = tracker();
    let ids = ids_of(&mut only_boxes, frames(8.0, 10.0), pass, None);
    assert_eq!(only_boxes.counts().taken_apart, 0);
    assert!(ids[1].is_subset(&ids[0]), "boxes alone take them for one");
}

#[test]
fn who_enters_at_the_edge_is_known_by_the_whole_person() {
    // First a head at the lower edge, then the whole person.
    let looks = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]];
    let enter = |time: f64| {
        let y = 500.0 - 40.0 * time as f32;
        let whole = person(200.0, y);
        let is_whole = whole.y1 < 480.0;
        let cut = BBox {
            y1: whole.y1.min(479.0),
            ..whole
        };
        vec![(!is_whole).then_some(cut), is_whole.then_some(whole)]
    };
    let taken_apart = |size_px: Option<[f32; 2]>| {
        let mut seeing = tracker();
        if let Some(size_px) = size_px {
            seeing.set_picture_px(size_px);
        }
        ids_of(&mut seeing, frames(6.0, 10.0), enter, Some(&looks));
        seeing.counts().taken_apart
    };
    assert_eq!(taken_apart(Some([640.0, 480.0])), 0);
    assert_eq!(taken_apart(None), 1);
}

#[test]
fn the_same_person_from_another_side_stays_the_same_track() {
    // Cosine .5: doubted, and not another person's.
    let looks = [[1.0, 0.0, 0.0, 0.0], [0.5, 0.866, 0.0, 0.0]];
    let turn = |time: f64| {
        let here = person(100.0 + 30.0 * time as f32, 200.0);
        vec![(time < 3.0).then_some(here), (time >= 3.0).then_some(here)]
    };
    let mut seeing = tracker();
    let ids = ids_of(&mut seeing, frames(6.0, 10.0), turn, Some(&looks));
    assert_eq!(ids[0], ids[1]);
    assert_eq!(seeing.counts().taken_apart, 0);
}

#[test]
fn doubts_that_came_to_nothing_have_no_vote_in_later_ones() {
    // Doubted from another side for a moment (cosine .5), then itself; later somebody with a cosine of .35 goes on as it.
    let looks = [
        [1.0, 0.0, 0.0, 0.0],
        [0.5, 0.866, 0.0, 0.0],
        [0.35, 0.0, 0.937, 0.0],
    ];
    let walk = |time: f64| {
        let here = person(100.0 + 30.0 * time as f32, 200.0);
        let shows = |who: bool| who.then_some(here);
        let is_turned = (3.0..4.0).contains(&time);
        vec![
            shows(time < 6.0 && !is_turned),
            shows(is_turned),
            shows(time >= 6.0),
        ]
    };
    let mut seeing = tracker();
    let ids = ids_of(&mut seeing, frames(9.0, 10.0), walk, Some(&looks));
    assert_eq!(seeing.counts().taken_apart, 1);
    assert!(ids[1].is_subset(&ids[0]), "{ids:?}");
    assert_eq!(ids[2].difference(&ids[0]).count(), 1, "{ids:?}");
}

#[test]
fn a_panning_camera_breaks_no_track() {
    let run = |is_told: bool| {
        let mut tracker = tracker();
        let mut ids = BTreeSet::new();
        for frame in 0..40 {
            // The camera swings to and fro by 35 px a frame, about a person's width.
            let pan = |frame: i32| 35.0 * ((frame + 5) % 20 - 10).abs() as f32;
            let boxes = [
                person(300.0 + pan(frame), 200.0),
                person(380.0 + pan(frame), 205.0),
            ];
            let shift = f64::from(pan(frame) - pan(frame - 1));
            let motion = if is_told {
                CameraMotion::Moved([1.0, 0.0, shift, 0.0, 1.0, 0.0])
            } else {
                CameraMotion::Still
            };
            let detections = boxes.map(|bbox| detection(bbox, 0.9));
            let step = tracker.update(at(f64::from(frame) / 10.0), &detections, motion, &mut blind);
            for track in step.seen() {
                ids.insert((track.id(), track.detection()));
            }
        }
        ids.len()
    };
    assert_eq!(run(true), 2);
    assert!(run(false) > 2, "the pan is too small to test anything");
}

#[test]
fn dropped_frames_and_uneven_frame_rates_break_no_track() {
    let mut dice = Dice::new(7);
    let mut time = 0.0;
    let times: Vec<f64> = (0..120)
        .map(|_| {
            // 30 frames/s, of which bursts of up to 0.7 s are dropped.
            time += if dice.chance(0.15) {
                f64::from(dice.between(0.2, 0.7))
            } else {
                1.0 / 30.0
            };
            time
        })
        .collect();
    let ids = ids_of(
        &mut tracker(),
        times.into_iter(),
        |time| {
            let x = 60.0 * time as f32;
            vec![Some(person(50.0 + x, 200.0)), Some(person(50.0 + x, 330.0))]
        },
        None,
    );
    assert_eq!(ids.iter().map(BTreeSet::len).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_track_is_tentative_then_confirmed_with_its_history_then_lost_then_ended() {
    let mut tracker = tracker();
    let confirm_hits = TrackerConfig::default().confirm_hits as usize;
    let mut first = None;
    for frame in 0..confirm_hits {
        let boxes = [detection(person(100.0 + 3.0 * frame as f32, 200.0), 0.9)];
        let step = tracker.update(
            at(frame as f64 * 0.1),
            &boxes,
            CameraMotion::Still,
            &mut blind,
        );
        let view = step.tracks().next().unwrap();
        assert_eq!(*first.get_or_insert(view.id()), view.id());
        if frame + 1 < confirm_hits {
            assert_eq!(view.state(), TrackState::Tentative);
            assert!(view.history().is_empty());
        } else {
            assert_eq!(view.state(), TrackState::Confirmed);
            assert!(view.is_just_confirmed());
            let history: Vec<_> = view.history().iter().map(|seen| seen.capture_ns).collect();
            let expected: Vec<_> = (0..frame).map(|earlier| at(earlier as f64 * 0.1)).collect();
            assert_eq!(history, expected);
        }
    }
    let step = tracker.update(at(1.0), &[], CameraMotion::Still, &mut blind);
    let view = step.tracks().next().unwrap();
    assert_eq!((view.state(), view.history().len()), (TrackState::Lost, 0));
    let step = tracker.update(at(30.0), &[], CameraMotion::Still, &mut blind);
    assert_eq!(step.tracks().count(), 0);
    let ended: Vec<_> = step
        .ended()
        .iter()
        .map(|track| (track.id, track.is_confirmed))
        .collect();
    assert_eq!(ended, [(first.unwrap(), true)]);
    assert!(
        tracker
            .update(at(30.1), &[], CameraMotion::Still, &mut blind)
            .ended()
            .is_empty()
    );
}

#[test]
fn late_frames_change_nothing_and_a_clock_set_back_ends_all_tracks() {
    let mut tracker = tracker();
    let boxes = [detection(person(100.0, 200.0), 0.9)];
    for frame in 0..5 {
        tracker.update(
            at(100.0 + f64::from(frame) * 0.1),
            &boxes,
            CameraMotion::Still,
            &mut blind,
        );
    }
    for late in [100.4, 100.0] {
        let step = tracker.update(at(late), &boxes, CameraMotion::Still, &mut blind);
        assert!(step.is_late() && step.tracks().count() == 0 && step.ended().is_empty());
    }
    assert_eq!(tracker.counts().late_frames, 2);
    let step = tracker.update(at(0.0), &boxes, CameraMotion::Still, &mut blind);
    assert_eq!((step.ended().len(), step.tracks().count()), (1, 1));
}

#[test]
fn appearance_is_asked_twice_a_second_or_for_contested_people_and_within_the_budget() {
    let looks = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]];
    let apart = |_: f64| vec![Some(person(100.0, 200.0)), Some(person(500.0, 200.0))];
    let mut far = tracker();
    ids_of(&mut far, frames(3.0, 10.0), apart, Some(&looks));
    // From the second frame on, each half second, for each of the two.
    assert_eq!(far.counts().looks_asked, 2 * 6);
    let mut near = Tracker::new("s", "c", TrackerConfig::default());
    let crowd = |_: f64| {
        (0..12)
            .map(|who| Some(person(100.0 + 9.0 * who as f32, 200.0)))
            .collect()
    };
    ids_of(
        &mut near,
        frames(3.0, 10.0),
        crowd,
        Some(&[[1.0, 0.0, 0.0, 0.0]; 12]),
    );
    let asked = near.counts().looks_asked;
    let budget = TrackerConfig::default().appearance.budget_per_frame as u64;
    assert!(asked > 0 && asked <= 30 * budget, "{asked}");
}

/// The share of each person's boxes that its most frequent track has.
fn purity(seed: u64) -> f32 {
    let frames_per_second = 10.0;
    let mut tracker = tracker();
    let mut counts: BTreeMap<usize, BTreeMap<TrackId, u32>> = BTreeMap::new();
    let scene = street(seed, 6, 30.0, frames_per_second, &Noise::FASTESTDET);
    for (number, frame) in scene.iter().enumerate() {
        let detections: Vec<_> = frame.detections.iter().map(|seen| seen.0).collect();
        let time = number as f64 / f64::from(frames_per_second);
        let step = tracker.update(at(time), &detections, CameraMotion::Still, &mut blind);
        for track in step.seen() {
            if let Some(who) = track
                .detection()
                .and_then(|index| frame.detections[index].1)
            {
                *counts
                    .entry(who)
                    .or_default()
                    .entry(track.id())
                    .or_default() += 1;
            }
        }
    }
    let all: u32 = counts.values().flat_map(BTreeMap::values).sum();
    let most: u32 = counts
        .values()
        .filter_map(|tracks| tracks.values().max())
        .sum();
    most as f32 / all as f32
}

#[test]
fn a_noisy_street_is_followed() {
    let mean = (0..6).map(purity).sum::<f32>() / 6.0;
    assert!(mean > 0.85, "{mean}");
}

#[test]
fn without_noise_nobody_is_lost() {
    let scene = street(3, 3, 20.0, 25.0, &Noise::NONE);
    assert!(
        scene
            .iter()
            .all(|frame| frame.detections.len() <= frame.truth.len())
    );
    assert!(scene.iter().map(|frame| frame.truth.len()).sum::<usize>() > 500);
}

fn any_edge() -> impl Strategy<Value = f32> {
    prop_oneof![
        12 => -100.0f32..900.0,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(-f32::MAX),
        1 => Just(0.0),
    ]
}

fn any_detection() -> impl Strategy<Value = Detection> {
    let score = prop_oneof![8 => 0.0f32..1.0, 1 => Just(f32::NAN), 1 => -5.0f32..5.0];
    (
        any_edge(),
        any_edge(),
        any_edge(),
        any_edge(),
        -20.0f32..200.0,
        any::<bool>(),
        score,
    )
        .prop_map(|(x0, y0, x1, y1, size, is_person, score)| {
            let bbox = if is_person {
                BBox::new(x0, y0, x0 + size, y0 + 2.0 * size)
            } else {
                BBox::new(x0, y0, x1, y1)
            };
            detection(bbox, score)
        })
}

fn any_motion() -> impl Strategy<Value = CameraMotion> {
    prop_oneof![
        3 => Just(CameraMotion::Still),
        1 => (-50.0f64..50.0, 0.9f64..1.1).prop_map(|(shift, zoom)| CameraMotion::Moved([zoom, 0.0, shift, 0.0, zoom, -shift])),
    ]
}

proptest! {
    #[test]
    fn any_input_is_survived_with_unique_ids_and_boxes_that_are_numbers(
        frames in prop::collection::vec(
            (prop_oneof![10 => 1i64..300_000_000, 1 => -20_000_000_000i64..20_000_000_000, 1 => Just(0)], prop::collection::vec(any_detection(), 0..8), any_motion()),
            1..40,
        ),
        look in prop_oneof![Just(vec![]), Just(vec![f32::NAN; 4]), Just(vec![0.0; 4]), Just(vec![1.0, 2.0, 3.0, 4.0])],
    ) {
        let run = || {
            let mut tracker = tracker();
            let mut ended = BTreeSet::new();
            let mut log = Vec::new();
            let mut capture_ns = at(0.0);
            for (step_ns, detections, motion) in &frames {
                capture_ns += step_ns;
                let step = tracker.update(capture_ns, detections, *motion, &mut |asked| {
                    asked.iter().map(|_| Some(look.clone())).collect()
                });
                let mut alive = BTreeSet::new();
                let mut matched = BTreeSet::new();
                for track in step.ended() {
                    prop_assert!(ended.insert(track.id), "ended twice");
                    prop_assert!(track.first_capture_ns <= track.last_capture_ns);
                }
                for track in step.tracks() {
                    prop_assert!(alive.insert(track.id()), "two live tracks share an id");
                    prop_assert!(!ended.contains(&track.id()), "an ended id came back");
                    prop_assert!(track.bbox().is_finite());
                    prop_assert!(track.first_capture_ns() <= track.last_capture_ns());
                    prop_assert!(track.history().windows(2).all(|pair| pair[0].capture_ns < pair[1].capture_ns));
                    if let Some(index) = track.detection() {
                        prop_assert!(matched.insert(index), "two tracks share a detection");
                        prop_assert!(index < detections.len());
                    }
                    log.push((track.id(), track.state(), track.bbox()));
                }
            }
            tracker.finish();
            Ok(log)
        };
        prop_assert_eq!(run()?, run()?, "the same input gave other tracks");
    }
}
