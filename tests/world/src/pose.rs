//! Poses from aim directions: bones are told where to point, so no bone's own roll matters.

use crate::cycle::{arm, leg};
use crate::math::{
    M3, UNIT, V3, add, align, apply, cross, dot, length, mul, rotation, scale, sub, unit,
};
use crate::rig::{BoneMatrix, Joints, Rig};

/// What the person does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Standing at ease.
    Stand,
    /// Walking at a phase of 0..1 (0: the left heel strikes); `blend` 0 is standing, 1 a full stride.
    Walk {
        /// Phase.
        phase: f32,
        /// How far from standing.
        blend: f32,
    },
    /// Running at a phase of 0..1.
    Run {
        /// Phase.
        phase: f32,
    },
    /// Sitting on something of chair height.
    Sit,
}

/// What an arm is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arm {
    /// Swings with the walk.
    #[default]
    Free,
    /// Hangs straight with something in the hand.
    Carry,
    /// Holds up an umbrella.
    Umbrella,
    /// Pulls a suitcase behind.
    Pull,
    /// Holds a phone before the chest.
    Phone,
}

/// How one person moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manner {
    /// Stride, 1 = textbook.
    pub stride: f32,
    /// Forward lean, degrees.
    pub lean: f32,
    /// Arm swing, 1 = textbook.
    pub swing: f32,
    /// Elbow bend, degrees.
    pub elbow: f32,
    /// Arms away from the body, degrees.
    pub abduct: f32,
    /// Left and right arm.
    pub arms: [Arm; 2],
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            stride: 1.0,
            lean: 3.0,
            swing: 1.0,
            elbow: 12.0,
            abduct: 9.0,
            arms: [Arm::Free; 2],
        }
    }
}

/// A pose in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// What.
    pub action: Action,
    /// How.
    pub manner: Manner,
    /// Head turned left and down, degrees.
    pub head: [f32; 2],
    /// Shift of the left and the right ankle from where the gait puts them, decimetres of person space: keeps planted feet where they are.
    pub ankle_shift: [V3; 2],
}

impl Pose {
    /// An action without shifts.
    #[must_use]
    pub fn new(action: Action, manner: Manner) -> Self {
        Self {
            action,
            manner,
            head: [0.0; 2],
            ankle_shift: [[0.0; 3]; 2],
        }
    }
}

/// Where the sole of one foot lies, person space.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sole {
    /// Under the heel.
    pub heel: V3,
    /// Under the ball.
    pub ball: V3,
    /// Under the toes.
    pub toe: V3,
}

/// A solved pose: bone matrices in person space (decimetres, not yet lifted onto the ground).
#[derive(Debug, Clone)]
pub struct Solved {
    /// One matrix a bone.
    pub bones: Vec<BoneMatrix>,
    /// Left and right sole.
    pub soles: [Sole; 2],
}

/// Turns a pose into bone matrices for one body.
#[must_use]
pub fn solve(rig: &Rig, joints: &Joints, pose: &Pose) -> Solved {
    let frames = frames(rig, joints, pose, None);
    let shifts = pose.ankle_shift;
    if shifts.iter().all(|s| length(*s) < 1e-4) {
        return finish(rig, joints, frames);
    }
    let mut corrected = [None, None];
    for (slot, side) in ["l", "r"].iter().enumerate() {
        let (thigh, calf, foot) = (
            rig.bone(&format!("thigh_{side}")),
            rig.bone(&format!("calf_{side}")),
            rig.bone(&format!("foot_{side}")),
        );
        let (hip, knee, ankle) = (
            frames.origins[thigh],
            frames.origins[calf],
            frames.origins[foot],
        );
        let (upper, lower) = (length(sub(knee, hip)), length(sub(ankle, knee)));
        let to = sub(add(ankle, shifts[slot]), hip);
        let reach = length(to).clamp((upper - lower).abs() + 0.01, (upper + lower) * 0.9995);
        let along = unit(to);
        let bend = sub(knee, hip);
        let mut pole = sub(bend, scale(along, dot(bend, along)));
        if length(pole) < 0.02 {
            pole = sub([0.0, 0.0, 1.0], scale(along, along[2]));
        }
        let pole = unit(pole);
        let cosine = ((upper * upper + reach * reach - lower * lower) / (2.0 * upper * reach))
            .clamp(-1.0, 1.0);
        let sine = (1.0 - cosine * cosine).sqrt();
        let new_knee = add(scale(along, upper * cosine), scale(pole, upper * sine));
        corrected[slot] = Some((unit(new_knee), unit(sub(scale(along, reach), new_knee))));
    }
    finish(
        rig,
        joints,
        self::frames(rig, joints, pose, Some(corrected)),
    )
}

struct Frames {
    turns: Vec<M3>,
    origins: Vec<V3>,
}

type LegAims = [Option<(V3, V3)>; 2];

fn frames(rig: &Rig, joints: &Joints, pose: &Pose, corrected: Option<LegAims>) -> Frames {
    let (x, y, z): (V3, V3, V3) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    let m = &pose.manner;
    let (phase, effort) = match pose.action {
        Action::Walk { phase, blend } => (phase, m.stride * blend),
        Action::Run { phase } => (phase, 1.5),
        Action::Stand | Action::Sit => (0.0, 0.0),
    };
    let lean = match pose.action {
        Action::Run { .. } => m.lean + 8.0,
        Action::Sit => -4.0,
        _ => m.lean,
    };
    let twist = 5.0 * effort * (std::f32::consts::TAU * phase).cos();
    let list = 2.0 * effort * (std::f32::consts::TAU * phase + 0.6).sin();
    let hand = |n: &str| {
        (
            if n.ends_with("_l") { 0_usize } else { 1 },
            if n.ends_with("_l") { 1.0_f32 } else { -1.0 },
        )
    };
    let legs = [
        leg(pose, 1.0, phase.rem_euclid(1.0)),
        leg(pose, -1.0, (phase + 0.5).rem_euclid(1.0)),
    ];
    let arms = [
        arm(pose, 1.0, phase, m.arms[0]),
        arm(pose, -1.0, phase + 0.5, m.arms[1]),
    ];
    let (pelvis, chest) = (rig.bone("pelvis"), rig.bone("spine_03"));
    let mut turns: Vec<M3> = vec![UNIT; rig.names.len()];
    let mut origins: Vec<V3> = vec![[0.0; 3]; rig.names.len()];
    for (i, name) in rig.names.iter().enumerate() {
        let parent = rig.parents[i];
        let above = parent.map_or(UNIT, |p| turns[p]);
        origins[i] = match parent {
            None => joints.heads[i],
            Some(p) => add(
                origins[p],
                apply(&above, sub(joints.heads[i], joints.heads[p])),
            ),
        };
        let along = unit(sub(joints.tails[i], joints.heads[i]));
        let (slot, sign) = hand(name);
        let aimed = |frame: &M3, direction: V3| {
            mul(
                &align(apply(&above, along), apply(frame, direction)),
                &above,
            )
        };
        let stem = name.trim_end_matches("_l").trim_end_matches("_r");
        turns[i] = match stem {
            "pelvis" => mul(&rotation(y, -twist), &rotation(z, list)),
            "spine_01" | "spine_02" | "spine_03" => mul(
                &above,
                &mul(
                    &rotation(x, lean / 3.0),
                    &mul(&rotation(y, twist * 0.75), &rotation(z, -list / 3.0)),
                ),
            ),
            "neck_01" | "head" => mul(
                &above,
                &mul(
                    &rotation(
                        x,
                        pose.head[1] * 0.5 - if stem == "neck_01" { lean * 0.5 } else { 0.0 },
                    ),
                    &rotation(y, -twist * 0.6 + pose.head[0] * 0.5),
                ),
            ),
            "thigh" => match corrected.and_then(|c| c[slot]) {
                Some((thigh, _)) => aimed(&UNIT, thigh),
                None => aimed(&turns[pelvis], legs[slot].thigh),
            },
            "calf" => match corrected.and_then(|c| c[slot]) {
                Some((_, calf)) => aimed(&UNIT, calf),
                None => aimed(&turns[pelvis], legs[slot].calf),
            },
            // The sole's pitch is given against the ground, not against the shin, so that planted feet lie flat.
            "foot" => mul(&rotation(y, sign * 5.0), &rotation(x, -legs[slot].pitch)),
            "ball" => mul(&above, &rotation(x, -legs[slot].toe)),
            "upperarm" => aimed(&turns[chest], arms[slot].0),
            "lowerarm" => {
                let turn = aimed(&turns[chest], arms[slot].1);
                let axis = apply(&turn, along);
                // Palms turn towards the thigh.
                mul(&rotation(axis, sign * 35.0), &turn)
            }
            "clavicle" => mul(&above, &rotation(z, -sign * 4.0)),
            _ if stem.contains("index")
                || stem.contains("middle")
                || stem.contains("ring")
                || stem.contains("pinky") =>
            {
                let side = if slot == 0 { "l" } else { "r" };
                let across = sub(
                    joints.tails[rig.bone(&format!("index_01_{side}"))],
                    joints.tails[rig.bone(&format!("pinky_01_{side}"))],
                );
                let grip = if m.arms[slot] == Arm::Free {
                    14.0
                } else {
                    38.0
                };
                mul(&above, &rotation(across, -sign * grip))
            }
            _ => above,
        };
    }
    Frames { turns, origins }
}

fn finish(rig: &Rig, joints: &Joints, frames: Frames) -> Solved {
    let Frames { turns, origins } = frames;
    let mut soles = [Sole::default(); 2];
    for (slot, side) in ["l", "r"].iter().enumerate() {
        let (foot, ball) = (
            rig.bone(&format!("foot_{side}")),
            rig.bone(&format!("ball_{side}")),
        );
        let at = |bone: usize, rest: V3| {
            add(
                origins[bone],
                apply(&turns[bone], sub(rest, joints.heads[bone])),
            )
        };
        let (ankle, front, tip) = (joints.heads[foot], joints.heads[ball], joints.tails[ball]);
        let ground = tip[1].min(front[1]) - 0.22;
        soles[slot] = Sole {
            heel: at(foot, [ankle[0], ground, ankle[2] - 0.45]),
            ball: at(foot, [front[0], ground, front[2]]),
            toe: at(ball, [tip[0], ground, tip[2]]),
        };
    }
    let bones = turns
        .iter()
        .zip(&origins)
        .zip(&joints.heads)
        .map(|((turn, origin), head)| {
            let shift = sub(*origin, apply(turn, *head));
            let mut m = [[0.0; 4]; 3];
            for (row, (from, s)) in m.iter_mut().zip(turn.iter().zip(shift)) {
                *row = [from[0], from[1], from[2], s];
            }
            m
        })
        .collect();
    Solved { bones, soles }
}

impl Solved {
    /// The lowest point of both soles.
    #[must_use]
    pub fn lowest(&self) -> f32 {
        self.soles
            .iter()
            .flat_map(|s| [s.heel[1], s.ball[1], s.toe[1]])
            .fold(f32::MAX, f32::min)
    }
}

/// Where a person stands in the world: metres, z up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Position of the person-space origin.
    pub position: V3,
    /// Direction faced, radians from +x towards +y.
    pub heading: f32,
    /// Size, 1 = as morphed (children may be smaller).
    pub size: f32,
}

impl Placement {
    /// Person space to world, as a matrix on points.
    #[must_use]
    pub fn matrix(&self) -> BoneMatrix {
        let (s, c) = self.heading.sin_cos();
        let k = 0.1 * self.size;
        let (left, front) = ([-s, c, 0.0], [c, s, 0.0]);
        let up = cross(front, left);
        let mut m = [[0.0; 4]; 3];
        for (axis, row) in m.iter_mut().enumerate() {
            *row = [
                left[axis] * k,
                up[axis] * k,
                front[axis] * k,
                self.position[axis],
            ];
        }
        m
    }

    /// Bone matrices in the world.
    #[must_use]
    pub fn place(&self, bones: &[BoneMatrix]) -> Vec<BoneMatrix> {
        let w = self.matrix();
        bones
            .iter()
            .map(|b| {
                let mut m = [[0.0; 4]; 3];
                for (row, from) in m.iter_mut().zip(&w) {
                    for (column, value) in row.iter_mut().enumerate() {
                        *value = from[0] * b[0][column]
                            + from[1] * b[1][column]
                            + from[2] * b[2][column];
                    }
                    row[3] += from[3];
                }
                m
            })
            .collect()
    }

    /// A point of person space in the world.
    #[must_use]
    pub fn point(&self, p: V3) -> V3 {
        let m = self.matrix();
        std::array::from_fn(|i| m[i][0] * p[0] + m[i][1] * p[1] + m[i][2] * p[2] + m[i][3])
    }
}
