//! Clocks that jump, on an edge box.

use super::*;

const DAY: i64 = 24 * 3600;

#[test]
fn events_whose_own_times_jump_are_all_indexed_in_order_per_track() {
    let test = "events_whose_own_times_jump_are_all_indexed_in_order_per_track";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A day and more into the future, back to 1970, forth again; each time some tracks and a heartbeat.
    let mut events = Vec::new();
    for (at, days) in [400, 430, 399, 0, 20_000, 401].into_iter().enumerate() {
        let from_ns = days * DAY * S;
        for number in 0..60 {
            let (track, sequence) = (number / 5, number % 5);
            let ordinal = at as u32 * 100 + track;
            let camera = format!("gate-{}", track % 3);
            events.push(Event::Sighting(Box::new(sighting(
                &camera,
                from_ns + i64::from(track) * S,
                ordinal,
                sequence,
            ))));
        }
        for camera in ["gate-0", "gate-1", "gate-2"] {
            let heartbeat = coverage(camera, from_ns, from_ns + 60 * S, true);
            events.push(Event::Coverage(heartbeat));
        }
    }
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost, status.trouble), (0, 0, None));
    assert_eq!(status.applied.stale, 0, "in order per track");
    assert_eq!(status.applied.coverage, 18);
    receiver.close().unwrap();
    assert_holds_points(&store, &events);
}
