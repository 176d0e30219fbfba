//! One person before one camera: the picture, and what it shows.

use crate::backdrop::Backdrop;
use crate::body::Library;
use crate::canvas::{Actor, Appearance, Canvas};
use crate::captions::Evidence;
use crate::colour::seen_as;
use crate::dice::Dice;
use crate::error::Result;
use crate::framing::{camera, framed, occlude, seat};
use crate::identity::{Crowd, Difficulty, Identity};
use crate::lens::View;
use crate::light::{Tone, Weather};
use crate::material::{Part, Pattern};
use crate::math::length;
use crate::person::Person;
use crate::photo::{bytes, jpeg};
use crate::place::Place;
use crate::pose::{Action, Placement, Pose};
use crate::scenery;
use crate::style::style;

/// Width of a crop, pixels.
pub const WIDTH: usize = 128;
/// Height of a crop, pixels.
pub const HEIGHT: usize = 256;

/// A person with its mesh and true size.
#[derive(Debug)]
pub struct Cast {
    /// Who.
    pub identity: Identity,
    /// Mesh.
    pub person: Person,
    /// Factor on the morph's size.
    pub size: f32,
}

impl Cast {
    /// Builds the mesh of an identity.
    ///
    /// # Errors
    /// The library lacks a mesh.
    pub fn build(library: &Library, identity: Identity) -> Result<Self> {
        let person = Person::build(library, &identity.outline)?;
        let size = identity.child_height_m.map_or(1.0, |wanted| {
            let head = library.rig.bone("head");
            let foot = library.rig.bone("ball_l");
            let tall = person.joints.tails[head][1] - person.joints.tails[foot][1] + 0.4;
            (wanted * 10.0 / tall).clamp(0.6, 1.1)
        });
        Ok(Self {
            identity,
            person,
            size,
        })
    }

    /// World bones of a pose at a place, feet on the ground.
    #[must_use]
    pub fn stand(
        &self,
        library: &Library,
        pose: &Pose,
        position: [f32; 2],
        heading: f32,
    ) -> Vec<crate::rig::BoneMatrix> {
        let (solved, lift) = self.person.solve(library, pose);
        let placement = Placement {
            position: [position[0], position[1], lift * 0.1 * self.size],
            heading,
            size: self.size,
        };
        placement.place(&solved.bones)
    }
}

/// A finished crop.
#[derive(Debug)]
pub struct Crop {
    /// sRGB bytes, `WIDTH` x `HEIGHT`.
    pub rgb: Vec<u8>,
    /// The same as JPEG.
    pub jpeg: Vec<u8>,
    /// How the person appears.
    pub appearance: Appearance,
    /// For captions.
    pub evidence: Evidence,
    /// What every pixel's middle shows: 0 nothing of this person, else the part's number + 1.
    pub parts: Vec<u8>,
    /// Light of the place.
    pub weather: Weather,
    /// Whether something stood in the way.
    pub is_occluded: bool,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub struct Studio {
    canvas: Canvas,
    tone: Tone,
}

/// Less of a person than this is no crop.
const LEAST_VISIBLE: f32 = 0.4;
const CROP: u64 = 0xc0;

/// Who else walks by: the people that may stand in the way.
pub type Passers = Vec<Cast>;

/// Builds the passers-by of a world.
///
/// # Errors
/// The library lacks a mesh.
pub fn passers(library: &Library, seed: u64, crowd: Crowd, count: usize) -> Result<Passers> {
    use rayon::prelude::*;
    (0..count)
        .into_par_iter()
        .map(|k| Cast::build(library, Identity::draw(seed ^ 0x9a55_e125, k + 1, crowd)))
        .collect()
}

impl Studio {
    /// Takes the picture `view` (from 0) of a person by the camera of that number.
    ///
    /// # Errors
    /// The picture cannot be encoded.
    pub fn shoot(
        &mut self,
        library: &Library,
        seed: u64,
        cast: &Cast,
        view: usize,
        difficulty: Difficulty,
        others: &Passers,
    ) -> Result<Crop> {
        let mut dice = Dice::new(&[seed, CROP, cast.identity.number as u64, view as u64]);
        let style = style(seed, view, difficulty, &mut dice);
        let (action, name) = match dice.unit() {
            u if u < 0.70 => (
                Action::Walk {
                    phase: dice.unit(),
                    blend: dice.range(0.7, 1.0),
                },
                "walk",
            ),
            u if u < 0.90 => (Action::Stand, "stand"),
            u if u < 0.95 => (Action::Run { phase: dice.unit() }, "run"),
            _ => (Action::Sit, "sit"),
        };
        let has_case = cast
            .identity
            .outline
            .manner
            .arms
            .contains(&crate::pose::Arm::Pull);
        let (action, name) = if has_case && matches!(action, Action::Run { .. } | Action::Sit) {
            (Action::Stand, "stand")
        } else {
            (action, name)
        };
        let mut pose = Pose::new(action, cast.identity.outline.manner);
        pose.head = [dice.normal(0.0, 12.0), dice.normal(2.0, 5.0)];
        let heading = dice.range(0.0, std::f32::consts::TAU);
        let mut place = scenery::draw(&mut dice, style.weather, 2.2);
        let bones = cast.stand(library, &pose, [0.0, 0.0], heading);
        if name == "sit" {
            seat(&mut dice, &mut place, heading, cast.size);
        }
        let mut actors = vec![Actor {
            person: &cast.person,
            bones,
            stands: [0.0; 3],
        }];
        let (eye, yaw) = camera(&mut dice, style.far_m, style.pitch, &place);
        let alone = place.solids.len();
        let mut is_occluded = occlude(
            &mut dice,
            difficulty,
            library,
            &mut place,
            eye,
            &mut actors,
            others,
            cast.identity.number,
        );
        let mut photo = style.photo;
        let shrink = (HEIGHT as f32 * 0.9 / style.height_px).max(1.0);
        // Drawn at full size, or at half of it where that still gives every pixel of the camera its 2 x 2 samples and more.
        let scale = if shrink >= 2.0 { 2 } else { 1 };
        let (width, height) = (WIDTH / scale, HEIGHT / scale);
        let frame = framed(
            &mut dice,
            &actors[0],
            eye,
            yaw,
            style.pitch,
            difficulty,
            [width, height],
        );
        photo.shrink = shrink / scale as f32;
        let mut appearance = self.draw(&place, &frame, &actors, photo.shrink, is_occluded);
        // A detector cuts out only whom it sees: what hides too much goes away, first what was put in front, then all of the place's solids.
        for keep in [alone, 0] {
            if appearance.visibility() >= LEAST_VISIBLE {
                break;
            }
            is_occluded = false;
            actors.truncate(1);
            place.solids.truncate(keep);
            appearance = self.draw(&place, &frame, &actors, photo.shrink, is_occluded);
        }
        // Motion happens on the camera's own pixels.
        photo.motion_px *= shrink.sqrt() / scale as f32;
        let mut rgb = std::mem::take(&mut self.canvas.rgb);
        photo.take(&mut rgb, width, WIDTH, &mut dice);
        let pixels = bytes(&rgb);
        self.canvas.rgb = rgb;
        let file = jpeg(&pixels, WIDTH, HEIGHT, style.quality)?;
        let parts = self.parts(&actors, scale);
        let toward = (eye[1]).atan2(eye[0]);
        let off = crate::math::wrap_angle(heading - toward).abs().to_degrees();
        let side = if off < 55.0 {
            "front"
        } else if off > 125.0 {
            "back"
        } else {
            "side"
        };
        let evidence = evidence(
            &appearance,
            &cast.person,
            &parts,
            &pixels,
            photo.shrink,
            name,
            side,
            style.weather,
        );
        Ok(Crop {
            rgb: pixels,
            jpeg: file,
            appearance,
            evidence,
            parts,
            weather: style.weather,
            is_occluded,
        })
    }

    /// Draws the crop and says how its first actor appears.
    fn draw(
        &mut self,
        place: &Place,
        frame: &View,
        actors: &[Actor<'_>],
        shrink: f32,
        is_occluded: bool,
    ) -> Appearance {
        // The place is cast as finely as the camera's own pixels; edges of what stands in front a little finer.
        let least = if is_occluded || frame.width < WIDTH {
            1.0
        } else {
            2.0
        };
        let step = (shrink * if is_occluded { 0.6 } else { 0.8 })
            .round()
            .clamp(least, 3.0);
        let backdrop = Backdrop::cast(place, frame, step as usize);
        self.canvas
            .draw(place, frame, &backdrop, actors, &self.tone, 224)
            .into_iter()
            .find(|a| a.actor == 0)
            .unwrap_or(Appearance {
                actor: 0,
                full: [0.0; 4],
                seen: None,
                samples: 0,
                visible: 0,
                parts: std::collections::BTreeMap::new(),
            })
    }

    fn parts(&self, actors: &[Actor<'_>], scale: usize) -> Vec<u8> {
        let mut parts = Vec::with_capacity(WIDTH * HEIGHT);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let at = (x / scale, y / scale);
                parts.push(match self.canvas.part(actors, at.0, at.1, WIDTH / scale) {
                    Some((0, part)) => part as u8 + 1,
                    _ => 0,
                });
            }
        }
        parts
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "everything that a caption must be true of"
)]
fn evidence(
    appearance: &Appearance,
    person: &Person,
    parts: &[u8],
    pixels: &[u8],
    shrink: f32,
    action: &'static str,
    view: &'static str,
    weather: Weather,
) -> Evidence {
    let total = appearance.visible.max(1) as f32;
    let share = appearance
        .parts
        .iter()
        .map(|(part, count)| (*part, *count as f32 / total))
        .collect();
    let height = appearance.seen.map_or(0.0, |b| b[3] - b[1]) / shrink;
    let false_colours = person
        .materials
        .iter()
        .filter(|m| {
            matches!(
                m.pattern,
                Pattern::Plain | Pattern::Seam | Pattern::Quilted | Pattern::Denim
            )
        })
        .filter(|m| {
            !matches!(
                m.part,
                Part::Skin | Part::Hands | Part::Hair | Part::Socks | Part::Glasses
            )
        })
        .filter(|m| seen_as(m.first, m.part, parts, pixels).is_some_and(|is_true| !is_true))
        .map(|m| m.part)
        .collect();
    Evidence {
        share,
        height_px: height,
        action,
        view,
        false_colours,
        is_coloured: weather != Weather::Night || height > 60.0,
    }
}

/// How large a person stands: top of the head in metres, for reports.
#[must_use]
pub fn height_m(cast: &Cast, library: &Library) -> f32 {
    let (head, ball) = (library.rig.bone("head"), library.rig.bone("ball_l"));
    let joints = &cast.person.joints;
    length([
        0.0,
        joints.tails[head][1] - joints.tails[ball][1] + 0.22,
        0.0,
    ]) * 0.1
        * cast.size
}
