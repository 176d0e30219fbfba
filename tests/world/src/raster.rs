//! One posed person into a tile of samples: z-buffer, light, shadow, folds, part map.

use crate::lens::View;
use crate::light::Light;
use crate::material::{Part, Pattern};
use crate::math::{V3, add, dot, scale, sub, unit};
use crate::noise::floor;
use crate::person::Person;
use crate::rig::BoneMatrix;
use crate::shadow::{DepthMap, bounds};

/// Samples a pixel along each side.
pub const SAMPLES: usize = 2;
/// Decimetres of person space in metres of the world.
const METRES: f32 = 0.1;
/// Samples that are tried together.
const LANES: usize = 4;

/// A person posed in the world, with its shadow map; buffers are reused from person to person.
#[derive(Debug, Default)]
pub struct Figure {
    /// Vertices in the world.
    pub vertices: Vec<V3>,
    normals: Vec<V3>,
    /// Seen from the sun.
    pub sun: DepthMap,
    /// Centre and radius of a ball round all of it.
    pub ball: (V3, f32),
}

impl Figure {
    /// Poses `person` by world bone matrices and draws what the sun sees.
    pub fn pose(
        &mut self,
        person: &Person,
        bones: &[BoneMatrix],
        towards_sun: V3,
        map_size: usize,
    ) {
        person.posed(bones, &mut self.vertices);
        crate::body::normals(&self.vertices, &person.triangles, &mut self.normals);
        self.ball = bounds(&self.vertices);
        self.sun.draw(
            towards_sun,
            self.ball.0,
            self.ball.1,
            map_size,
            &self.vertices,
            person,
        );
    }
}

/// Samples of one figure in a rectangle of pixels, which may reach beyond the picture.
#[derive(Debug, Default)]
pub struct Tile {
    /// Left edge, pixels.
    pub x0: i32,
    /// Upper edge, pixels.
    pub y0: i32,
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// Per sample 1/depth, 0 where nothing is.
    pub key: Vec<f32>,
    triangle: Vec<u32>,
    place: Vec<[f32; 2]>,
    /// Per sample linear colour, already exposed.
    pub colour: Vec<V3>,
    screen: Vec<V3>,
}

/// The largest tile side in pixels: a person that would fill more is too near the camera to be drawn.
const LARGEST: i32 = 4096;

impl Tile {
    /// Draws the figure's surfaces into the tile; false if nothing of it can be seen or it is too near.
    pub fn draw(&mut self, person: &Person, figure: &Figure, view: &View) -> bool {
        self.screen.clear();
        let samples = SAMPLES as f32;
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for (v, clip) in figure.vertices.iter().zip(&person.clip) {
            let Some((x, y, z)) = view.project(*v) else {
                return false;
            };
            if *clip > -0.2 {
                low = [low[0].min(x), low[1].min(y)];
                high = [high[0].max(x), high[1].max(y)];
            }
            self.screen.push([x, y, 1.0 / z]);
        }
        (self.x0, self.y0) = (low[0].floor() as i32 - 1, low[1].floor() as i32 - 1);
        let (x1, y1) = (high[0].ceil() as i32 + 1, high[1].ceil() as i32 + 1);
        if x1 <= self.x0 || y1 <= self.y0 || x1 - self.x0 > LARGEST || y1 - self.y0 > LARGEST {
            return false;
        }
        if x1 < 0 || y1 < 0 || self.x0 > view.width as i32 || self.y0 > view.height as i32 {
            return false;
        }
        (self.width, self.height) = ((x1 - self.x0) as usize, (y1 - self.y0) as usize);
        let (w, h) = (self.width * SAMPLES, self.height * SAMPLES);
        self.key.clear();
        self.key.resize(w * h, 0.0);
        self.triangle.clear();
        self.triangle.resize(w * h, u32::MAX);
        self.place.resize(w * h, [0.0; 2]);
        let (ox, oy) = (self.x0 as f32, self.y0 as f32);
        for s in &mut self.screen {
            s[0] = (s[0] - ox) * samples;
            s[1] = (s[1] - oy) * samples;
        }
        for (number, t) in person.triangles.iter().enumerate() {
            let [i, j, k] = t.map(|v| v as usize);
            let clips = [person.clip[i], person.clip[j], person.clip[k]];
            if clips.iter().all(|c| *c < 0.0) {
                continue;
            }
            let (a, b, c) = (self.screen[i], self.screen[j], self.screen[k]);
            let x0 = (floor(a[0].min(b[0]).min(c[0]) - 0.5) + 1).max(0);
            let x1 = floor(a[0].max(b[0]).max(c[0]) - 0.5).min(w as i32 - 1);
            let y0 = (floor(a[1].min(b[1]).min(c[1]) - 0.5) + 1).max(0);
            let y1 = floor(a[1].max(b[1]).max(c[1]) - 0.5).min(h as i32 - 1);
            if x1 < x0 || y1 < y0 {
                continue;
            }
            let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
            if area.abs() < 1e-9 {
                continue;
            }
            let inverse = 1.0 / area;
            let bias = person.materials[usize::from(person.surface[number])].bias * METRES;
            let is_cut = clips.iter().any(|c| *c < 0.0);
            let dx1 = (c[1] - a[1]) * inverse;
            let dx2 = -(b[1] - a[1]) * inverse;
            for y in y0..=y1 {
                let py = y as f32 + 0.5 - a[1];
                let base1 = -py * (c[0] - a[0]) * inverse;
                let base2 = (b[0] - a[0]) * py * inverse;
                let row = y as usize * w;
                let span = row + x0 as usize..=row + x1 as usize;
                let samples = self.key[span.clone()]
                    .chunks_mut(LANES)
                    .zip(self.triangle[span.clone()].chunks_mut(LANES))
                    .zip(self.place[span].chunks_mut(LANES));
                for (x, ((held, triangle), place)) in (x0..).step_by(LANES).zip(samples) {
                    // Several samples at once: most lie outside, and each alone would be a guess for the processor.
                    let px: [f32; LANES] =
                        std::array::from_fn(|l| (x + l as i32) as f32 + 0.5 - a[0]);
                    let w1 = px.map(|px| base1 + px * dx1);
                    let w2 = px.map(|px| base2 + px * dx2);
                    let w0: [f32; LANES] = std::array::from_fn(|l| 1.0 - w1[l] - w2[l]);
                    let inside: [bool; LANES] =
                        std::array::from_fn(|l| w0[l].min(w1[l]).min(w2[l]) >= 0.0);
                    if inside == [false; LANES] {
                        continue;
                    }
                    for l in (0..held.len()).filter(|l| inside[*l]) {
                        let near = w0[l] * a[2] + w1[l] * b[2] + w2[l] * c[2];
                        let key = near / (1.0 - bias * near);
                        if key <= held[l] {
                            continue;
                        }
                        let (p1, p2) = (w1[l] * b[2] / near, w2[l] * c[2] / near);
                        if is_cut
                            && clips[0] * (1.0 - p1 - p2) + clips[1] * p1 + clips[2] * p2 < 0.0
                        {
                            continue;
                        }
                        (held[l], triangle[l], place[l]) = (key, number as u32, [p1, p2]);
                    }
                }
            }
        }
        true
    }

    /// The part that a sample shows.
    #[must_use]
    pub fn part(&self, person: &Person, sample: usize) -> Option<Part> {
        let number = *self.triangle.get(sample)?;
        (number != u32::MAX)
            .then(|| person.materials[usize::from(person.surface[number as usize])].part)
    }

    /// Lights all samples inside the picture. `sunlit` is the share of sun that reaches the person past buildings.
    pub fn shade(
        &mut self,
        person: &Person,
        figure: &Figure,
        view: &View,
        light: &Light,
        sunlit: f32,
    ) {
        let w = self.width * SAMPLES;
        self.colour.clear();
        self.colour.resize(self.key.len(), [0.0; 3]);
        let columns = (-self.x0).max(0) as usize
            ..((view.width as i32 - self.x0).clamp(0, self.width as i32) as usize);
        let rows = (-self.y0).max(0) as usize
            ..((view.height as i32 - self.y0).clamp(0, self.height as i32) as usize);
        for row in rows {
            for column in columns.clone() {
                // Samples of one smooth surface in one pixel share their light.
                let mut shared: Option<(u16, f32, V3)> = None;
                for s in 0..SAMPLES * SAMPLES {
                    let sample = (row * SAMPLES + s / SAMPLES) * w + column * SAMPLES + s % SAMPLES;
                    let number = self.triangle[sample];
                    if number == u32::MAX {
                        continue;
                    }
                    let (surface, key) = (person.surface[number as usize], self.key[sample]);
                    if let Some((which, depth, colour)) = shared
                        && which == surface
                        && (depth - key).abs() < 0.004 * key
                    {
                        self.colour[sample] = colour;
                        continue;
                    }
                    let colour = lit(
                        person,
                        figure,
                        view,
                        light,
                        sunlit,
                        number as usize,
                        self.place[sample],
                    );
                    self.colour[sample] = colour;
                    let is_smooth = matches!(
                        person.materials[usize::from(surface)].pattern,
                        Pattern::Plain | Pattern::Hair | Pattern::Denim | Pattern::Quilted
                    );
                    if is_smooth {
                        shared = Some((surface, key, colour));
                    }
                }
            }
        }
    }
}

fn lit(
    person: &Person,
    figure: &Figure,
    view: &View,
    light: &Light,
    sunlit: f32,
    triangle: usize,
    place: [f32; 2],
) -> V3 {
    let [i, j, k] = person.triangles[triangle].map(|v| v as usize);
    let [b1, b2] = place;
    let b0 = 1.0 - b1 - b2;
    let between = |list: &[V3]| -> V3 {
        let (p, q, r) = (list[i], list[j], list[k]);
        [
            b0 * p[0] + b1 * q[0] + b2 * r[0],
            b0 * p[1] + b1 * q[1] + b2 * r[1],
            b0 * p[2] + b1 * q[2] + b2 * r[2],
        ]
    };
    let m = &person.materials[usize::from(person.surface[triangle])];
    let mut n = unit(between(&figure.normals));
    let p = between(&figure.vertices);
    let c = between(&person.canonical);
    let nc = unit(between(&person.canonical_normal));
    let tint = between(&person.tint);
    let mut open = b0 * person.ambient[i] + b1 * person.ambient[j] + b2 * person.ambient[k];
    let v = unit(sub(view.eye, p));
    let mut inside = 1.0;
    if dot(n, v) < 0.0 {
        n = scale(n, -1.0);
        inside = 0.55;
    }
    if m.bump > 0.0 {
        let (height, slope) = m.folds(c);
        // The slope is in the canonical pose's axes (y up, z front): turned to the world by the difference of the two normals' frames.
        let slope = turned(slope, nc, n);
        let along = dot(slope, n);
        let k = m.bump / m.bump_frequency;
        n = unit(std::array::from_fn(|a| {
            n[a] - k * (slope[a] - along * n[a])
        }));
        open *= 1.0 - 0.3 * m.bump * (0.8 - height).clamp(0.0, 1.0);
    }
    let colour = m.colour(c, nc);
    let facing = (dot(n, light.towards) + m.wrap) / (1.0 + m.wrap);
    let mut sun = 0.0;
    if facing > 0.0 && sunlit > 0.0 {
        let outside = add(p, scale(n, 0.12 * METRES));
        sun = figure.sun.lit(outside, 0.12 * METRES, 1) * facing * sunlit;
    }
    let up = 0.5 + 0.5 * n[2];
    let half = unit(add(light.towards, v));
    let gloss = dot(n, half).max(0.0);
    let (g2, g4) = (gloss * gloss, gloss * gloss * gloss * gloss);
    let g16 = g4 * g4 * g4 * g4;
    let shine = m.shine * g16 * g4 * g2 * if sun > 0.0 { 1.0 } else { 0.15 };
    let grazing = 1.0 - dot(n, v).max(0.0);
    let rim = m.shine * 0.5 * grazing * grazing * grazing * grazing;
    let around = (0.15 + 0.85 * open) * inside;
    std::array::from_fn(|a| {
        let ambient = light.ground[a] * (1.0 - up) + light.sky[a] * up;
        let diffuse = colour[a] * tint[a] * (ambient * around + light.sun[a] * sun);
        (diffuse + shine * light.sun[a] * 0.5 + rim * light.sky[a] * around) * light.exposure
    })
}

/// Carries a small vector from the frame of one normal to the frame of another by the smallest turn.
fn turned(v: V3, from: V3, to: V3) -> V3 {
    // The canonical pose has y up and z front; the world has z up. Heading does not matter for folds.
    let (v, from) = ([v[0], -v[2], v[1]], [from[0], -from[2], from[1]]);
    let c = dot(from, to);
    if c < -0.99 {
        return v;
    }
    let axis = crate::math::cross(from, to);
    let k = 1.0 / (1.0 + c);
    let cross_v = crate::math::cross(axis, v);
    let along = dot(axis, v) * k;
    std::array::from_fn(|a| v[a] * c + cross_v[a] + axis[a] * along)
}
