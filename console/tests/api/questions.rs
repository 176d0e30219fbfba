//! What is asked arrives, and what is answered comes back.

use sightline_console::{
    By, Client, CoverageRequest, Error, ForgetRequest, PictureBytes, PictureDigest, SearchRequest,
    TEXT_NOT_INSTALLED, UtcTime,
};

use crate::{Running, TRACK, coverage, hit, message, post, raw};

#[tokio::test]
async fn every_part_of_a_search_arrives_and_its_answer_comes_back() {
    let (memory, server) = Running::memory();
    let client = Client::connect(&server.path).unwrap();
    let request = SearchRequest {
        image: Some(PictureBytes(vec![1, 2, 3])),
        cameras: vec!["b".into(), "a".into(), "b".into()],
        from: Some(UtcTime::from_unix_ns(5)),
        to: Some(UtcTime::from_unix_ns(9)),
        limit: Some(3),
        min_duration_s: Some(1.5),
        min_height: Some(0.25),
        ..Default::default()
    };
    let answer = client.search(&request).await.unwrap();
    assert_eq!(answer.hits, [hit()]);
    assert_eq!(answer.coverage, [coverage()]);
    let asked = memory.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.by, By::Picture(PictureBytes(vec![1, 2, 3])));
    assert_eq!(asked.window.cameras, ["a", "b"]);
    assert_eq!(
        (asked.window.from_ns, asked.window.to_ns),
        (Some(5), Some(9))
    );
    assert_eq!(
        (asked.limit, asked.min_duration_ns, asked.min_height),
        (3, Some(1_500_000_000), Some(0.25))
    );
}

#[tokio::test]
async fn a_sentence_is_refused_with_the_words_that_say_what_to_do() {
    let (_, server) = Running::memory();
    let request = SearchRequest {
        text: Some("a red coat".into()),
        ..Default::default()
    };
    let error = Client::connect(&server.path)
        .unwrap()
        .search(&request)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Answered { status: 501, .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "text search needs the joint model, which is off or not installed; search by --image or --track"
    );
    assert_eq!(error.to_string(), TEXT_NOT_INSTALLED);
}

#[tokio::test]
async fn an_unknown_track_is_not_found_in_one_line() {
    let (_, server) = Running::memory();
    let (status, body) = raw(
        &server.path,
        &post(&format!(r#"{{"track":"{}"}}"#, TRACK.replace('d', "e"))),
    )
    .await;
    assert_eq!(status, 404);
    assert!(message(&body).ends_with("is stored"));
}

#[tokio::test]
async fn times_on_the_wire_are_rfc_3339_in_utc_and_the_score_is_null() {
    let (_, server) = Running::memory();
    let (status, body) = raw(&server.path, &post("{}")).await;
    assert_eq!(status, 200);
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["hits"][0]["end"], "2026-03-01T14:00:04.5Z");
    assert!(value["hits"][0]["score"].is_null());
    assert_eq!(value["calibration"], "not calibrated");
    assert_eq!(value["coverage"][0]["indexed_to"], "1970-01-01T00:00:00.9Z");
}

#[tokio::test]
async fn coverage_status_and_thumbnails_are_served() {
    let (memory, server) = Running::memory();
    let client = Client::connect(&server.path).unwrap();
    let request = CoverageRequest {
        cameras: vec!["gate 2&from=x".into()],
        from: Some(UtcTime::from_unix_ns(1_500_000_000)),
        to: None,
    };
    assert_eq!(
        client.coverage(&request).await.unwrap().coverage,
        [coverage()]
    );
    let window = memory.windows.lock().unwrap().pop().unwrap();
    assert_eq!(
        (window.cameras, window.from_ns, window.to_ns),
        (request.cameras, Some(1_500_000_000), None)
    );
    assert_eq!(client.status().await.unwrap().tracks, 7);
    let digest = PictureDigest::new(&"ab".repeat(32)).unwrap();
    assert_eq!(
        &client.thumbnail(&digest).await.unwrap()[..],
        [0xff, 0xd8, 0xff, 0xd9]
    );
    let missing = PictureDigest::new(&"cd".repeat(32)).unwrap();
    assert!(matches!(
        client.thumbnail(&missing).await,
        Err(Error::Answered { status: 404, .. })
    ));
}

#[tokio::test]
async fn forgetting_is_asked_for_by_post_and_audited() {
    let (_, server) = Running::memory();
    let client = Client::connect(&server.path).unwrap();
    let request = ForgetRequest {
        track: Some(TRACK.into()),
        dry_run: true,
        ..ForgetRequest::default()
    };
    let answer = client.forget(&request).await.unwrap();
    assert!(answer.dry_run && answer.tracks[0].contains(TRACK));
    let nothing = client.forget(&ForgetRequest::default()).await.unwrap_err();
    assert!(matches!(nothing, Error::Answered { status: 400, .. }));
    let events = server.ledger.0.lock().unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.kind, event.status, event.hits))
        .collect();
    assert_eq!(told, [("forget", 200, 1), ("forget", 400, 0)]);
}

#[tokio::test]
async fn the_audit_names_the_user_and_the_kind_of_each_question() {
    let (_, server) = Running::memory();
    let client = Client::connect(&server.path).unwrap();
    let secret = SearchRequest {
        image: Some(PictureBytes(vec![9; 40])),
        ..Default::default()
    };
    client.search(&secret).await.unwrap();
    client
        .search(&SearchRequest {
            text: Some("a secret".into()),
            ..Default::default()
        })
        .await
        .unwrap_err();
    raw(&server.path, &post("{")).await;
    client.status().await.unwrap();
    let events = server.ledger.0.lock().unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.kind, event.status, event.hits))
        .collect();
    assert_eq!(
        told,
        [
            ("image", 200, 1),
            ("text", 501, 0),
            ("invalid", 400, 0),
            ("status", 200, 0)
        ]
    );
    let (uid, pid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getpid().as_raw_nonzero().get(),
    );
    for event in events.iter() {
        let peer = event.peer.unwrap();
        assert_eq!((peer.uid, peer.pid), (uid, Some(pid)));
    }
    assert!(!format!("{events:?}").contains("secret"));
}
