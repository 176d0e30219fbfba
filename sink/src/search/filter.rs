//! A [`Filter`] as conditions on points, and the exact check behind it.

use super::query::Filter;
use crate::store::engine::{Condition, Where};
use crate::store::points::{ExemplarPayload, TrackletPayload};

impl Filter {
    /// What tracklets must meet. Times are rounded outwards to microseconds.
    pub(super) fn for_tracklets(&self) -> Where {
        let mut must = self.places();
        let us = |ns: i64| ns.div_euclid(1000);
        must.extend(self.person.map(|person| Condition::is("person", &person)));
        must.extend(self.from_ns.map(|ns| Condition::at_least("end_us", us(ns))));
        must.extend(self.to_ns.map(|ns| Condition::at_most("start_us", us(ns))));
        must.extend(
            self.min_duration_ns
                .map(|ns| Condition::at_least("duration_us", us(ns))),
        );
        must.extend(
            self.max_duration_ns
                .map(|ns| Condition::at_most("duration_us", us(ns))),
        );
        // The index holds the size as a wider float; a hair less lets the exact check decide.
        must.extend(
            self.min_size
                .map(|size| Condition::Range("size", Some(f64::from(size) - 1e-6), None)),
        );
        Where::all_of(must)
    }

    /// What sightings must meet to stand for their track.
    pub(super) fn for_exemplars(&self) -> Where {
        let mut must = self.places();
        let us = |ns: i64| ns.div_euclid(1000);
        must.extend(
            self.from_ns
                .map(|ns| Condition::at_least("capture_us", us(ns))),
        );
        must.extend(
            self.to_ns
                .map(|ns| Condition::at_most("capture_us", us(ns))),
        );
        Where::all_of(must)
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

    fn places(&self) -> Vec<Condition> {
        let mut must = Vec::new();
        if !self.cameras.is_empty() {
            must.push(Condition::any("camera", &self.cameras));
        }
        must.extend(self.site.as_ref().map(|site| Condition::is("site", site)));
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
