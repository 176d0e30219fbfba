//! How bright it was where the truth's people stood: looked at while frames go by.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ndarray::s;
use sightline_eval::read::{GroundTruth, Role};

use crate::ingest::Frame;

/// Mean luma, 0 to 255, by camera, frame (from 1) and identity.
pub type Light = HashMap<(usize, u32, u64), u8>;

/// Points along each side of a box that are looked at.
const POINTS: usize = 8;

/// Identity and box: left, top, width, height in pixels.
type Person = (u64, [f64; 4]);

/// Looks at the frames of recordings whose truth is known.
pub struct LightMeter {
    /// By camera and frame.
    people: HashMap<(usize, u32), Vec<Person>>,
    light: Mutex<Light>,
}

impl LightMeter {
    /// Looks at what counts of these truths, in the order of the cameras.
    #[must_use]
    pub fn new(truths: &[GroundTruth]) -> Self {
        let mut people: HashMap<_, Vec<_>> = HashMap::new();
        for (camera, truth) in truths.iter().enumerate() {
            for (observation, role) in truth.observations.iter().zip(&truth.roles) {
                if *role == Role::Counted {
                    let frame = people.entry((camera, observation.frame)).or_default();
                    frame.push((observation.id, observation.bbox));
                }
            }
        }
        Self {
            people,
            light: Mutex::default(),
        }
    }

    /// Looks at a frame.
    pub fn see(&self, frame: &Frame) {
        let Ok(number) = u32::try_from(frame.sequence + 1) else {
            return;
        };
        let Some(people) = self.people.get(&(frame.camera_index, number)) else {
            return;
        };
        let luma = frame.luma();
        let (height, width) = luma.dim();
        let mut light = self.light.lock().unwrap_or_else(PoisonError::into_inner);
        for (identity, [left, top, box_width, box_height]) in people {
            let inside = |from: f64, length: f64, limit: usize| {
                let end = (from + length).clamp(0.0, limit as f64) as usize;
                (from.max(0.0) as usize).min(end)..end
            };
            let (columns, rows) = (
                inside(*left, *box_width, width),
                inside(*top, *box_height, height),
            );
            let steps = [rows.len(), columns.len()].map(|length| length.div_ceil(POINTS).max(1));
            let seen = luma.slice(s![rows;steps[0], columns;steps[1]]);
            if seen.is_empty() {
                continue;
            }
            let sum: usize = seen.iter().map(|code| usize::from(*code)).sum();
            let mean = u8::try_from(sum / seen.len()).unwrap_or(u8::MAX);
            light.insert((frame.camera_index, number, *identity), mean);
        }
    }

    /// What was seen so far.
    #[must_use]
    pub fn light(&self) -> Light {
        let light = self.light.lock().unwrap_or_else(PoisonError::into_inner);
        light.clone()
    }
}
