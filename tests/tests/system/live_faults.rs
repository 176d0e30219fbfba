//! Live cameras that misbehave. Each must come back by itself, and disturb nobody else.

use std::io::{Read, Write};
use std::net::TcpListener;

use sightline::ingest::CameraState;
use sightline_tests::rtsp::{Codec, Stream};

use crate::live::camera;
use crate::watch::{Watch, spec};

#[test]
fn a_camera_that_refuses_is_tried_until_it_comes() {
    let camera = camera(Codec::H264);
    camera.refuse();
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    watch.lost("gate");
    let reason = watch.lost("gate");
    assert!(reason.contains("check"), "{reason}");
    assert!(matches!(
        watch.live.status("gate").unwrap().state,
        CameraState::Refused { .. } | CameraState::Connecting
    ));
    camera.come_back().unwrap();
    watch.watching("gate");
    assert!(watch.live.status("gate").unwrap().counts.reconnects >= 2);
}

#[test]
fn a_camera_without_the_stream_says_so() {
    let camera = camera(Codec::H264);
    camera.unmount();
    let reason = Watch::new(vec![spec("gate", &camera.url())]).lost("gate");
    assert!(reason.contains("path"), "{reason}");
}

#[test]
fn a_camera_that_hangs_up_is_reopened() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    for _ in 0..3 {
        watch.watching("gate");
        camera.hang_up().unwrap();
        watch.lost("gate");
    }
    watch.watching("gate");
    let before = watch.live.status("gate").unwrap().counts.frames;
    watch.next_that("a frame after all that", |frame| frame.sequence >= before);
}

#[test]
fn a_camera_that_stalls_with_the_connection_open_is_reopened() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    watch.watching("gate");
    camera.stall(true);
    let reason = watch.lost("gate");
    assert!(
        reason.contains("although the connection stands"),
        "{reason}"
    );
    assert_eq!(watch.live.status("gate").unwrap().counts.stalls, 1);
    camera.stall(false);
    watch.watching("gate");
}

#[test]
fn a_camera_that_sends_garbage_is_watched_again_when_it_stops() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    watch.watching("gate");
    camera.garble(true);
    watch.lost("gate");
    camera.garble(false);
    watch.watching("gate");
    watch.next();
}

#[test]
fn a_port_that_speaks_no_rtsp_is_refused_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talker = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            assert!(read > 0);
            let noise: Vec<u8> = (0..4096u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            // The other side may have hung up by now.
            let _is_heard = stream.write_all(&noise).is_ok();
        }
    });
    let mut watch = Watch::new(vec![spec("gate", &format!("rtsp://127.0.0.1:{port}/cam"))]);
    watch.lost("gate");
    watch.lost("gate");
    drop(watch);
    talker.join().unwrap();
}

#[test]
fn a_camera_that_changes_codec_is_watched_on() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    watch.watching("gate");
    let first = watch.live.status("gate").unwrap().decoder;
    camera
        .change(&Stream::pattern(Codec::H265, 320, 240, 15))
        .unwrap();
    watch.lost("gate");
    watch.watching("gate");
    let second = watch.live.status("gate").unwrap().decoder;
    assert!(
        first.is_some() && second.is_some() && first != second,
        "{first:?} {second:?}"
    );
    camera
        .change(&Stream::pattern(Codec::Mjpeg, 320, 240, 15))
        .unwrap();
    watch.lost("gate");
    watch.watching("gate");
    watch.next();
}

#[test]
fn a_camera_that_changes_size_in_mid_stream_is_watched_on() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    watch.next_that("the first size", |frame| frame.width() == 320);
    camera.resize(480, 368, 15);
    let frame = watch.next_that("the second size", |frame| frame.width() == 480);
    assert_eq!(frame.height(), 368);
}

#[test]
fn one_cameras_trouble_never_disturbs_another() {
    let (bad, good) = (camera(Codec::H264), camera(Codec::H264));
    let mut watch = Watch::new(vec![spec("bad", &bad.url()), spec("good", &good.url())]);
    watch.next_that("bad", |frame| &*frame.camera == "bad");
    watch.next_that("good", |frame| &*frame.camera == "good");
    bad.stall(true);
    watch.lost("bad");
    bad.refuse();
    watch.lost("bad");
    let seen = watch.live.status("good").unwrap().counts.frames;
    watch.next_that("good goes on", |frame| {
        &*frame.camera == "good" && frame.sequence > seen
    });
    let status = watch.live.status("good").unwrap();
    assert_eq!((status.counts.reconnects, status.counts.stalls), (0, 0));
    assert_eq!(status.state, CameraState::Watching);
}

#[test]
fn coverage_has_no_gaps_and_names_the_blind_stretch() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    watch.watching("gate");
    (0..5).for_each(|_| drop(watch.next()));
    camera.refuse();
    watch.lost("gate");
    watch.lost("gate");
    camera.come_back().unwrap();
    watch.watching("gate");
    (0..5).for_each(|_| drop(watch.next()));
    camera.hang_up().unwrap();
    watch.lost("gate");
    let stretches = watch.stretches("gate");
    for pair in stretches.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "{stretches:?}");
    }
    let kinds: Vec<bool> = stretches.iter().map(|s| s.2).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    // Blind while connecting, watched, blind, watched.
    assert!(changes >= 3, "{stretches:?}");
}

#[test]
fn ending_does_not_wait_for_a_camera_that_does_not_answer() {
    // Accepts connections and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut watch = Watch::new(vec![spec("gate", &format!("rtsp://127.0.0.1:{port}/cam"))]);
    watch.state("gate", "connecting", |state| {
        *state == CameraState::Connecting
    });
    let (held, _) = listener.accept().unwrap();
    let since = std::time::Instant::now();
    drop(watch);
    assert!(since.elapsed() < crate::watch::DEADLINE);
    drop(held);
}
