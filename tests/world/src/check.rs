//! Counts what must not happen: feet that slide, people in walls or in one another, skin through clothes.

use serde::Serialize;

use crate::body::Library;
use crate::error::Result;
use crate::identity::Crowd;
use crate::material::Part;
use crate::shot::{Cast, HEIGHT, Studio, WIDTH};
use crate::stage::{Moment, Stage};

/// A planted foot that moves further than this between two frames slides, metres.
pub const SLIDE_M: f32 = 0.03;
/// A sole lower than this is planted, metres.
const PLANTED_M: f32 = 0.015;
/// Two people nearer than this stand in one another, metres (their own size is about 0.5).
pub const TOUCH_M: f32 = 0.45;
/// A person nearer to a wall than this stands in it, metres.
pub const WALL_M: f32 = 0.2;

/// The counts of a scene.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counts {
    /// Planted feet looked at, from frame to frame.
    pub planted: usize,
    /// Of these, how many slid.
    pub slid: usize,
    /// The mean way of a planted foot from frame to frame, metres.
    pub mean_slide_m: f32,
    /// The longest, metres.
    pub most_slide_m: f32,
    /// People looked at, one a frame.
    pub stands: usize,
    /// Of these, how many stood in a wall or furniture.
    pub in_walls: usize,
    /// Pairs that stood in one another.
    pub in_people: usize,
    /// Smallest distance of two people, metres.
    pub nearest_m: f32,
}

/// Looks at every frame of a scene.
#[must_use]
pub fn scene(library: &Library, stage: &Stage) -> Counts {
    let mut counts = Counts {
        nearest_m: f32::MAX,
        ..Counts::default()
    };
    let mut way = 0.0_f64;
    for (frame, row) in stage.moments.iter().enumerate() {
        for (i, moment) in row.iter().enumerate() {
            let Some(m) = moment else { continue };
            counts.stands += 1;
            let at = [m.placement.position[0], m.placement.position[1]];
            let is_seated = stage.plans[i].seat.is_some();
            if !is_seated && stage.place.clearance(at) < WALL_M {
                counts.in_walls += 1;
            }
            for other in row[i + 1..].iter().flatten() {
                let o = other.placement.position;
                let distance = (at[0] - o[0]).hypot(at[1] - o[1]);
                counts.nearest_m = counts.nearest_m.min(distance);
                counts.in_people += usize::from(distance < TOUCH_M);
            }
            if let (Some(next), false) =
                (stage.moments.get(frame + 1).and_then(|r| r[i]), is_seated)
            {
                let (now, then) = (
                    soles(library, &stage.cast[i], m),
                    soles(library, &stage.cast[i], &next),
                );
                for (a, b) in now.iter().zip(&then) {
                    if a[2] < PLANTED_M && b[2] < PLANTED_M {
                        let slide = (a[0] - b[0]).hypot(a[1] - b[1]);
                        counts.planted += 1;
                        counts.slid += usize::from(slide > SLIDE_M);
                        counts.most_slide_m = counts.most_slide_m.max(slide);
                        way += f64::from(slide);
                    }
                }
            }
        }
    }
    counts.mean_slide_m = (way / counts.planted.max(1) as f64) as f32;
    counts
}

/// The balls of both feet in the world.
fn soles(library: &Library, cast: &Cast, m: &Moment) -> [[f32; 3]; 2] {
    let (solved, lift) = cast.person.solve(library, &m.pose);
    let mut placement = m.placement;
    placement.position[2] += lift * 0.1 * cast.size;
    [
        placement.point(solved.soles[0].ball),
        placement.point(solved.soles[1].ball),
    ]
}

/// Skin seen through clothes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Through {
    /// Pictures looked at.
    pub pictures: usize,
    /// Pixels of tops, bottoms and shoes.
    pub cloth: usize,
    /// Pixels of skin closed in by one garment on all four sides within three pixels.
    pub skin: usize,
    /// Pictures with more than six such pixels.
    pub spoilt: usize,
}

/// Takes clean pictures of `count` identities from four sides and counts skin where cloth should be.
///
/// # Errors
/// A mesh is missing.
pub fn skin(library: &Library, seed: u64, count: usize, crowd: Crowd) -> Result<Through> {
    use rayon::prelude::*;
    let each: Result<Vec<Through>> = (1..=count)
        .into_par_iter()
        .map_init(Studio::default, |studio, number| {
            let cast = Cast::build(
                library,
                crate::identity::Identity::draw(seed, number, crowd),
            )?;
            let mut through = Through::default();
            for view in 0..4 {
                let crop =
                    studio.shoot(library, seed, &cast, view, crowd.difficulty, &Vec::new())?;
                look(&crop.parts, &mut through);
            }
            Ok(through)
        })
        .collect();
    Ok(each?.into_iter().fold(Through::default(), |a, b| Through {
        pictures: a.pictures + b.pictures,
        cloth: a.cloth + b.cloth,
        skin: a.skin + b.skin,
        spoilt: a.spoilt + b.spoilt,
    }))
}

fn look(parts: &[u8], through: &mut Through) {
    let code = |p: Part| p as u8 + 1;
    let is_cloth =
        |v: u8| v == code(Part::Top) || v == code(Part::Bottom) || v == code(Part::Shoes);
    let mut count = 0;
    for y in 3..HEIGHT - 3 {
        for x in 3..WIDTH - 3 {
            let here = parts[y * WIDTH + x];
            through.cloth += usize::from(is_cloth(here));
            if here != code(Part::Skin) {
                continue;
            }
            let meets = |dx: i32, dy: i32| {
                (1..=3)
                    .map(|k| {
                        parts[((y as i32 + dy * k) * WIDTH as i32 + x as i32 + dx * k) as usize]
                    })
                    .find(|v| *v != here)
            };
            let around = [meets(1, 0), meets(-1, 0), meets(0, 1), meets(0, -1)];
            if let [Some(a), Some(b), Some(c), Some(d)] = around
                && is_cloth(a)
                && a == b
                && b == c
                && c == d
            {
                count += 1;
            }
        }
    }
    through.pictures += 1;
    through.skin += count;
    through.spoilt += usize::from(count > 6);
}
