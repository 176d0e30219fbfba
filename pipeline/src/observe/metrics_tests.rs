use super::super::clock::fake::FakeClock;
use super::*;

fn metrics() -> (FakeClock, Metrics, Progress) {
    let time = FakeClock::default();
    let metrics = Metrics::new(time.clock());
    let progress = Progress::new(time.clock());
    (time, metrics, progress)
}

#[test]
fn every_name_of_the_list_is_registered() {
    let (_, metrics, progress) = metrics();
    // Metrics with labels show once there is something to show.
    metrics.camera("gate-2").frame_arrived();
    metrics.record(&query());
    progress.stage("detect", Duration::from_secs(1)).beat();
    let text = metrics.render(&progress).unwrap();
    for name in names::ALL {
        assert!(
            text.contains(&format!("# HELP {} ", name.registered())),
            "{} is not registered",
            name.name
        );
    }
    let helps = text
        .lines()
        .filter(|line| line.starts_with("# HELP"))
        .count();
    assert_eq!(
        helps,
        names::ALL.len(),
        "something is registered that the list lacks"
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_camera_s_handles_show_under_its_label_and_go_with_it() {
    let (time, metrics, progress) = metrics();
    let camera = metrics.camera("gate-2");
    camera.frames.inc();
    metrics.camera("gate-2").frames.inc();
    camera.frame_arrived();
    camera.count_dropped(DropReason::Overtaken);
    camera.clock_error.set(-0.25);
    time.advance(Duration::from_millis(1500));
    let text = metrics.render(&progress).unwrap();
    for line in [
        "sightline_ingest_frames_total{camera=\"gate-2\"} 2\n",
        "sightline_ingest_frames_dropped_total{camera=\"gate-2\",reason=\"overtaken\"} 1\n",
        "sightline_ingest_clock_error_seconds{camera=\"gate-2\"} -0.25\n",
        "sightline_ingest_frame_age_seconds{camera=\"gate-2\"} 1.5\n",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    metrics.forget_camera("gate-2");
    assert!(!metrics.render(&progress).unwrap().contains("gate-2"));
}

#[test]
fn a_camera_is_alive_while_its_newest_frame_is_young() {
    let (time, metrics, _) = metrics();
    let camera = metrics.camera("gate-2");
    assert_eq!(metrics.cameras_alive(Duration::MAX), 0);
    camera.frame_arrived();
    time.advance(Duration::from_secs(5));
    assert_eq!(metrics.cameras_alive(Duration::from_secs(5)), 1);
    assert_eq!(metrics.cameras_alive(Duration::from_secs(4)), 0);
}

#[test]
fn stuck_stages_and_memory_are_measured_on_reading() {
    let (time, metrics, progress) = metrics();
    let detect = progress.stage("detect", Duration::from_secs(1));
    detect.arrived(1);
    time.advance(Duration::from_secs(2));
    let text = metrics.render(&progress).unwrap();
    assert!(
        text.contains("sightline_stage_stuck{stage=\"detect\"} 1\n"),
        "{text}"
    );
    assert!(
        !text.contains("sightline_process_resident_bytes 0\n"),
        "{text}"
    );
    progress.remove("detect");
    assert!(
        !metrics
            .render(&progress)
            .unwrap()
            .contains("sightline_stage_stuck{stage=\"detect\"")
    );
}

#[test]
fn queries_are_counted_by_kind_and_status() {
    let (_, metrics, progress) = metrics();
    metrics.record(&query());
    let text = metrics.render(&progress).unwrap();
    assert!(
        text.contains("sightline_api_queries_total{kind=\"image\",status=\"200\"} 1\n"),
        "{text}"
    );
}

fn query() -> AuditEvent {
    AuditEvent {
        peer: None,
        kind: "image",
        cameras: 0,
        from_ns: None,
        to_ns: None,
        status: 200,
        hits: 3,
        took: Duration::ZERO,
    }
}
