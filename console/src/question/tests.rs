use proptest::prelude::*;

use super::*;
use crate::wire::PictureBytes;

fn refused(request: SearchRequest) -> String {
    Question::try_from(request).unwrap_err().to_string()
}

#[test]
fn two_things_to_look_for_are_refused() {
    let request = SearchRequest {
        text: Some("red coat".into()),
        track: Some("67e55044-10b1-426f-9247-bb680e5fe0c8".into()),
        ..Default::default()
    };
    assert_eq!(
        refused(request),
        "expected a track, or text and image, not both"
    );
}

#[test]
fn words_and_a_picture_are_one_question_and_a_denial_needs_words() {
    let request = SearchRequest {
        text: Some("a man without a hat".into()),
        image: Some(PictureBytes(vec![1])),
        not: vec!["backpack".into()],
        ..Default::default()
    };
    let words = Words {
        text: "a man".into(),
        not: vec!["backpack".into(), "hat".into()],
    };
    assert_eq!(
        Question::try_from(request).unwrap().by,
        By::TextAndPicture(words, PictureBytes(vec![1]))
    );
    let alone = SearchRequest {
        not: vec!["hat".into()],
        ..Default::default()
    };
    assert!(refused(alone).starts_with("not: "));
    let many = SearchRequest {
        text: Some("a man without a hat, a bag, a scarf, an umbrella or gloves".into()),
        not: ["coat", "skirt", "cap", "Hat"].map(String::from).to_vec(),
        ..Default::default()
    };
    assert!(Question::try_from(many.clone()).is_ok());
    let more = SearchRequest {
        not: ["coat", "skirt", "cap", "dress"].map(String::from).to_vec(),
        ..many
    };
    assert!(refused(more).starts_with("not: 9 things"));
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let time = |ns| Some(UtcTime::from_unix_ns(ns));
    let cases = [
        (
            SearchRequest {
                limit: Some(0),
                ..Default::default()
            },
            "limit: 0",
        ),
        (
            SearchRequest {
                limit: Some(1001),
                ..Default::default()
            },
            "limit: 1001",
        ),
        (
            SearchRequest {
                track: Some("7".into()),
                ..Default::default()
            },
            "track: `7`",
        ),
        (
            SearchRequest {
                text: Some("  ".into()),
                ..Default::default()
            },
            "text: is empty",
        ),
        (
            SearchRequest {
                text: Some(" ?! ".into()),
                ..Default::default()
            },
            "text: has no word",
        ),
        (
            SearchRequest {
                image: Some(PictureBytes(vec![])),
                ..Default::default()
            },
            "image: is empty",
        ),
        (
            SearchRequest {
                from: time(2),
                to: time(2),
                ..Default::default()
            },
            "to: ",
        ),
        (
            SearchRequest {
                min_height: Some(f64::NAN),
                ..Default::default()
            },
            "min_height: NaN",
        ),
        (
            SearchRequest {
                min_duration_s: Some(-1.0),
                ..Default::default()
            },
            "min_duration_s: -1",
        ),
        (
            SearchRequest {
                cameras: vec![String::new()],
                ..Default::default()
            },
            "cameras: ``",
        ),
        (
            SearchRequest {
                cameras: vec!["a\nb".into()],
                ..Default::default()
            },
            "cameras: `a b`",
        ),
    ];
    for (request, start) in cases {
        let message = refused(request);
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn an_empty_request_browses_with_the_default_limit() {
    let question = Question::try_from(SearchRequest::default()).unwrap();
    assert_eq!(question.by, By::Browse);
    assert_eq!(question.limit, DEFAULT_LIMIT);
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic_or_answer_in_more_than_one_line(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(request) = serde_json::from_slice::<SearchRequest>(&bytes)
            && let Err(error) = Question::try_from(request)
        {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn what_passes_is_within_every_bound_and_survives_json(
        text in prop::option::of(".{0,40}"),
        track in prop::option::of("[0-9a-f-]{30,40}"),
        cameras in prop::collection::vec(".{0,20}", 0..5),
        from in prop::option::of(any::<i64>()),
        to in prop::option::of(any::<i64>()),
        limit in prop::option::of(any::<u32>()),
        // Shares that JSON's decimal text carries exactly.
        min_height in prop::option::of((-2048_i32..2048).prop_map(|n| f64::from(n) / 1024.0)),
        image in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
    ) {
        let request = SearchRequest {
            text, track, cameras, limit, min_height,
            image: image.map(PictureBytes),
            from: from.map(UtcTime::from_unix_ns),
            to: to.map(UtcTime::from_unix_ns),
            min_duration_s: None,
            persons: limit.is_some_and(|limit| limit % 2 == 0),
            ..SearchRequest::default()
        };
        let json = serde_json::to_vec(&request).unwrap();
        let again: SearchRequest = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&again, &request);
        match Question::try_from(again) {
            Ok(question) => {
                prop_assert!((1..=MAX_LIMIT).contains(&question.limit));
                prop_assert!(question.min_height.is_none_or(|h| (0.0..=1.0).contains(&h)));
                prop_assert!(question.window.cameras.is_sorted());
                if let (Some(from), Some(to)) = (question.window.from_ns, question.window.to_ns) {
                    prop_assert!(from < to);
                }
            }
            Err(error) => {
                prop_assert_eq!(error.status(), 400);
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}

#[test]
fn examples_stand_alone_or_beside_words_and_pictures_and_need_something_to_look_for() {
    const TRACK: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let id = Uuid::try_parse(TRACK).unwrap();
    let alone = Question::try_from(SearchRequest {
        like: vec![TRACK.into(), TRACK.to_uppercase()],
        ..Default::default()
    })
    .unwrap();
    assert_eq!(
        (alone.by.kind(), alone.examples.like),
        ("examples", vec![id])
    );
    let beside = Question::try_from(SearchRequest {
        text: Some("a red coat".into()),
        unlike: vec![TRACK.into()],
        ..Default::default()
    })
    .unwrap();
    assert_eq!(
        (beside.by.kind(), beside.examples.unlike),
        ("text", vec![id])
    );
    let of = |like: &[&str], unlike: &[&str], track: Option<&str>| SearchRequest {
        like: like.iter().map(ToString::to_string).collect(),
        unlike: unlike.iter().map(ToString::to_string).collect(),
        track: track.map(str::to_owned),
        ..Default::default()
    };
    for (request, start) in [
        (of(&[], &[TRACK], None), "unlike: "),
        (of(&["7"], &[], None), "like: `7` is no track id"),
        (of(&[TRACK], &[TRACK], None), "unlike: "),
        (of(&[TRACK], &[], Some(TRACK)), "track: "),
        (of(&[TRACK; 21], &[], None), "like: 21"),
    ] {
        let message = refused(request);
        assert!(message.starts_with(start), "{message}");
    }
}
