//! Boxes and a site whose models are not the same, as before, while and after one of them changes its own.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::store::{Embed, VectorSpec};

/// The model of the site.
struct Fake;

impl Embed for Fake {
    fn embed(
        &mut self,
        _: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        let look = |picture: &Vec<u8>| {
            let hash = Sha256::digest(picture);
            hash.iter()
                .take(4)
                .map(|byte| f32::from(*byte) - 127.5)
                .collect()
        };
        Ok(pictures.iter().map(|picture| Some(look(picture))).collect())
    }
}

/// Events by a model that the site does not have any more.
fn by_another(count: u32) -> Vec<Event> {
    let mut events = events(count);
    for event in &mut events {
        if let Event::Sighting(sighting) = event {
            let of_state = &mut sighting.state.vectors;
            for vector in sighting.vectors.iter_mut().chain(of_state) {
                vector.model = "old@ba9876543210".to_owned();
            }
        }
    }
    events
}

#[test]
fn sightings_by_another_model_are_embedded_anew_even_when_they_were_dead_before() {
    let test = "sightings_by_another_model_are_embedded_anew_even_when_they_were_dead_before";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = by_another(600);
    let (first, second) = events.split_at(300);
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), first);
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    assert_eq!(receiver.status().dead, sightings(first));
    assert_eq!(store.status().unwrap().exemplars, 0);
    receiver.close().unwrap();

    append(&publisher.writer(), second);
    publisher.drain(LONG).unwrap();
    let options = ReceiverOptions::new(log.clone());
    let receiver = Receiver::start_embedding(Arc::clone(&store), options, Box::new(Fake)).unwrap();
    let retried = retry_dead_letters(&log, LONG).unwrap();
    assert_eq!(retried as u64, sightings(first));
    until("all are embedded", || {
        receiver.status().embedded == sightings(&events)
    });
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!(
        (status.dead, status.applied.refused, status.lost),
        (0, 0, 0)
    );
    receiver.close().unwrap();
    assert_eq!(store.status().unwrap().exemplars, sightings(&events));
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
}
