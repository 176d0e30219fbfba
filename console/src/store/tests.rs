use std::sync::Mutex;

use super::*;
use crate::encode::{ClauseVector, EncodeQuery, QueryVector};
use crate::picture::Picture;
use crate::time::UtcTime;
use crate::wire::{PictureBytes, SearchRequest};
use crate::words::Words;

struct Fixed {
    folder: PathBuf,
    asked: Mutex<Vec<sink::Query>>,
    /// The model that it is by; empty: it does not look.
    model: Mutex<&'static str>,
}

impl Fixed {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            asked: Mutex::default(),
            model: Mutex::default(),
        }
    }
}

impl Store for Fixed {
    fn query(&self, query: &sink::Query) -> sink::Result<sink::Answer> {
        query.check()?;
        self.asked.lock().unwrap().push(query.clone());
        let held = *self.model.lock().unwrap();
        if let sink::QueryKind::Vector { model, .. } = &query.kind {
            assert!(held.is_empty() || held == model, "{model} of {held}");
        }
        if query.limit == 7 {
            return Err(sink::Error::Query {
                what: "track\nis not stored".into(),
            });
        }
        Ok(sink::Answer {
            hits: vec![hit(&self.folder)],
            coverage: self.coverage(&query.filter)?,
            why_empty: None,
            searched: 12,
            persons: None,
            is_exact: true,
        })
    }

    fn query_persons(&self, query: &sink::Query) -> sink::Result<sink::Answer> {
        Ok(sink::Answer {
            persons: Some(4),
            ..self.query(query)?
        })
    }

    fn similarities(
        &self,
        name: &str,
        _: &str,
        values: &[f32],
        tracks: &[sink::TrackId],
    ) -> sink::Result<Vec<Option<f32>>> {
        assert_eq!(name, "joint");
        Ok(vec![values.first().copied(); tracks.len()])
    }

    fn person(&self, _: sink::PersonId) -> Option<sink::PersonRecord> {
        // Compared no more: the store alone knows of the tracks.
        None
    }

    fn current_person(&self, id: sink::PersonId) -> sink::PersonId {
        let renamed = sink::TrackId::derive("harbour", "gate-2", 1, 0);
        if id == sink::PersonId::derive(renamed) {
            return sink::PersonId::derive(sink::TrackId::derive("harbour", "gate-1", 0, 0));
        }
        id
    }

    fn say_words(
        &self,
        pairs: &[[sink::TrackId; 2]],
        verdict: sink::persons::Verdict,
    ) -> sink::Result<u64> {
        let is_taken = verdict == sink::persons::Verdict::Same;
        Ok(if is_taken { pairs.len() as u64 } else { 0 })
    }

    fn forget(&self, asked: &sink::Forget, _: bool) -> sink::Result<sink::ForgetReport> {
        Err(sink::Error::Query {
            what: format!("{asked:?} is not stored"),
        })
    }

    fn walking_times(&self) -> Vec<sink::persons::WalkingTime> {
        Vec::new()
    }

    fn feedback(
        &self,
        _: usize,
        _: usize,
    ) -> sink::Result<Vec<(sink::persons::Feedback, [Option<String>; 2])>> {
        Ok(Vec::new())
    }

    fn coverage(&self, _: &sink::Filter) -> sink::Result<Vec<sink::CameraCoverage>> {
        Ok(vec![sink::CameraCoverage {
            site: "harbour".into(),
            camera: "gate-2".into(),
            watched: vec![sink::Interval {
                from_ns: 1,
                to_ns: 2,
            }],
            blind: vec![sink::Interval {
                from_ns: 2,
                to_ns: 3,
            }],
            frames_seen: 4,
            frames_dropped: 5,
            indexed_to_ns: Some(6),
            clock_error_ns: Some(-250_000_000),
        }])
    }

    fn counts(&self) -> sink::Result<StoreCounts> {
        Ok(StoreCounts {
            tracks: 3,
            sightings: 9,
            spool_records: 1,
        })
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

fn hit(folder: &Path) -> sink::Hit {
    let digits = "ab".repeat(32);
    sink::Hit {
        track: sink::TrackId::derive("harbour", "gate-2", 1, 0),
        site: "harbour".into(),
        camera: "gate-2".into(),
        start_ns: 1_000_000_000,
        end_ns: 2_000_000_000,
        rank: 1,
        similarity: Some(0.5),
        score: None,
        thumbnail: Some(folder.join("crops/ab").join(format!("{digits}.jpg"))),
        person: None,
        best_ns: 1_500_000_000,
        bbox: [0.0, 0.25, 0.5, 1.0],
        detections: 30,
        has_ended: true,
    }
}

/// Gives the picture's size as its vector.
struct SizeOf;

impl EncodeQuery for SizeOf {
    fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error> {
        let values = vec![picture.width as f32, picture.height as f32];
        Ok(QueryVector {
            name: "appearance".into(),
            model: "size@0123456789ab".into(),
            values,
            ..QueryVector::default()
        })
    }

    fn encode_words(&mut self, words: &Words, _: Option<&Picture>) -> Result<QueryVector, Error> {
        let table = "similarity = [0.0, 1.0]\nlog_likelihood_ratio = [-5.0, 5.0]\npresent = 0.5\ntracks_a_person = 2.0";
        Ok(QueryVector {
            name: "joint".into(),
            model: "pair@0123456789ab".into(),
            values: vec![words.text.len() as f32, words.not.len() as f32],
            notes: vec!["a note".into()],
            calibration: toml::from_str(table).ok(),
            clauses: vec![ClauseVector {
                text: "red coat".into(),
                values: vec![0.75, 0.0],
            }],
            clause_table: toml::from_str("similarity = [0.5, 1.0]\nprobability = [0.0, 0.5]").ok(),
            ..QueryVector::default()
        })
    }

    fn reads_text(&self) -> bool {
        true
    }
}

/// A PNG of 16 x 32 pixels.
fn picture() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut png = png::Encoder::new(&mut bytes, 16, 32);
    png.set_color(png::ColorType::Rgb);
    png.write_header()
        .unwrap()
        .write_image_data(&[7; 16 * 32 * 3])
        .unwrap();
    bytes
}

fn question(request: SearchRequest) -> Question {
    Question::try_from(request).unwrap()
}

#[test]
fn a_question_reaches_the_store_whole_and_its_answer_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), None);
    let asked = question(SearchRequest {
        cameras: vec!["gate-2".into()],
        from: Some(UtcTime::from_unix_ns(5)),
        to: Some(UtcTime::from_unix_ns(9)),
        limit: Some(3),
        min_duration_s: Some(2.0),
        min_height: Some(0.5),
        ..Default::default()
    });
    let answer = ask.search(&asked).unwrap();
    let query = ask.store.asked.lock().unwrap().pop().unwrap();
    assert_eq!((query.kind, query.limit), (sink::QueryKind::Time, 3));
    let expected = sink::Filter {
        cameras: vec!["gate-2".into()],
        from_ns: Some(5),
        to_ns: Some(9),
        min_duration_ns: Some(2_000_000_000),
        min_size: Some(0.5),
        ..sink::Filter::default()
    };
    assert_eq!(query.filter, expected);
    let found = &answer.hits[0];
    assert_eq!(
        (
            found.start.unix_ns(),
            found.end.unix_ns(),
            found.best.unix_ns()
        ),
        (1_000_000_000, 2_000_000_000, 1_500_000_000)
    );
    assert_eq!(
        (found.rank, found.similarity, found.score),
        (1, Some(0.5), None)
    );
    assert_eq!(
        found.thumbnail_sha256.as_deref(),
        Some("ab".repeat(32).as_str())
    );
    let seen = &answer.coverage[0];
    assert_eq!(
        (seen.watched[0].end.unix_ns(), seen.blind[0].end.unix_ns()),
        (2, 3)
    );
    assert_eq!(
        (seen.frames_seen, seen.frames_dropped, seen.clock_error_s),
        (4, 5, Some(-0.25))
    );
    assert_eq!(
        (answer.calibrated, answer.calibration.as_deref()),
        (false, Some("not calibrated"))
    );
    // The fake compares even what it was not asked to compare.
    assert_eq!(
        answer.why_uncalibrated.as_deref(),
        Some("no table says what likenesses between pictures are worth")
    );
    assert_eq!((answer.searched, answer.is_exact), (12, true));
}

#[test]
fn a_picture_is_encoded_and_asked_by_its_vector_and_model() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = EncodeQueue::start("size@0123456789ab".into(), || Ok(SizeOf)).unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), Some(encoder));
    ask.search(&question(SearchRequest {
        image: Some(PictureBytes(picture())),
        ..Default::default()
    }))
    .unwrap();
    let query = ask.store.asked.lock().unwrap().pop().unwrap();
    let expected = sink::QueryKind::Vector {
        name: "appearance".into(),
        model: "size@0123456789ab".into(),
        values: vec![16.0, 32.0],
    };
    assert_eq!(query.kind, expected);
    assert_eq!(
        ask.status().unwrap().image_model.as_deref(),
        Some("size@0123456789ab")
    );
}

/// Says that it is a model.
struct Named(&'static str);

impl EncodeQuery for Named {
    fn encode(&mut self, _: &Picture) -> Result<QueryVector, Error> {
        Ok(QueryVector {
            name: "appearance".into(),
            model: self.0.into(),
            values: vec![1.0],
            ..QueryVector::default()
        })
    }
}

#[test]
fn no_question_fails_or_meets_another_model_while_the_store_moves() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &'static str| EncodeQueue::start(name.into(), move || Ok(Named(name)));
    let store = Fixed::new(folder.path());
    *store.model.lock().unwrap() = "old";
    let ask = StoreAsk::new(store, Some(start("old").unwrap()));
    let by_picture = question(SearchRequest {
        image: Some(PictureBytes(picture())),
        ..Default::default()
    });
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    assert_eq!(ask.search(&by_picture).unwrap().hits.len(), 1);
                }
            });
        }
        for name in ["new", "newer", "newest"] {
            let mut encoder = Some(start(name).unwrap());
            let refused = ask.exchange(&mut encoder, || Err("a full disk"));
            assert_eq!(
                refused,
                Err("a full disk"),
                "and all goes on by the old one"
            );
            ask.exchange(&mut encoder, || {
                *ask.store.model.lock().unwrap() = name;
                Ok::<(), Error>(())
            })
            .unwrap();
            assert_eq!(ask.status().unwrap().image_model.as_deref(), Some(name));
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_sentence_is_asked_by_its_vector_and_its_hits_carry_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = EncodeQueue::start("size@0123456789ab".into(), || Ok(SizeOf)).unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), Some(encoder));
    let answer = ask
        .search(&question(SearchRequest {
            text: Some("a man without a hat".into()),
            ..Default::default()
        }))
        .unwrap();
    let query = ask.store.asked.lock().unwrap().pop().unwrap();
    let expected = sink::QueryKind::Vector {
        name: "joint".into(),
        model: "pair@0123456789ab".into(),
        values: vec![5.0, 1.0],
    };
    assert_eq!(query.kind, expected);
    // No evidence either way at a similarity of one half, so the prior: one half, two tracks, twelve searched.
    let score = answer.hits[0].score.unwrap();
    assert!((score - 1.0 / 12.0).abs() < 1e-6, "{score}");
    assert!(answer.calibrated && answer.calibration.is_none());
    assert_eq!(
        (answer.why_uncalibrated, answer.notes),
        (None, vec!["a note".into()])
    );
    let clause = ClauseScore {
        text: "red coat".into(),
        score: Some(0.25),
        similarity: 0.75,
    };
    assert_eq!(answer.hits[0].clauses, [clause]);
    assert!(ask.status().unwrap().can_search_text);
}

#[test]
fn what_is_not_installed_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), None);
    let picture = question(SearchRequest {
        image: Some(PictureBytes(vec![1])),
        ..Default::default()
    });
    assert_eq!(ask.search(&picture).unwrap_err().status(), 501);
    let text = question(SearchRequest {
        text: Some("a red coat".into()),
        ..Default::default()
    });
    assert_eq!(
        ask.search(&text).unwrap_err().to_string(),
        crate::TEXT_NOT_INSTALLED
    );
}

#[test]
fn a_query_the_store_refuses_is_a_bad_request_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), None);
    let error = ask
        .search(&question(SearchRequest {
            limit: Some(7),
            ..Default::default()
        }))
        .unwrap_err();
    assert_eq!(
        (error.status(), error.to_string().as_str()),
        (400, "track is not stored")
    );
}

#[test]
fn a_picture_is_read_from_its_place_and_a_removed_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), None);
    let digest = PictureDigest::new(&"ab".repeat(32)).unwrap();
    assert_eq!(ask.thumbnail(&digest).unwrap(), None);
    let path = picture_path(folder.path(), &digest);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, [1, 2]).unwrap();
    assert_eq!(ask.thumbnail(&digest).unwrap(), Some(vec![1, 2]));
}

#[test]
fn examples_reach_the_store_beside_a_sentence_whose_probabilities_they_end() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = EncodeQueue::start("size@0123456789ab".into(), || Ok(SizeOf)).unwrap();
    let ask = StoreAsk::new(Fixed::new(folder.path()), Some(encoder));
    let track = sink::TrackId::derive("harbour", "gate-2", 1, 0);
    let examples = |text: Option<&str>| SearchRequest {
        text: text.map(str::to_owned),
        like: vec![track.to_string()],
        ..Default::default()
    };
    let answer = ask.search(&question(examples(Some("a man")))).unwrap();
    let query = ask.store.asked.lock().unwrap().pop().unwrap();
    let direction = sink::Direction {
        model: "pair@0123456789ab".into(),
        values: vec![5.0, 0.0],
    };
    let of = |name: &str, also| sink::QueryKind::Examples {
        name: name.into(),
        also,
        like: vec![track],
        unlike: Vec::new(),
    };
    assert_eq!(query.kind, of("joint", Some(direction)));
    assert!(!answer.calibrated && answer.hits[0].score.is_none());
    let why = answer.why_uncalibrated.unwrap();
    assert!(why.contains("without examples"), "{why}");
    ask.search(&question(examples(None))).unwrap();
    let query = ask.store.asked.lock().unwrap().pop().unwrap();
    assert_eq!(query.kind, of("appearance", None));
}
