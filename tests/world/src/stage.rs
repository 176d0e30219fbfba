//! A scene made ready: the place, the cast, everybody's movement, and the cameras.

use std::path::Path;

use rayon::prelude::*;

use crate::backdrop::Backdrop;
use crate::body::Library;
use crate::canvas::Actor;
use crate::dice::Dice;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::gait::{Feet, Stride};
use crate::identity::{Crowd, Difficulty, Identity};
use crate::lens::View;
use crate::material::linear;
use crate::math::V3;
use crate::photo::Photo;
use crate::place::{Patch, Place, Solid};
use crate::pose::{Action, Placement, Pose};
use crate::routes::{Plan, Steps, plan};
use crate::scenery;
use crate::shot::Cast;
use crate::spec::{Camera, Scene};
use crate::texture::Surface;
use crate::walk::walk;
use crate::way::Floor;

/// One person at one frame.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Where and which way.
    pub placement: Placement,
    /// How.
    pub pose: Pose,
}

/// A scene made ready.
#[derive(Debug)]
pub struct Stage {
    /// The file.
    pub scene: Scene,
    /// Chance.
    pub seed: u64,
    /// The place.
    pub place: Place,
    /// Everybody.
    pub cast: Vec<Cast>,
    /// Their plans.
    pub plans: Vec<Plan>,
    /// `[frame][person]`, none while away.
    pub moments: Vec<Vec<Option<Moment>>>,
    /// Each camera's geometry.
    pub views: Vec<View>,
}

/// Ticks of the walk between two frames.
fn ticks(fps: f32) -> usize {
    (25.0 / fps).ceil().max(1.0) as usize
}

impl Stage {
    /// Builds place, people and movement.
    ///
    /// # Errors
    /// A mesh is missing, or walls close the ways.
    pub fn set(library: &Library, scene: Scene, seed: u64) -> Result<Self> {
        let place = place(&scene, seed);
        let floor = Floor::new(&place, scene.plan.size_m);
        let plans = plan(&scene, &place, &floor, seed)?;
        let is_wet = scene.cameras.iter().any(|c| c.rain > 0.0);
        let crowd = Crowd {
            difficulty: Difficulty(scene.difficulty),
            children: scene.people.children,
            is_wet,
        };
        let cast: Result<Vec<Cast>> = (0..plans.len())
            .into_par_iter()
            .map(|i| {
                let mut identity = Identity::draw(seed, i + 1, crowd);
                if plans[i].seat.is_some() || plans[i].is_running {
                    // Nobody sits or runs with a suitcase.
                    let busy = |a: &crate::accessory::Accessory| {
                        matches!(a, crate::accessory::Accessory::Suitcase { .. })
                    };
                    identity.outline.accessories.retain(|a| !busy(a));
                    identity
                        .items
                        .retain(|i| i.part != crate::material::Part::Suitcase);
                    for arm in &mut identity.outline.manner.arms {
                        if *arm == crate::pose::Arm::Pull {
                            *arm = crate::pose::Arm::Free;
                        }
                    }
                }
                Cast::build(library, identity)
            })
            .collect();
        let cast = cast?;
        let per_frame = ticks(scene.fps);
        let tick_s = 1.0 / (scene.fps * per_frame as f32);
        let steps = walk(&plans, &place, &floor, scene.duration_s, tick_s);
        let moments = moments(library, &cast, &plans, &steps, tick_s, per_frame);
        let views = scene.cameras.iter().map(view).collect();
        Ok(Self {
            scene,
            seed,
            place,
            cast,
            plans,
            moments,
            views,
        })
    }

    /// Frames of the scene.
    #[must_use]
    pub fn frames(&self) -> usize {
        (self.scene.duration_s * self.scene.fps).round() as usize
    }

    /// The people of a frame who may be seen or throw a shadow into a view, and their numbers.
    #[must_use]
    pub fn actors(
        &self,
        library: &Library,
        frame: usize,
        view: &View,
    ) -> (Vec<Actor<'_>>, Vec<usize>) {
        let (mut actors, mut numbers) = (Vec::new(), Vec::new());
        for (i, moment) in self.moments[frame].iter().enumerate() {
            let Some(m) = moment else { continue };
            let at = m.placement.position;
            let margin = 260.0;
            let is_near = [0.0, 1.0, 2.0].iter().any(|z| {
                view.project([at[0], at[1], *z]).is_some_and(|(x, y, _)| {
                    x > -margin
                        && y > -margin
                        && x < view.width as f32 + margin
                        && y < view.height as f32 + margin
                })
            });
            if !is_near {
                continue;
            }
            let cast = &self.cast[i];
            let (solved, lift) = cast.person.solve(library, &m.pose);
            let mut placement = m.placement;
            placement.position[2] += lift * 0.1 * cast.size;
            actors.push(Actor {
                person: &cast.person,
                bones: placement.place(&solved.bones),
                stands: [at[0], at[1], 0.0],
            });
            numbers.push(i);
        }
        (actors, numbers)
    }

    /// A camera's empty picture; a user's own background where the file gives one.
    ///
    /// # Errors
    /// The background cannot be read or has another size.
    pub fn backdrop(&self, camera: usize, folder: &Path) -> Result<Backdrop> {
        let mut backdrop = Backdrop::cast_fine(&self.place, &self.views[camera]);
        if let Some(name) = &self.scene.cameras[camera].background {
            let path = folder.join(name);
            let (rgb, width, height) = picture(&path)?;
            let view = &self.views[camera];
            if (width, height) != (view.width, view.height) {
                let what = format!(
                    "is {width}x{height}, camera `{}` is {}x{}",
                    self.scene.cameras[camera].id, view.width, view.height
                );
                return Err(Error::picture(&path.display().to_string(), what));
            }
            let colours: Vec<V3> = rgb
                .chunks_exact(3)
                .map(|p| linear([f32::from(p[0]), f32::from(p[1]), f32::from(p[2])]))
                .collect();
            backdrop.paint(&colours);
        }
        Ok(backdrop)
    }
}

/// A camera's geometry.
#[must_use]
pub fn view(camera: &Camera) -> View {
    let eye = [camera.at[0], camera.at[1], camera.height_m];
    let mut view = View::new(
        eye,
        camera.yaw_deg.to_radians(),
        camera.pitch_deg.to_radians(),
        camera.view_deg.to_radians(),
        camera.width,
        camera.height,
    );
    view.distortion = camera.distortion;
    view
}

/// A camera's picture settings.
#[must_use]
pub fn photo(camera: &Camera) -> Photo {
    Photo {
        balance: camera.white_balance,
        gain: camera.exposure,
        contrast: if camera.sharpen > 0.0 { 0.12 } else { 0.0 },
        saturation: camera.saturation,
        sharpen: camera.sharpen,
        blur_px: camera.blur_px,
        motion_px: camera.motion_blur_px,
        motion_angle: 0.0,
        noise: camera.noise,
        rain: camera.rain,
        shrink: camera.shrink,
    }
}

fn place(scene: &Scene, seed: u64) -> Place {
    let mut dice = Dice::new(&[seed, 0x91ace]);
    let mut place = Place {
        ground: Surface::new(scene.plan.ground, scene.plan.rgb, 3.0),
        patches: Vec::new(),
        solids: Vec::new(),
        horizon: scenery::horizon(scene.weather),
        light: scene.weather.light(scene.sun_azimuth_deg.to_radians()),
    };
    for (i, a) in scene.areas.iter().enumerate() {
        place.patches.push(Patch {
            centre: a.at,
            half: [a.size_m[0] / 2.0, a.size_m[1] / 2.0],
            turn: a.turn_deg.to_radians(),
            surface: Surface::new(a.finish, a.rgb, 5.0 + i as f32),
        });
    }
    for (i, w) in scene.walls.iter().enumerate() {
        let d = [w.to[0] - w.from[0], w.to[1] - w.from[1]];
        let form = Form::Box {
            centre: [
                (w.from[0] + w.to[0]) / 2.0,
                (w.from[1] + w.to[1]) / 2.0,
                w.height_m / 2.0,
            ],
            half: [
                d[0].hypot(d[1]) / 2.0,
                w.thickness_m / 2.0,
                w.height_m / 2.0,
            ],
            turn: d[1].atan2(d[0]),
        };
        place.solids.push(Solid {
            form,
            surface: Surface::new(w.finish, w.rgb, 11.0 + i as f32),
            blocks: true,
        });
    }
    for f in &scene.furniture {
        scenery::put(
            &mut dice,
            &mut place,
            &f.kind,
            f.at,
            f.turn_deg.to_radians(),
        );
    }
    place
}

/// Turns steps into poses with planted feet; frames are every `per_frame`-th tick.
fn moments(
    library: &Library,
    cast: &[Cast],
    plans: &[Plan],
    steps: &Steps,
    tick_s: f32,
    per_frame: usize,
) -> Vec<Vec<Option<Moment>>> {
    let columns: Vec<Vec<Option<Moment>>> = (0..cast.len())
        .into_par_iter()
        .map(|i| {
            let (who, plan) = (&cast[i], &plans[i]);
            let manner = who.identity.outline.manner;
            let stride = Stride::measure(library, &who.person, manner, who.size, plan.is_running);
            let mut feet = Feet::default();
            let mut out = Vec::new();
            for (tick, row) in steps.iter().enumerate() {
                let moment = row[i].map(|s| {
                    let placement = Placement {
                        position: [s.at[0], s.at[1], 0.0],
                        heading: s.heading,
                        size: who.size,
                    };
                    let phase = stride.phase(s.walked_m);
                    let action = if plan.seat.is_some() {
                        Action::Sit
                    } else if plan.is_running && s.stepping > 0.5 {
                        Action::Run { phase }
                    } else if s.stepping <= 0.0 {
                        Action::Stand
                    } else {
                        Action::Walk {
                            phase,
                            blend: s.stepping,
                        }
                    };
                    let mut pose = Pose::new(action, manner);
                    let t = tick as f32 * tick_s;
                    let slow = (t * 0.5 + i as f32 * 2.1).sin();
                    pose.head = [
                        slow * if s.stepping < 0.5 { 28.0 } else { 8.0 },
                        3.0 + 3.0 * (t * 0.31 + i as f32).sin(),
                    ];
                    if plan.seat.is_none() {
                        pose = feet.hold(library, &who.person, &placement, pose, tick_s);
                    }
                    Moment { placement, pose }
                });
                if moment.is_none() {
                    feet = Feet::default();
                }
                if tick % per_frame == 0 {
                    out.push(moment);
                }
            }
            out
        })
        .collect();
    let frames = columns.first().map_or(0, Vec::len);
    (0..frames)
        .map(|f| columns.iter().map(|c| c[f]).collect())
        .collect()
}

/// Reads a PNG or JPEG as RGB bytes.
///
/// # Errors
/// The file is neither, or cannot be read.
pub fn picture(path: &Path) -> Result<(Vec<u8>, usize, usize)> {
    let name = path.display().to_string();
    let bytes = fs_err::read(path)?;
    if bytes.starts_with(b"\x89PNG") {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(&bytes));
        decoder.set_transformations(
            png::Transformations::normalize_to_color8() | png::Transformations::STRIP_16,
        );
        let mut reader = decoder.read_info().map_err(|e| Error::picture(&name, e))?;
        let mut data = vec![
            0;
            reader
                .output_buffer_size()
                .ok_or_else(|| Error::picture(&name, "is too large"))?
        ];
        let info = reader
            .next_frame(&mut data)
            .map_err(|e| Error::picture(&name, e))?;
        let channels = info.color_type.samples();
        if channels < 3 {
            return Err(Error::picture(&name, "is not in colour, expected RGB"));
        }
        let rgb = data
            .chunks_exact(channels)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect();
        return Ok((rgb, info.width as usize, info.height as usize));
    }
    let mut decoder =
        zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&bytes));
    let rgb = decoder
        .decode()
        .map_err(|e| Error::picture(&name, format!("neither PNG nor JPEG: {e:?}")))?;
    let info = decoder
        .info()
        .ok_or_else(|| Error::picture(&name, "has no size"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if rgb.len() != width * height * 3 {
        return Err(Error::picture(&name, "is not in colour, expected RGB"));
    }
    Ok((rgb, width, height))
}
