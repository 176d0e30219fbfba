//! A Kalman filter over a box: centre, width and height, each with a constant velocity, in real time.
//!
//! In the filter of BoT-SORT (state `x, y, w, h` and their rates) no noise term couples the four coordinates, so its
//! 8 x 8 covariance is four 2 x 2 blocks. They are kept as such: a hundred times less work, and each block is symmetric by
//! construction. A turn of the camera would couple the axes; it is applied to the blocks alone, which is exact for shift
//! and zoom, and leaves out a cross term of second order for the small turns between two frames.
//!
//! Noise is a fraction of the box, as in BoT-SORT, but a rate: the time between two frames enters in seconds, so a
//! camera at 5 frames/s, a dropped frame and a camera at 30 are one and the same motion.

use serde::{Deserialize, Serialize};
use sightline_detector::BBox;

/// How much people and detectors are expected to wobble, relative to the size of the box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KalmanNoise {
    /// Standard deviation of a measured centre, in box widths (x) and heights (y).
    pub measured_centre: f32,
    /// Standard deviation of a measured width or height, in box widths and heights.
    pub measured_size: f32,
    /// Random walk of the centre, in box sizes per square root of a second.
    pub centre_walk: f32,
    /// Random walk of the centre's velocity, in box sizes per second per square root of a second.
    pub velocity_walk: f32,
    /// Random walk of width and height, in box sizes per square root of a second.
    pub size_walk: f32,
    /// Random walk of the rate of width and height, in box sizes per second per square root of a second.
    pub size_rate_walk: f32,
    /// Standard deviation of a new track's unknown velocity, in box heights per second.
    pub birth_velocity: f32,
}

impl Default for KalmanNoise {
    fn default() -> Self {
        Self {
            measured_centre: 0.05,
            measured_size: 0.05,
            centre_walk: 0.15,
            velocity_walk: 0.6,
            size_walk: 0.15,
            size_rate_walk: 0.2,
            birth_velocity: 1.0,
        }
    }
}

/// One coordinate and its rate, with their covariance `[[pp, pv], [pv, vv]]`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    value: f64,
    rate: f64,
    pp: f64,
    pv: f64,
    vv: f64,
}

/// Smallest variance kept, in square pixels: rounding never makes a block singular.
const LEAST_VARIANCE: f64 = 1e-6;
/// Largest variance kept: a track that coasts for an hour stays finite.
const MOST_VARIANCE: f64 = 1e12;
/// Farthest from the picture's corner that a track is followed, and fastest per second.
const FARTHEST_PX: f64 = 1e6;

impl Axis {
    fn new(value: f64, value_deviation: f64, rate_deviation: f64) -> Self {
        Self {
            value,
            rate: 0.0,
            pp: value_deviation * value_deviation,
            pv: 0.0,
            vv: rate_deviation * rate_deviation,
        }
        .bounded()
    }

    fn predict(&mut self, seconds: f64, walk: f64, rate_walk: f64) {
        let q = rate_walk * rate_walk;
        self.value += self.rate * seconds;
        self.pp += seconds * (2.0 * self.pv + seconds * self.vv)
            + walk * walk * seconds
            + q * seconds * seconds * seconds / 3.0;
        self.pv += seconds * self.vv + q * seconds * seconds / 2.0;
        self.vv += q * seconds;
        *self = self.bounded();
    }

    fn update(&mut self, measured: f64, deviation: f64) {
        let r = (deviation * deviation).max(LEAST_VARIANCE);
        let s = self.pp + r;
        let (gain_value, gain_rate) = (self.pp / s, self.pv / s);
        let residual = measured - self.value;
        self.value += gain_value * residual;
        self.rate += gain_rate * residual;
        // Joseph's form: positive for any gain, rounding included.
        let keep = 1.0 - gain_value;
        let pp = keep * keep * self.pp + gain_value * gain_value * r;
        let pv = keep * (self.pv - gain_rate * self.pp) + gain_value * gain_rate * r;
        let vv = self.vv - 2.0 * gain_rate * self.pv
            + gain_rate * gain_rate * self.pp
            + gain_rate * gain_rate * r;
        (self.pp, self.pv, self.vv) = (pp, pv, vv);
        *self = self.bounded();
    }

    fn bounded(mut self) -> Self {
        self.pp = self.pp.clamp(LEAST_VARIANCE, MOST_VARIANCE);
        self.vv = self.vv.clamp(LEAST_VARIANCE, MOST_VARIANCE);
        // Beyond this, single precision could no longer tell the two sides of a box apart.
        self.value = self.value.clamp(-FARTHEST_PX, FARTHEST_PX);
        self.rate = self.rate.clamp(-FARTHEST_PX, FARTHEST_PX);
        let most = (self.pp * self.vv).sqrt() * (1.0 - 1e-9);
        self.pv = self.pv.clamp(-most, most);
        self
    }
}

/// The filtered motion of one box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    x: Axis,
    y: Axis,
    w: Axis,
    h: Axis,
}

impl Motion {
    /// Starts at a measured box with no velocity.
    pub fn new(bbox: &BBox, noise: &KalmanNoise) -> Self {
        let (cx, cy, w, h) = centre_size(bbox);
        let velocity = f64::from(noise.birth_velocity) * h;
        let centre = 2.0 * f64::from(noise.measured_centre);
        let size = 2.0 * f64::from(noise.measured_size);
        let size_rate = 5.0 * f64::from(noise.size_rate_walk);
        Self {
            x: Axis::new(cx, centre * w, velocity),
            y: Axis::new(cy, centre * h, velocity),
            w: Axis::new(w, size * w, size_rate * w),
            h: Axis::new(h, size * h, size_rate * h),
        }
    }

    /// Moves the box on by `seconds`.
    pub fn predict(&mut self, seconds: f64, noise: &KalmanNoise) {
        if seconds.is_nan() || seconds <= 0.0 {
            return;
        }
        let (w, h) = (self.w.value.max(1.0), self.h.value.max(1.0));
        let walk = f64::from(noise.centre_walk);
        let velocity_walk = f64::from(noise.velocity_walk);
        let size_walk = f64::from(noise.size_walk);
        let size_rate_walk = f64::from(noise.size_rate_walk);
        self.x.predict(seconds, walk * w, velocity_walk * w);
        self.y.predict(seconds, walk * h, velocity_walk * h);
        self.w.predict(seconds, size_walk * w, size_rate_walk * w);
        self.h.predict(seconds, size_walk * h, size_rate_walk * h);
        self.w.value = self.w.value.max(1.0);
        self.h.value = self.h.value.max(1.0);
    }

    /// Takes in a measured box; `doubt` multiplies the measurement's deviation (1 for a sure detection).
    pub fn update(&mut self, bbox: &BBox, doubt: f32, noise: &KalmanNoise) {
        let (cx, cy, w, h) = centre_size(bbox);
        let doubt = f64::from(doubt);
        let centre = f64::from(noise.measured_centre) * doubt;
        let size = f64::from(noise.measured_size) * doubt;
        self.x.update(cx, centre * w);
        self.y.update(cy, centre * h);
        self.w.update(w, size * w);
        self.h.update(h, size * h);
        self.w.value = self.w.value.max(1.0);
        self.h.value = self.h.value.max(1.0);
    }

    /// A box that is out of sight neither grows nor shrinks, and its speed fades by `fade` (1 keeps it).
    pub fn coast(&mut self, fade: f64) {
        self.w.rate = 0.0;
        self.h.rate = 0.0;
        self.x.rate *= fade;
        self.y.rate *= fade;
    }

    /// Follows the camera: `[a, b, tx, c, d, ty]` maps a point of the previous picture to this one.
    pub fn warp(&mut self, affine: &[f64; 6]) {
        let [a, b, tx, c, d, ty] = *affine;
        let (x, y) = (self.x, self.y);
        self.x.value = a * x.value + b * y.value + tx;
        self.y.value = c * x.value + d * y.value + ty;
        self.x.rate = a * x.rate + b * y.rate;
        self.y.rate = c * x.rate + d * y.rate;
        self.x.pp = a * a * x.pp + b * b * y.pp;
        self.x.pv = a * a * x.pv + b * b * y.pv;
        self.x.vv = a * a * x.vv + b * b * y.vv;
        self.y.pp = c * c * x.pp + d * d * y.pp;
        self.y.pv = c * c * x.pv + d * d * y.pv;
        self.y.vv = c * c * x.vv + d * d * y.vv;
        let zoom = (a * d - b * c).abs().sqrt();
        for axis in [&mut self.w, &mut self.h] {
            axis.value = (axis.value * zoom).max(1.0);
            axis.rate *= zoom;
            axis.pp *= zoom * zoom;
            axis.pv *= zoom * zoom;
            axis.vv *= zoom * zoom;
        }
        for axis in [&mut self.x, &mut self.y, &mut self.w, &mut self.h] {
            *axis = axis.bounded();
        }
    }

    /// The filtered box.
    pub fn bbox(&self) -> BBox {
        let (x, y) = (self.x.value, self.y.value);
        let (w, h) = (self.w.value / 2.0, self.h.value / 2.0);
        BBox {
            x0: (x - w) as f32,
            y0: (y - h) as f32,
            x1: (x + w) as f32,
            y1: (y + h) as f32,
        }
    }

    /// Velocity of the centre in px/s.
    pub fn velocity_px_per_s(&self) -> [f32; 2] {
        [self.x.rate as f32, self.y.rate as f32]
    }

    /// The four covariance blocks as `[pp, pv, vv]`, in the order x, y, w, h.
    pub fn covariance(&self) -> [[f64; 3]; 4] {
        [self.x, self.y, self.w, self.h].map(|axis| [axis.pp, axis.pv, axis.vv])
    }
}

fn centre_size(bbox: &BBox) -> (f64, f64, f64, f64) {
    let (x0, y0) = (f64::from(bbox.x0), f64::from(bbox.y0));
    let (x1, y1) = (f64::from(bbox.x1), f64::from(bbox.y1));
    (
        (x0 + x1) / 2.0,
        (y0 + y1) / 2.0,
        (x1 - x0).max(1.0),
        (y1 - y0).max(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::{KalmanNoise, Motion};
    use proptest::prelude::*;
    use sightline_detector::BBox;

    fn at(x: f32, y: f32) -> BBox {
        BBox {
            x0: x - 20.0,
            y0: y - 50.0,
            x1: x + 20.0,
            y1: y + 50.0,
        }
    }

    #[test]
    fn a_steady_walk_is_predicted_whatever_the_frame_rate() {
        let noise = KalmanNoise::default();
        for frames_per_second in [5.0, 12.5, 30.0] {
            let step = 1.0 / frames_per_second;
            let mut motion = Motion::new(&at(100.0, 200.0), &noise);
            let mut time = 0.0;
            while time < 4.0 {
                time += step;
                motion.predict(step, &noise);
                motion.update(&at(100.0 + 60.0 * time as f32, 200.0), 1.0, &noise);
            }
            motion.predict(1.0, &noise);
            let x = f64::from(motion.bbox().x0) + 20.0;
            let expected = 100.0 + 60.0 * (time + 1.0);
            assert!(
                (x - expected).abs() < 4.0,
                "{frames_per_second} frames/s: {x} instead of {expected}"
            );
        }
    }

    #[test]
    fn a_shift_and_zoom_of_the_camera_moves_and_scales_the_box() {
        let noise = KalmanNoise::default();
        let mut motion = Motion::new(&at(100.0, 200.0), &noise);
        motion.warp(&[2.0, 0.0, 10.0, 0.0, 2.0, -5.0]);
        let bbox = motion.bbox();
        assert!((bbox.x0 - 170.0).abs() < 1e-3 && (bbox.x1 - 250.0).abs() < 1e-3);
        assert!((bbox.y0 - 295.0).abs() < 1e-3 && (bbox.y1 - 495.0).abs() < 1e-3);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Predict(f64),
        Update(f32, f32, f32, f32, f32),
        Warp(f64, f64, f64),
        Coast(f64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0.0f64..100.0).prop_map(Step::Predict),
            (
                -1e4f32..1e4,
                -1e4f32..1e4,
                0.0f32..3e3,
                0.0f32..3e3,
                0.1f32..10.0
            )
                .prop_map(|(x, y, w, h, doubt)| Step::Update(x, y, w, h, doubt)),
            (0.8f64..1.25, -0.2f64..0.2, -200.0f64..200.0)
                .prop_map(|(zoom, turn, shift)| Step::Warp(zoom, turn, shift)),
            (0.0f64..1.0).prop_map(Step::Coast),
        ]
    }

    proptest! {
        #[test]
        fn the_covariance_stays_positive_and_finite(steps in prop::collection::vec(step(), 0..60)) {
            let noise = KalmanNoise::default();
            let mut motion = Motion::new(&at(100.0, 200.0), &noise);
            for step in steps {
                match step {
                    Step::Predict(seconds) => motion.predict(seconds, &noise),
                    Step::Update(x, y, w, h, doubt) => {
                        motion.update(&BBox { x0: x, y0: y, x1: x + w, y1: y + h }, doubt, &noise);
                    }
                    Step::Warp(zoom, turn, shift) => motion.warp(&[
                        zoom * turn.cos(), -zoom * turn.sin(), shift,
                        zoom * turn.sin(), zoom * turn.cos(), -shift,
                    ]),
                    Step::Coast(fade) => motion.coast(fade),
                }
                for [pp, pv, vv] in motion.covariance() {
                    prop_assert!(pp > 0.0 && vv > 0.0 && pp.is_finite() && vv.is_finite());
                    prop_assert!(pp * vv - pv * pv > 0.0, "determinant of [{pp}, {pv}; {pv}, {vv}]");
                }
                let bbox = motion.bbox();
                prop_assert!(bbox.x1 > bbox.x0 && bbox.y1 > bbox.y0);
            }
        }
    }
}
