//! Which crops are picked, and which vectors become sightings.

use ndarray::Array2;
use sightline_detector::BBox;
use sightline_sink::TrackId;

use super::{Emit, Selector, SelectorConfig, WeightedMean};

fn picture() -> Array2<u8> {
    Array2::from_shape_fn((600, 1200), |(y, x)| {
        ((x / 4 * 7919 + y / 4 * 104_729 + x * y / 16 * 31) % 251) as u8
    })
}

fn person(x: f32, height: f32) -> BBox {
    BBox::from_center(x, 300.0, 0.4 * height, height)
}

fn track() -> TrackId {
    TrackId::derive("s", "c", 0, 0)
}

const FRAME_NS: i64 = 100_000_000;

#[test]
fn a_person_who_stands_still_is_embedded_once() {
    let (mut selector, picture) = (Selector::new(SelectorConfig::default()), picture());
    let picks = (0..200)
        .filter(|frame| {
            let bbox = person(300.0 + (frame % 3) as f32, 130.0);
            let pick =
                selector.consider(track(), frame * FRAME_NS, &bbox, 0.9, &picture.view(), &[]);
            pick.is_some()
        })
        .count();
    assert_eq!(picks, 1);
}

#[test]
fn the_first_good_frame_is_picked_and_then_no_more_than_the_rate_allows() {
    let (mut selector, picture) = (Selector::new(SelectorConfig::default()), picture());
    let mut times = Vec::new();
    for frame in 0..50i64 {
        // It comes nearer, so that there is always something new.
        let bbox = person(
            300.0 + 15.0 * frame as f32,
            50.0 * 1.05f32.powi(frame as i32),
        );
        let pick = selector.consider(track(), frame * FRAME_NS, &bbox, 0.9, &picture.view(), &[]);
        times.extend(pick.map(|pick| pick.capture_ns));
    }
    assert_eq!(times[0], 0);
    assert!(times.len() > 2, "{times:?}");
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= 1_000_000_000)
    );
}

#[test]
fn a_hidden_person_waits_for_a_better_moment() {
    let (mut selector, picture) = (Selector::new(SelectorConfig::default()), picture());
    let bbox = person(300.0, 130.0);
    let front = [BBox::from_center(310.0, 310.0, 60.0, 140.0)];
    let hidden = selector.consider(track(), 0, &bbox, 0.9, &picture.view(), &front);
    assert_eq!(hidden, None);
    let free = selector.consider(track(), FRAME_NS, &bbox, 0.9, &picture.view(), &[]);
    assert!(free.is_some());
}

#[test]
fn a_pick_that_was_not_embedded_may_be_picked_again() {
    let (mut selector, picture) = (Selector::new(SelectorConfig::default()), picture());
    let bbox = person(300.0, 130.0);
    let consider = |selector: &mut Selector, frame: i64| {
        selector.consider(track(), frame * FRAME_NS, &bbox, 0.9, &picture.view(), &[])
    };
    let pick = consider(&mut selector, 0).unwrap();
    assert_eq!(consider(&mut selector, 20), None);
    selector.withdraw(track(), &pick);
    assert!(consider(&mut selector, 21).is_some());
}

#[test]
fn only_new_vectors_are_sightings_and_all_are_in_the_mean() {
    let (mut selector, picture) = (Selector::new(SelectorConfig::default()), picture());
    let bbox = person(300.0, 130.0);
    let pick = selector
        .consider(track(), 0, &bbox, 0.9, &picture.view(), &[])
        .unwrap();
    let sequence = |emit: Emit<'_>| match emit {
        Emit::Sighting { sequence, .. } => Some(sequence),
        Emit::Nothing => None,
    };
    assert_eq!(
        sequence(selector.accept(track(), &pick, &[2.0, 0.0])),
        Some(0)
    );
    assert_eq!(sequence(selector.accept(track(), &pick, &[2.0, 0.1])), None);
    assert_eq!(
        sequence(selector.accept(track(), &pick, &[0.0, 3.0])),
        Some(1)
    );
    for useless in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[1.0, 0.0, 0.0], &[]] {
        assert_eq!(sequence(selector.accept(track(), &pick, useless)), None);
    }
    let state = selector.end(track()).unwrap();
    assert_eq!((state.sequence, state.count), (2, 3));
    let length: f32 = state.mean.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5);
    assert!(state.mean[0] > state.mean[1]);
    assert_eq!(selector.end(track()), None);
}

#[test]
fn looks_are_in_the_mean_of_a_track_that_is_known_and_large_enough() {
    let (mut selector, picture) = (Selector::new(SelectorConfig::default()), picture());
    let bbox = person(300.0, 130.0);
    selector.look(track(), &bbox, &[1.0, 0.0]);
    assert_eq!(selector.end(track()), None);
    let pick = selector
        .consider(track(), 0, &bbox, 0.9, &picture.view(), &[])
        .unwrap();
    selector.accept(track(), &pick, &[1.0, 0.0]);
    selector.look(track(), &bbox, &[0.0, 1.0]);
    let far = BBox::from_center(300.0, 130.0, 12.0, 30.0);
    for useless in [
        (&bbox, &[0.0, 0.0][..]),
        (&bbox, &[1.0]),
        (&far, &[0.0, 1.0]),
    ] {
        selector.look(track(), useless.0, useless.1);
    }
    let state = selector.end(track()).unwrap();
    assert_eq!((state.sequence, state.count), (1, 2));
    assert!(state.mean.iter().all(|value| *value > 0.3), "{state:?}");
}

#[test]
fn a_mean_leans_to_the_better_crops() {
    let mut mean = WeightedMean::default();
    assert!(mean.add(&[5.0, 0.0], 0.9) && mean.add(&[0.0, 1.0], 0.1));
    assert!(!mean.add(&[0.0, 1.0], 0.0) && !mean.add(&[0.0, 1.0], f32::NAN));
    assert_eq!(mean.count(), 2);
    assert!((mean.mean()[0] - 0.9 / (0.81f32 + 0.01).sqrt()).abs() < 1e-5);
}
