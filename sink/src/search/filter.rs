//! A [`Filter`] in the engine's words, and the exact check behind it.

use serde_json::{Value, json};

use super::query::Filter;
use crate::store::points::{ExemplarPayload, TrackletPayload};

impl Filter {
    /// What tracklets must meet. Times are rounded outwards to microseconds.
    pub(super) fn for_tracklets(&self) -> Option<Value> {
        let mut must = self.places();
        must.extend(
            self.person
                .map(|person| json!({ "key": "person", "match": { "value": person } })),
        );
        must.extend(
            self.from_ns
                .map(|ns| range("end_us", "gte", ns.div_euclid(1000))),
        );
        must.extend(
            self.to_ns
                .map(|ns| range("start_us", "lte", ns.div_euclid(1000))),
        );
        must.extend(
            self.min_duration_ns
                .map(|ns| range("duration_us", "gte", ns.div_euclid(1000))),
        );
        must.extend(
            self.max_duration_ns
                .map(|ns| range("duration_us", "lte", ns.div_euclid(1000))),
        );
        // The index holds the size as a wider float; a hair less lets the exact check decide.
        must.extend(
            self.min_size
                .map(|size| json!({ "key": "size", "range": { "gte": f64::from(size) - 1e-6 } })),
        );
        (!must.is_empty()).then(|| json!({ "must": must }))
    }

    /// What sightings must meet to stand for their track.
    pub(super) fn for_exemplars(&self) -> Option<Value> {
        let mut must = self.places();
        must.extend(
            self.from_ns
                .map(|ns| range("capture_us", "gte", ns.div_euclid(1000))),
        );
        must.extend(
            self.to_ns
                .map(|ns| range("capture_us", "lte", ns.div_euclid(1000))),
        );
        (!must.is_empty()).then(|| json!({ "must": must }))
    }

    /// The part of the filter that says where and when, without how long and how large.
    pub(super) fn place_and_time(&self) -> Self {
        Self {
            min_duration_ns: None,
            max_duration_ns: None,
            min_size: None,
            ..self.clone()
        }
    }

    fn places(&self) -> Vec<Value> {
        let mut must = Vec::new();
        if !self.cameras.is_empty() {
            must.push(json!({ "key": "camera", "match": { "any": self.cameras } }));
        }
        must.extend(
            self.site
                .as_ref()
                .map(|site| json!({ "key": "site", "match": { "value": site } })),
        );
        must
    }

    /// Whether a track passes.
    pub(super) fn passes(&self, track: &TrackletPayload) -> bool {
        let duration_ns = track.end_ns - track.start_ns;
        (self.cameras.is_empty() || self.cameras.contains(&track.camera))
            && self.site.as_ref().is_none_or(|site| *site == track.site)
            && self
                .person
                .is_none_or(|person| track.person.as_deref() == Some(person.to_string().as_str()))
            && self.from_ns.is_none_or(|ns| track.end_ns >= ns)
            && self.to_ns.is_none_or(|ns| track.start_ns <= ns)
            && self.min_duration_ns.is_none_or(|ns| duration_ns >= ns)
            && self.max_duration_ns.is_none_or(|ns| duration_ns <= ns)
            && self.min_size.is_none_or(|size| track.size >= size)
    }

    /// Whether a sighting may stand for its track.
    pub(super) fn passes_exemplar(&self, exemplar: &ExemplarPayload) -> bool {
        self.from_ns.is_none_or(|ns| exemplar.capture_ns >= ns)
            && self.to_ns.is_none_or(|ns| exemplar.capture_ns <= ns)
    }
}

fn range(key: &str, bound: &str, value: i64) -> Value {
    json!({ "key": key, "range": { bound: value } })
}
