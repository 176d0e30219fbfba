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
    /// Seconds left of a step that puts a foot where the body is.
    step_s: [f32; 2],
    was_walking: bool,
    /// 0 standing to 1 walking, a tick ago.
    effort: f32,
}

const STEP_S: f32 = 0.32;
/// A planted foot this far from where the body wants it takes a step as soon as the other one stands, decimetres.
const REACH: f32 = 2.6;
/// How high such a step lifts the foot, decimetres.
const LIFT: f32 = 0.9;

/// The share of a step still to go, `left` seconds before its end: slow at both ends, while the foot is low.
fn still_to_go(left: f32) -> f32 {
    1.0 - crate::math::smooth(0.0, 1.0, 1.0 - left.max(0.0) / STEP_S)
}

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
        let effort = match pose.action {
            Action::Walk { blend, .. } => blend,
            Action::Run { .. } => 1.0,
            Action::Stand | Action::Sit => 0.0,
        };
        let is_walking = effort > 0.5;
        let stance = if matches!(pose.action, Action::Run { .. }) {
            0.02..0.42
        } else {
            0.02..0.63
        };
        let own = |foot: usize| match pose.action {
            Action::Walk { phase, .. } | Action::Run { phase } => {
                (phase + 0.5 * foot as f32).rem_euclid(1.0)
            }
            _ => 0.0,
        };
        for foot in 0..2 {
            let free = placement.point(solved.soles[foot].ball);
            let free = [free[0], free[1]];
            // Whoever stops lifts the foot that swings; the walk itself swings too low then.
            let is_other_down = self.lock[1 - foot].is_some();
            let is_stopping = effort < self.effort && self.lock[foot].is_none() && is_other_down;
            let has_stopped = !is_walking && self.was_walking && self.lock[foot].is_none();
            if (is_stopping || has_stopped) && self.step_s[foot] <= 0.0 {
                self.step_s[foot] = STEP_S;
            }
            let is_planted =
                self.step_s[foot] <= 0.0 && (!is_walking || stance.contains(&own(foot)));
            if is_planted {
                let here = [
                    free[0] + k * (-s * self.shift[foot][0] + c * self.shift[foot][2]),
                    free[1] + k * (c * self.shift[foot][0] + s * self.shift[foot][2]),
                ];
                let lock = *self.lock[foot].get_or_insert(here);
                self.shift[foot] = into_local([lock[0] - free[0], lock[1] - free[1]]);
            } else {
                self.lock[foot] = None;
                let before = self.step_s[foot];
                let (keep, rise) = if before > 0.0 {
                    self.step_s[foot] -= tick_s;
                    let left = self.step_s[foot];
                    let share = still_to_go(left) / still_to_go(before).max(1e-6);
                    let height = (std::f32::consts::PI * (1.0 - left.max(0.0) / STEP_S)).sin();
                    (share, LIFT * height.max(0.0))
                } else {
                    // The swing takes back what the stance held.
                    let left = ((1.0 - own(foot)) * 0.9).max(tick_s);
                    ((1.0 - tick_s / left * 1.6).max(0.0), 0.0)
                };
                self.shift[foot] = [self.shift[foot][0] * keep, rise, self.shift[foot][2] * keep];
            }
        }
        for foot in 0..2 {
            let far = self.shift[foot][0].hypot(self.shift[foot][2]);
            let is_other_down = self.lock[1 - foot].is_some();
            if self.lock[foot].is_some() && far > REACH && is_other_down {
                self.lock[foot] = None;
                self.step_s[foot] = STEP_S;
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
        (self.was_walking, self.effort) = (is_walking, effort);
        pose.ankle_shift = self.shift;
        pose
    }
}
