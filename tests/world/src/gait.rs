//! Feet that stay where they are put: how far a stride carries, and planted feet held by the legs.

use crate::body::Library;
use crate::math::V3;
use crate::person::Person;
use crate::pose::{Action, Manner, Placement, Pose, Solved};

const STEPS: usize = 64;

/// How far the body moves over one cycle of walking or running, by phase: the planted foot stands still exactly then.
#[derive(Debug, Clone)]
pub struct Stride {
    /// Distance at each phase, metres, from 0 to the cycle's length.
    along: Vec<f32>,
}

impl Stride {
    /// Measures the stride of a person of a size.
    #[must_use]
    pub fn measure(
        library: &Library,
        person: &Person,
        manner: Manner,
        size: f32,
        is_run: bool,
    ) -> Self {
        let solved: Vec<Solved> = (0..=STEPS)
            .map(|i| {
                let phase = (i % STEPS) as f32 / STEPS as f32;
                let action = if is_run {
                    Action::Run { phase }
                } else {
                    Action::Walk { phase, blend: 1.0 }
                };
                person.solve(library, &Pose::new(action, manner)).0
            })
            .collect();
        let last = if is_run { 0.36 } else { 0.5 };
        let mut gains: Vec<Option<f32>> = (0..STEPS)
            .map(|i| {
                let phase = (i as f32 + 0.5) / STEPS as f32;
                let foot = usize::from(phase >= 0.5);
                let own = phase.rem_euclid(0.5);
                (own < last).then(|| {
                    let (a, b) = (&solved[i].soles[foot], &solved[i + 1].soles[foot]);
                    (a.ball[2] - b.ball[2]).max(0.0) * 0.1 * size
                })
            })
            .collect();
        let (mut sum, mut count) = (0.0, 0.0);
        for gain in gains.iter().flatten() {
            sum += gain;
            count += 1.0;
        }
        let mean = f32::max(sum / f32::max(count, 1.0), 1e-3);
        // In the air the body goes on at its speed; nowhere does it stand still.
        for gain in &mut gains {
            *gain = Some(gain.unwrap_or(mean).max(mean * 0.35));
        }
        let mut along = vec![0.0];
        for gain in gains.into_iter().flatten() {
            along.push(along[along.len() - 1] + gain);
        }
        Self { along }
    }

    /// Metres a cycle (two steps).
    #[must_use]
    pub fn cycle_m(&self) -> f32 {
        self.along[STEPS]
    }

    /// The phase after walking a distance.
    #[must_use]
    pub fn phase(&self, distance_m: f32) -> f32 {
        let d = distance_m.rem_euclid(self.cycle_m());
        let i = self.along.partition_point(|a| *a <= d).clamp(1, STEPS) - 1;
        let (a, b) = (self.along[i], self.along[i + 1]);
        ((i as f32 + (d - a) / (b - a).max(1e-6)) / STEPS as f32).rem_euclid(1.0)
    }
}

/// The state of a person's two feet from tick to tick.
#[derive(Debug, Clone, Default)]
pub struct Feet {
    /// Where a planted foot stands, on the plan.
    lock: [Option<[f32; 2]>; 2],
    shift: [V3; 2],
    /// Seconds left of a step on the spot.
    step_s: [f32; 2],
    was_walking: bool,
}

const STEP_S: f32 = 0.36;
/// A planted foot is let go when the leg would have to reach further than this, decimetres.
const REACH: f32 = 3.2;

impl Feet {
    /// Takes the unlocked pose at a placement and gives back the pose with planted feet held in place.
    pub fn hold(
        &mut self,
        library: &Library,
        person: &Person,
        placement: &Placement,
        mut pose: Pose,
        tick_s: f32,
    ) -> Pose {
        let (solved, _) = person.solve(library, &pose);
        let (s, c) = placement.heading.sin_cos();
        let k = 0.1 * placement.size;
        let into_local = |d: [f32; 2]| [(-s * d[0] + c * d[1]) / k, 0.0, (c * d[0] + s * d[1]) / k];
        let is_walking = match pose.action {
            Action::Walk { blend, .. } => blend > 0.5,
            Action::Run { .. } => true,
            Action::Stand | Action::Sit => false,
        };
        for foot in 0..2 {
            let free = placement.point(solved.soles[foot].ball);
            let free = [free[0], free[1]];
            let own = match pose.action {
                Action::Walk { phase, .. } | Action::Run { phase } => {
                    (phase + 0.5 * foot as f32).rem_euclid(1.0)
                }
                _ => 0.0,
            };
            let stance = if matches!(pose.action, Action::Run { .. }) {
                0.02..0.42
            } else {
                0.02..0.63
            };
            let is_planted = if is_walking {
                stance.contains(&own)
            } else {
                self.step_s[foot] <= 0.0
            };
            if !is_walking && self.was_walking && self.lock[foot].is_none() {
                self.step_s[foot] = STEP_S;
            }
            if is_walking {
                self.step_s[foot] = 0.0;
            }
            if is_planted && self.step_s[foot] <= 0.0 {
                let here = [
                    free[0] + k * (-s * self.shift[foot][0] + c * self.shift[foot][2]),
                    free[1] + k * (c * self.shift[foot][0] + s * self.shift[foot][2]),
                ];
                let lock = *self.lock[foot].get_or_insert(here);
                let wanted = into_local([lock[0] - free[0], lock[1] - free[1]]);
                if wanted[0].hypot(wanted[2]) > REACH {
                    self.lock[foot] = None;
                    self.step_s[foot] = if is_walking { 0.0 } else { STEP_S };
                } else {
                    self.shift[foot] = wanted;
                }
            } else {
                self.lock[foot] = None;
                let (left, rise) = if is_walking {
                    // The swing takes back what the stance held.
                    (((1.0 - own) * 0.9).max(tick_s), 0.0)
                } else {
                    let t = self.step_s[foot].max(tick_s);
                    self.step_s[foot] -= tick_s;
                    (
                        t,
                        0.5 * (std::f32::consts::PI * (1.0 - self.step_s[foot].max(0.0) / STEP_S))
                            .sin(),
                    )
                };
                let keep = (1.0 - tick_s / left * if is_walking { 1.6 } else { 1.0 }).max(0.0);
                self.shift[foot] = [self.shift[foot][0] * keep, rise, self.shift[foot][2] * keep];
            }
        }
        // Standing on feet that are out of place: one step at a time.
        if !is_walking && self.step_s.iter().all(|t| *t <= 0.0) {
            let off = |f: usize| self.shift[f][0].hypot(self.shift[f][2]);
            let worst = usize::from(off(1) > off(0));
            if off(worst) > 1.1 {
                self.lock[worst] = None;
                self.step_s[worst] = STEP_S;
            }
        }
        self.was_walking = is_walking;
        pose.ankle_shift = self.shift;
        pose
    }
}
