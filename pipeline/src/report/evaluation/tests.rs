//! A small run of which everything is known.

use sightline_detector::BBox;

use super::*;

fn track(n: i64) -> TrackId {
    TrackId::derive("s", "c", n, 0)
}

fn row(camera: usize, frame: u64, n: i64, x: f32) -> BoxRow {
    BoxRow {
        camera,
        frame,
        track: track(n),
        bbox: BBox::new(x, 0.0, x + 40.0, 100.0),
    }
}

/// Two people on each of two cameras for 20 frames, each person with a track a camera.
fn run() -> (Vec<BoxRow>, Vec<GroundTruth>) {
    let (mut boxes, mut truths) = (Vec::new(), Vec::new());
    for camera in 0..2_usize {
        let mut truth = Vec::new();
        for frame in 0..20_u64 {
            for person in 0..2_u64 {
                let x = 10.0 + 200.0 * person as f32;
                boxes.push(row(camera, frame, (camera as u64 * 2 + person) as i64, x));
                truth.push(Observation {
                    frame: frame as u32 + 1,
                    id: person + 1,
                    bbox: [f64::from(x), 0.0, 40.0, 100.0],
                });
            }
        }
        truths.push(GroundTruth::all_counted(truth));
    }
    (boxes, truths)
}

/// A store that holds the run: whose tracks are is given, everything else follows from the tracks' numbers.
struct Known<P>(P);

impl<P: Fn(TrackId) -> Option<PersonId>> Answers for Known<P> {
    fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.0(track)
    }

    fn join_of(&self, this: TrackId) -> Option<Join> {
        (this == track(2)).then(|| Join {
            log_odds: 3.0,
            probability: 0.9,
            is_calibrated: false,
            appearance: 3.0,
            transit: 0.0,
            place: 0.0,
            word: 0.0,
            follows: track(0),
            runner_up: None,
        })
    }

    fn like(&self, this: TrackId) -> Result<Vec<(TrackId, f64)>> {
        // The first person is known again on the other camera, the second is taken for the first.
        let order = if this == track(0) || this == track(1) {
            [2, 3]
        } else {
            [0, 1]
        };
        Ok(order
            .iter()
            .zip([0.9, 0.8])
            .map(|(n, s)| (track(*n), s))
            .collect())
    }

    fn find(&self, sentence: &str, persons: bool) -> Result<Vec<Found>> {
        let found = |n, probability| Found {
            track: track(n),
            probability: Some(probability),
        };
        Ok(match (sentence, persons) {
            ("first", true) => vec![found(0, 0.9), found(1, 0.1)],
            ("first", false) => vec![found(1, 0.5), found(0, 0.4)],
            ("second", _) => vec![found(0, 0.6), found(1, 0.3)],
            ("nobody", _) => vec![found(0, 0.75)],
            _ => Vec::new(),
        })
    }
}

pub(super) fn measured(person: impl Fn(TrackId) -> Option<PersonId>) -> Evaluation {
    let (boxes, truths) = run();
    let cameras = ["a".to_owned(), "b<".to_owned()];
    let sentence = |text: &str, identities: &[u64]| Sentence {
        text: text.into(),
        identities: identities.to_vec(),
    };
    // The second person is in the dark on the second camera.
    let light = (0..2_usize)
        .flat_map(|camera| (1..=20).flat_map(move |frame| [(camera, frame, 1), (camera, frame, 2)]))
        .map(|at| (at, if at.0 == 1 && at.2 == 2 { 20 } else { 150 }))
        .collect();
    let run = Run {
        cameras: &cameras,
        truths,
        boxes: &boxes,
        light: &light,
        sentences: &[
            sentence("first", &[1]),
            sentence("second", &[2]),
            sentence("nobody", &[]),
            sentence("unseen", &[7]),
        ],
        digest: "d",
    };
    evaluate(&run, &Known(person)).unwrap()
}

pub(super) fn everybody(id: TrackId) -> Option<PersonId> {
    let first = if id == track(0) || id == track(2) {
        0
    } else {
        1
    };
    Some(PersonId::derive(track(first)))
}

#[test]
fn what_tracks_and_sentences_find_is_measured() {
    let report = measured(everybody);
    let page = page::page("t", &report, &["a".to_owned(), "b".to_owned()], |_| None);
    assert!(page.contains("<b>second</b> at place 2") && page.contains("<b>nobody</b> is nobody"));
    let reid = report.reid.unwrap();
    assert_eq!((reid.queries, reid.cmc[&1], reid.cmc[&5]), (4, 0.5, 1.0));
    assert!((reid.map - 0.75).abs() < 1e-9);
    let text = report.text.unwrap();
    assert_eq!((text.sentences, text.unanswerable, text.absent), (2, 1, 1));
    assert_eq!((text.persons.r1, text.persons.r5), (0.5, 1.0));
    assert_eq!((text.tracks.r1, text.tracks.r5), (0.0, 1.0));
    assert_eq!(text.false_alarms, Some(1.0));
    assert_eq!(
        (text.alarms.len(), text.alarms[0].text.as_str()),
        (1, "nobody")
    );
    // One of one: nearly nothing is known, and the report says so.
    assert!(text.false_alarms_interval.unwrap()[0] < 0.25);
    assert!(text.persons.r1_interval[0] < 0.1 && text.persons.r1_interval[1] > 0.9);
    assert_eq!(text.misses.len(), 1);
    assert_eq!(text.misses[0].text, "second");
    assert_eq!(
        (text.misses[0].rank, text.misses[0].found),
        (Some(2), Some(track(0)))
    );
    let light: Vec<_> = report.found.iter().filter(|it| it.by == "light").collect();
    assert_eq!(light.len(), 2);
    assert_eq!((light[0].from, light[0].boxes), (0.0, 20));
    assert_eq!((light[1].from, light[1].boxes), (120.0, 60));
}

#[test]
fn a_run_without_faults_scores_one_and_confuses_nobody() {
    let report = measured(everybody);
    assert!((report.persons.idf1 - 1.0).abs() < 1e-9 && (report.persons.hota - 1.0).abs() < 1e-9);
    assert!(
        (report.tracking.idf1 - 0.5).abs() < 1e-9,
        "a track is on one camera alone"
    );
    assert!((report.cameras["a"].idf1 - 1.0).abs() < 1e-9);
    assert_eq!(report.confusions.len(), 0);
    assert_eq!((report.counts.identities, report.counts.persons), (2, 2));
    assert!(
        report
            .found
            .iter()
            .all(|share| (share.found - 1.0).abs() < 1e-9)
    );
    assert!((report.joins.unwrap().right - 1.0).abs() < 1e-9);
}

#[test]
fn who_was_taken_for_whom_is_told_with_both_tracks() {
    // Everybody is one person, but for one track that is lost to it.
    let report = measured(|id| {
        let first = if id == track(3) { 3 } else { 0 };
        Some(PersonId::derive(track(first)))
    });
    assert!((report.perfect_association.idf1 - 1.0).abs() < 1e-9);
    let kinds: Vec<_> = report
        .confusions
        .iter()
        .map(|it| (it.kind, it.frames))
        .collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&("merged", 20)) && kinds.contains(&("split", 20)));
    let cameras = ["a".to_owned(), "b<".to_owned()];
    let page = page::page("t", &report, &cameras, |_| Some(vec![1, 2, 3]));
    assert!(
        page.contains("two people taken for one") && page.contains("data:image/jpeg;base64,AQID")
    );
    assert!(page.contains("b&lt;") && !page.contains("b<<"));
    assert_eq!(page.matches("<rect").count(), 4);
}

#[test]
fn the_hash_follows_persons_boxes_and_scores() {
    let one = measured(|_| None).hash;
    assert_eq!(one, measured(|_| None).hash);
    assert_ne!(one, measured(|_| Some(PersonId::derive(track(0)))).hash);
    let (boxes, truths) = run();
    let cameras = ["a".to_owned(), "b".to_owned()];
    let light = Light::new();
    let hash = |sentences: &[Sentence]| {
        let run = Run {
            cameras: &cameras,
            truths: truths.clone(),
            boxes: &boxes,
            light: &light,
            sentences,
            digest: "d",
        };
        evaluate(&run, &Known(everybody)).unwrap().hash
    };
    let first = Sentence {
        text: "first".into(),
        identities: vec![1],
    };
    assert_ne!(hash(&[]), hash(&[first]), "what sentences find is in it");
}

#[test]
fn a_join_is_right_if_the_track_shows_whom_the_others_of_its_person_show() {
    // The track that was joined shows the first person; most of the others of its person show the second one.
    let wrong = measured(|_| Some(PersonId::derive(track(0))))
        .joins
        .unwrap();
    assert_eq!((wrong.joins, wrong.left_out, wrong.right), (1, 0, 0.0));
    let right = measured(everybody).joins.unwrap();
    assert_eq!((right.joins, right.right), (1, 1.0));
    assert_eq!(right.calibration.bins.len(), 1);
    // Alone with its person there is nobody to be right about.
    let alone = measured(|id| Some(PersonId::derive(id)));
    assert!(alone.joins.is_none());
}
