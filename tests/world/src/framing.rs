//! Where a crop's camera stands, what stands in its way, and what it cuts out.

use crate::body::Library;
use crate::canvas::Actor;
use crate::dice::Dice;
use crate::identity::Difficulty;
use crate::lens::View;
use crate::math::{V3, sub};
use crate::place::Place;
use crate::pose::{Action, Pose};
use crate::scenery;
use crate::shot::Passers;

/// A camera round the origin that sees it past walls: its place and where it looks.
pub(crate) fn camera(dice: &mut Dice, far_m: f32, pitch: f32, place: &Place) -> (V3, f32) {
    let mut best = ([far_m, 0.0, 3.0], std::f32::consts::PI);
    for _ in 0..12 {
        let around = dice.range(0.0, std::f32::consts::TAU);
        let flat = far_m * pitch.cos();
        let eye = [
            flat * around.cos(),
            flat * around.sin(),
            far_m * pitch.sin() + 1.0,
        ];
        best = (eye, around + std::f32::consts::PI);
        let to = sub([0.0, 0.0, 1.0], eye);
        let is_free = place.meet(eye, to, 0.0).is_none_or(|hit| hit.t > 0.999)
            && place.clearance([eye[0], eye[1]]) > 0.5;
        if is_free {
            break;
        }
    }
    best
}

/// Something to sit on, under a person at the origin.
pub(crate) fn seat(dice: &mut Dice, place: &mut Place, heading: f32, size: f32) {
    let (s, c) = heading.sin_cos();
    let (before, height) = (place.solids.len(), 0.44 * size);
    scenery::put(
        dice,
        place,
        "bench",
        [-0.18 * c, -0.18 * s],
        heading - std::f32::consts::FRAC_PI_2,
    );
    for solid in &mut place.solids[before..] {
        if let crate::form::Form::Box { centre, half, .. } = &mut solid.form {
            centre[2] *= height / 0.445;
            half[2] *= if half[2] > 0.1 { height / 0.445 } else { 1.0 };
        }
    }
}

/// Puts a thing or a passer-by between camera and person, as often as the dial says.
#[expect(clippy::too_many_arguments, reason = "the whole scene takes part")]
pub(crate) fn occlude<'a>(
    dice: &mut Dice,
    difficulty: Difficulty,
    library: &Library,
    place: &mut Place,
    eye: V3,
    actors: &mut Vec<Actor<'a>>,
    others: &'a Passers,
    number: usize,
) -> bool {
    if !dice.chance(difficulty.of_cameras().between(0.05, 0.62)) {
        return false;
    }
    let flat = eye[0].hypot(eye[1]);
    let (c, s) = (eye[0] / flat, eye[1] / flat);
    let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
    if !others.is_empty() && dice.chance(0.55) {
        let other = &others[(number + dice.below(others.len())) % others.len()];
        let near = dice.range(0.45, 1.6).min(flat * 0.3);
        let aside = side * dice.range(0.22, 0.6);
        let at = [c * near - s * aside, s * near + c * aside];
        let pose = Pose::new(
            Action::Walk {
                phase: dice.unit(),
                blend: 1.0,
            },
            other.identity.outline.manner,
        );
        let bones = other.stand(library, &pose, at, dice.range(0.0, std::f32::consts::TAU));
        actors.push(Actor {
            person: &other.person,
            bones,
            stands: [at[0], at[1], 0.0],
        });
        return true;
    }
    let near = dice.range(0.8, 2.5).min(flat * 0.4);
    let kind = *dice.pick(&["bin", "bollard", "pole", "hedge", "bin", "bench"]);
    let aside = side
        * if kind == "hedge" {
            dice.range(0.2, 0.9)
        } else {
            dice.range(0.05, 0.35)
        };
    let at = [c * near - s * aside, s * near + c * aside];
    let turn = s.atan2(c) + std::f32::consts::FRAC_PI_2 + dice.range(-0.3, 0.3);
    scenery::put(dice, place, kind, at, turn);
    true
}

/// The window of a camera's picture that a detector would cut out for the first actor, as a picture of this width and height.
pub(crate) fn framed(
    dice: &mut Dice,
    actor: &Actor<'_>,
    eye: V3,
    yaw: f32,
    pitch: f32,
    difficulty: Difficulty,
    size: [usize; 2],
) -> View {
    let (width, height) = (size[0] as f32, size[1] as f32);
    let mut view = View::new(
        eye,
        yaw + dice.range(-0.3, 0.3),
        pitch + dice.range(-0.08, 0.12),
        1.2,
        1280,
        720,
    );
    view.distortion = [dice.range(-0.12, 0.02), 0.0];
    let person = actor.person;
    let bound = person.vertices.iter().zip(&person.bindings);
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for ((vertex, binding), clip) in bound.zip(&person.clip).step_by(3) {
        if *clip > 0.0
            && let Some((x, y, _)) = view.project(binding.carry(*vertex, &actor.bones))
        {
            low = [low[0].min(x), low[1].min(y)];
            high = [high[0].max(x), high[1].max(y)];
        }
    }
    let loose = difficulty.of_cameras().between(0.03, 0.2);
    let (w, h) = ((high[0] - low[0]).max(2.0), (high[1] - low[1]).max(2.0));
    let zoom =
        (height / h * dice.range(0.86 - loose * 0.5, 0.94 + loose * 0.4)).min(width / w * 0.97);
    let middle = [
        (low[0] + high[0]) / 2.0 + dice.normal(0.0, loose * 0.35) * h * 0.5,
        (low[1] + high[1]) / 2.0 + dice.normal(0.0, loose * 0.35) * h,
    ];
    let (half_w, half_h) = (width / zoom / 2.0, height / zoom / 2.0);
    view.window(
        middle[0] - half_w,
        middle[1] - half_h,
        zoom,
        size[0],
        size[1],
    )
}
