//! Live cameras that behave: codecs, transports, credentials, time, masks, changed configuration.

use std::time::Duration;

use sightline::ingest::{
    Address, CameraState, Credentials, DropReason, Frame, FrameRate, LiveSpec, Polygon, TimeSource,
    Transport, probe,
};
use sightline_tests::footage::{self, Made};
use sightline_tests::rtsp::{
    Challenge, Codec, Options, RtspServer, Scene, SenderClock, Stream, self_signed,
};

use crate::watch::{Watch, spec};

pub fn camera(codec: Codec) -> RtspServer {
    RtspServer::start(Options::new(Stream::pattern(codec, 320, 240, 15))).unwrap()
}

#[test]
fn h264_h265_and_mjpeg_cameras_are_watched_at_once() {
    let cameras = [
        camera(Codec::H264),
        camera(Codec::H265),
        camera(Codec::Mjpeg),
    ];
    let names = ["h264", "h265", "mjpeg"];
    let specs = names
        .iter()
        .zip(&cameras)
        .map(|(name, camera)| spec(name, &camera.url()));
    let mut watch = Watch::new(specs.collect());
    for name in names {
        let frame = watch.next_that(name, |frame| &*frame.camera == name);
        assert_eq!((frame.width(), frame.height()), (320, 240));
        assert_eq!(watch.live.index(name), Some(frame.camera_index));
    }
    for name in names {
        // It is told once the camera's thread has seen the first picture.
        watch.until("its decoder", |live| {
            live.status(name).unwrap().decoder.is_some()
        });
    }
}

#[test]
fn a_camera_over_udp_is_watched() {
    let camera = camera(Codec::H264);
    let mut spec = spec("gate", &camera.url());
    spec.transport = Transport::Udp;
    Watch::new(vec![spec]).next();
}

#[test]
fn right_credentials_open_the_camera_and_wrong_ones_are_never_shown() {
    for challenge in [Challenge::Basic, Challenge::Digest] {
        let mut options = Options::new(Stream::pattern(Codec::H264, 320, 240, 15));
        options.credentials = Some(("viewer".to_owned(), "right-secret".to_owned()));
        options.challenge = challenge;
        let camera = RtspServer::start(options).unwrap();
        let with = |password: &str| {
            let mut spec = spec("gate", &camera.url());
            let credentials = Credentials {
                user: "viewer".to_owned(),
                password: password.to_owned(),
            };
            spec.address = spec.address.with_credentials(Some(credentials));
            spec
        };
        Watch::new(vec![with("right-secret")]).next();
        let mut watch = Watch::new(vec![with("wrong-secret")]);
        let reason = watch.lost("gate");
        assert!(reason.contains("user and password"), "{reason}");
        let shown = format!("{reason} {:?} {:?}", watch.seen, with("wrong-secret"));
        assert!(!shown.contains("wrong-secret"), "{shown}");
    }
}

#[test]
fn a_tls_camera_is_watched_by_who_trusts_its_authority_and_refused_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, authority) = self_signed(folder.path()).unwrap();
    let mut options = Options::new(Stream::pattern(Codec::H264, 320, 240, 15));
    options.certificate = Some(certificate);
    let camera = RtspServer::start(options).unwrap();
    assert!(camera.url().starts_with("rtsps://"));
    let mut trusting = spec("gate", &camera.url());
    let wary = trusting.clone();
    trusting.ca_file = Some(authority);
    Watch::new(vec![trusting]).next();
    let mut watch = Watch::new(vec![wary]);
    watch.lost("gate");
    assert_eq!(watch.live.status("gate").unwrap().counts.frames, 0);
}

#[test]
fn a_file_of_authorities_without_any_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("ca.pem");
    fs_err::write(&empty, "no certificate").unwrap();
    let mut spec = spec("gate", "rtsps://127.0.0.1:9/cam");
    spec.ca_file = Some(empty.clone());
    let reason = Watch::new(vec![spec]).lost("gate");
    assert!(reason.contains(empty.to_str().unwrap()), "{reason}");
}

#[test]
fn capture_times_follow_the_sender_reports() {
    let camera = camera(Codec::H264);
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    let first = watch.next();
    assert_eq!(first.time_source, TimeSource::Arrival);
    let frame = watch.next_that("a frame with the sender's time", |frame| {
        frame.time_source == TimeSource::Sender
    });
    assert!(frame.capture_ns > first.capture_ns);
    // Camera and receiver share a clock here, so what is left is the way from one to the other.
    let error_ns = watch.live.status("gate").unwrap().clock_error_ns.unwrap();
    assert!(error_ns.abs() < 1_000_000_000, "{error_ns}");
}

#[test]
fn a_camera_whose_clock_was_never_set_is_timed_by_ours() {
    let mut options = Options::new(Stream::pattern(Codec::H264, 320, 240, 15));
    options.sender_clock = SenderClock::SinceBoot;
    let camera = RtspServer::start(options).unwrap();
    let mut watch = Watch::new(vec![spec("gate", &camera.url())]);
    let mut last_ns = 0;
    let mut frames_with_reports = 0;
    while frames_with_reports < 5 {
        let frame = watch.next();
        assert_eq!(frame.time_source, TimeSource::Arrival);
        assert!(frame.capture_ns > last_ns);
        last_ns = frame.capture_ns;
        if let Some(error_ns) = watch.live.status("gate").unwrap().clock_error_ns {
            // Time since the start of a machine is 1970, half a century behind.
            assert!(error_ns < -3_600_000_000_000, "{error_ns}");
            frames_with_reports += 1;
        }
    }
}

#[test]
fn every_picture_is_delivered_or_counted_under_its_reason() {
    let camera = camera(Codec::H264);
    let mut spec = spec("gate", &camera.url());
    spec.fps_cap = Some(FrameRate::try_new(5.0).unwrap());
    let mut watch = Watch::new(vec![spec]);
    let mut taken = 0;
    let mut last = None;
    while taken < 5 {
        let frame = watch.next();
        assert!(last.is_none_or(|last| frame.sequence > last));
        last = Some(frame.sequence);
        taken += 1;
    }
    // Nobody takes frames now; the newest stays, the others are superseded.
    watch.until("three superseded frames", |live| {
        let counts = live.status("gate").unwrap().counts;
        counts.dropped_for(DropReason::Overtaken) >= 3
    });
    let frame = watch.next();
    let counts = watch.live.status("gate").unwrap().counts;
    assert!(frame.sequence + 3 > last.unwrap() + counts.dropped_for(DropReason::Overtaken));
    assert!(counts.dropped_for(DropReason::RateCap) > 0, "{counts:?}");
    assert_eq!(counts.dropped_for(DropReason::Unusable), 0, "{counts:?}");
    let accounted = taken + 1 + counts.dropped.iter().sum::<u64>();
    // One more may have come while this was added up, and one may wait in the mailbox.
    assert!(
        counts.frames.abs_diff(accounted) <= 2,
        "{counts:?}, {taken} taken"
    );
}

#[test]
fn privacy_masks_of_a_live_camera_are_black() {
    let camera = camera(Codec::H264);
    let mut spec = spec("gate", &camera.url());
    spec.masks = vec![Polygon::rectangle(0.0, 0.0, 1.0, 0.5).unwrap()];
    let mut watch = Watch::new(vec![spec]);
    for _ in 0..5 {
        let frame = watch.next();
        let upper = frame.luma().slice_move(ndarray::s![..120, ..]);
        assert!(upper.iter().all(|&value| value == 16));
    }
}

#[test]
fn people_are_found_on_the_detection_stream_and_cut_from_the_main_one() {
    let main = camera(Codec::H264);
    let small =
        RtspServer::start(Options::new(Stream::pattern(Codec::H264, 160, 120, 15))).unwrap();
    let mut spec = spec("gate", &main.url());
    spec.detect_address = Some(Address::parse("gate", &small.url()).unwrap());
    let mut watch = Watch::new(vec![spec]);
    let size = |frame: &Frame| (frame.width(), frame.height());
    let frame = watch.next_that("a frame with a picture of the main stream", |frame| {
        size(frame.for_crops()) != (160, 120)
    });
    assert_eq!(size(&frame), (160, 120));
    assert_eq!(size(frame.for_crops()), (320, 240));
    let apart_ns = (frame.for_crops().capture_ns - frame.capture_ns).abs();
    assert!(apart_ns <= 100_000_000, "{apart_ns}");

    main.refuse();
    let frame = watch.next_that("a frame while the main stream is away", |frame| {
        size(frame.for_crops()) == (160, 120)
    });
    assert_eq!(size(&frame), (160, 120));
    let status = watch.live.status("gate").unwrap();
    assert_eq!(status.state, CameraState::Watching);
    assert!(status.main.unwrap().missed > 0);
    main.come_back().unwrap();
    watch.next_that("the main stream again", |frame| {
        size(frame.for_crops()) == (320, 240)
    });
}

#[test]
fn a_disabled_camera_is_left_alone() {
    let camera = camera(Codec::H264);
    let mut disabled = spec("gate", &camera.url());
    disabled.is_enabled = false;
    let mut watch = Watch::new(vec![disabled]);
    watch.state("gate", "disabled", |state| *state == CameraState::Disabled);
    assert_eq!(camera.clients(), 0);
}

#[test]
fn a_changed_list_disturbs_only_the_cameras_that_changed() {
    let (one, two) = (camera(Codec::H264), camera(Codec::H264));
    let (gate, hall) = (spec("gate", &one.url()), spec("hall", &two.url()));
    let mut watch = Watch::new(vec![gate.clone(), hall.clone()]);
    watch.next_that("gate", |frame| &*frame.camera == "gate");
    watch.next_that("hall", |frame| &*frame.camera == "hall");
    let mut changed = hall.clone();
    changed.masks = vec![Polygon::rectangle(0.0, 0.0, 1.0, 1.0).unwrap()];
    watch.live.apply(vec![gate.clone(), changed]).unwrap();
    watch.next_that("a masked picture of hall", |frame| {
        &*frame.camera == "hall" && frame.luma().iter().all(|&value| value == 16)
    });
    let before = watch.live.status("gate").unwrap().counts;
    assert_eq!(before.reconnects, 0);
    assert!(watch.live.apply(vec![gate.clone(), gate.clone()]).is_err());
    assert_eq!(watch.live.cameras().count(), 2);
    watch.live.apply(vec![gate]).unwrap();
    assert_eq!(watch.live.cameras().count(), 1);
    watch.next_that("gate", |frame| &*frame.camera == "gate");
}

#[test]
fn a_file_plays_in_real_time_in_place_of_a_camera() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    Made::small(15).record("jpegenc ! avimux", &path).unwrap();
    let mut watch = Watch::new(vec![spec("gate", &format!("file://{}", path.display()))]);
    let first = watch.next();
    let last = watch.next_that("the last frame", |frame| frame.sequence == 14);
    let span_s = (last.capture_ns - first.capture_ns) as f64 / 1e9;
    assert!(span_s > 1.0, "{span_s}");
    // Its end is a fault like any other, and it starts again.
    watch.lost("gate");
    watch.watching("gate");
}

#[test]
fn real_footage_is_watched_over_rtsp() {
    let Some(path) = footage::find("real_footage_is_watched_over_rtsp", footage::PEOPLE).unwrap()
    else {
        return;
    };
    let stream = Stream {
        scene: Scene::File(path),
        codec: Codec::H264,
    };
    let camera = RtspServer::start(Options::new(stream)).unwrap();
    let frame = Watch::new(vec![spec("gate", &camera.url())]).next();
    assert_eq!((frame.width(), frame.height()), (768, 432));
}

#[test]
fn a_probe_tells_what_a_camera_sends() {
    let camera = camera(Codec::H264);
    let report = probe(&spec("gate", &camera.url()), Duration::from_secs(60)).unwrap();
    assert_eq!((report.width, report.height), (320, 240));
    assert_eq!(report.codec.as_deref(), Some("H264"));
    assert!(
        report.decoder.is_some() && report.has_sender_reports,
        "{report:?}"
    );
    assert!((5.0..40.0).contains(&report.fps), "{report:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["address"], camera.url());
}

#[test]
fn a_probe_of_a_camera_that_is_not_there_says_so_in_one_line() {
    let camera = camera(Codec::H264);
    let url = camera
        .url()
        .replace("rtsp://", "rtsp://viewer:hidden-secret@");
    camera.refuse();
    let spec = LiveSpec::new("gate", Address::parse("gate", &url).unwrap());
    let error = probe(&spec, Duration::from_secs(30))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("camera `gate`") && !error.contains('\n'),
        "{error}"
    );
    assert!(
        !error.contains("no picture within"),
        "it waited in place of hearing the answer: {error}"
    );
    assert!(!error.contains("hidden-secret"), "{error}");
}
