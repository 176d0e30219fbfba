//! Joint angles over one cycle of walking or running, and what arms are busy with.

use crate::math::V3;
use crate::pose::{Action, Arm, Pose};

/// Periodic smooth curve through `(phase, value)` points: cosine interpolation.
fn curve(phase: f32, points: &[(f32, f32)]) -> f32 {
    let first = points[0].0;
    let x = (phase - first).rem_euclid(1.0) + first;
    let mut i = points.len() - 1;
    while i > 0 && points[i].0 > x {
        i -= 1;
    }
    let (a, from) = points[i];
    let (b, to) = if i + 1 < points.len() {
        points[i + 1]
    } else {
        (first + 1.0, points[0].1)
    };
    let t = (1.0 - (std::f32::consts::PI * (x - a) / (b - a)).cos()) / 2.0;
    from * (1.0 - t) + to * t
}

/// Joint angles over one cycle of one leg, degrees; phase 0 is its heel strike. `foot` is the pitch of the sole, toes up positive.
struct Cycle {
    hip: &'static [(f32, f32)],
    knee: &'static [(f32, f32)],
    foot: &'static [(f32, f32)],
    arm: f32,
    elbow: f32,
}

const WALK: Cycle = Cycle {
    hip: &[
        (0.0, 26.0),
        (0.12, 22.0),
        (0.5, -12.0),
        (0.62, -2.0),
        (0.85, 30.0),
    ],
    knee: &[
        (0.0, 4.0),
        (0.14, 16.0),
        (0.4, 5.0),
        (0.52, 20.0),
        (0.74, 70.0),
        (0.95, 4.0),
    ],
    foot: &[
        (0.0, 16.0),
        (0.09, 0.0),
        (0.38, -2.0),
        (0.5, -24.0),
        (0.6, -50.0),
        (0.73, -6.0),
        (0.84, 12.0),
        (0.94, 17.0),
    ],
    arm: 21.0,
    elbow: 12.0,
};
const RUN: Cycle = Cycle {
    hip: &[
        (0.0, 34.0),
        (0.12, 24.0),
        (0.38, -16.0),
        (0.5, -10.0),
        (0.8, 46.0),
    ],
    knee: &[
        (0.0, 18.0),
        (0.12, 38.0),
        (0.36, 16.0),
        (0.6, 92.0),
        (0.78, 84.0),
        (0.94, 24.0),
    ],
    foot: &[
        (0.0, 8.0),
        (0.08, 0.0),
        (0.24, -4.0),
        (0.38, -48.0),
        (0.6, -70.0),
        (0.85, 0.0),
    ],
    arm: 38.0,
    elbow: 78.0,
};

pub(crate) struct Leg {
    pub(crate) thigh: V3,
    pub(crate) calf: V3,
    pub(crate) pitch: f32,
    pub(crate) toe: f32,
}

pub(crate) fn leg(pose: &Pose, side: f32, phase: f32) -> Leg {
    let (hip, knee, pitch) = match pose.action {
        Action::Stand => (2.0, 4.0, 0.0),
        Action::Sit => (84.0, 88.0, 0.0),
        Action::Walk { blend, .. } => {
            let k = pose.manner.stride * blend;
            let relaxed = 1.0 - blend;
            (
                curve(phase, WALK.hip) * k + 2.0 * relaxed,
                curve(phase, WALK.knee) * (0.25 + 0.75 * k).min(1.1) * blend + 4.0 * relaxed,
                curve(phase, WALK.foot) * k,
            )
        }
        Action::Run { .. } => {
            let k = 0.6 + 0.4 * pose.manner.stride;
            (
                curve(phase, RUN.hip) * k,
                curve(phase, RUN.knee),
                curve(phase, RUN.foot) * k,
            )
        }
    };
    let (h, k) = ((-hip).to_radians(), (knee - hip).to_radians());
    let spread = if pose.action == Action::Sit {
        0.14
    } else {
        0.035
    };
    // While the heel rises the toes stay flat on the ground.
    let toe = if (0.3..0.66).contains(&phase) {
        (-pitch).clamp(0.0, 45.0)
    } else {
        0.0
    };
    Leg {
        thigh: [side * spread, -h.cos(), -h.sin()],
        calf: [side * 0.01, -k.cos(), -k.sin()],
        pitch,
        toe,
    }
}

/// Directions of upper arm and forearm in the frame of the chest.
pub(crate) fn arm(pose: &Pose, side: f32, phase: f32, busy: Arm) -> (V3, V3) {
    let m = &pose.manner;
    let (amount, base, bend, extra) = match pose.action {
        Action::Stand => (0.0, 4.0, m.elbow, 0.0),
        Action::Sit => (0.0, 26.0, m.elbow + 42.0, 0.0),
        Action::Walk { blend, .. } => (m.swing * m.stride * blend, 4.0, m.elbow, WALK.elbow),
        Action::Run { .. } => (1.0, 0.0, RUN.elbow, 16.0),
    };
    let swing = if matches!(pose.action, Action::Run { .. }) {
        RUN.arm
    } else {
        WALK.arm
    };
    let beat = (std::f32::consts::TAU * phase).cos();
    let (mut a, mut e) = (
        base - amount * swing * beat,
        bend + (-beat).max(0.0) * extra * amount,
    );
    let mut b = m.abduct;
    match busy {
        Arm::Free => {}
        Arm::Carry => (a, e, b) = (a * 0.35, 6.0, b + 1.0),
        Arm::Umbrella => (a, e, b) = (14.0, 112.0, b),
        Arm::Pull => (a, e, b) = (-24.0, 8.0, b + 4.0),
        Arm::Phone => (a, e, b) = (22.0, 100.0, b * 0.6),
    }
    let (a, e, b) = (a.to_radians(), (a + e).to_radians(), b.to_radians());
    let c = b * 0.1;
    (
        [side * b.sin(), -b.cos() * a.cos(), b.cos() * a.sin()],
        [side * c.sin(), -c.cos() * e.cos(), c.cos() * e.sin()],
    )
}
