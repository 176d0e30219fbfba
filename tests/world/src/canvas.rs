//! One picture put together: figures before the place by depth, their shadows on it, and who covers whom.

use std::collections::BTreeMap;

use crate::backdrop::Backdrop;
use crate::lens::View;
use crate::light::Tone;
use crate::material::Part;
use crate::math::{V3, add, dot, scale, sub};
use crate::person::Person;
use crate::place::{Place, SKY};
use crate::raster::{Figure, SAMPLES, Tile};
use crate::rig::BoneMatrix;

/// Somebody in the picture.
#[derive(Debug)]
pub struct Actor<'a> {
    /// The mesh.
    pub person: &'a Person,
    /// World bone matrices.
    pub bones: Vec<BoneMatrix>,
    /// Where on the ground, world.
    pub stands: V3,
}

/// How somebody appears.
#[derive(Debug, Clone, PartialEq)]
pub struct Appearance {
    /// Which actor.
    pub actor: usize,
    /// The whole silhouette's box, also where hidden or outside: x0, y0, x1, y1 in pixels.
    pub full: [f32; 4],
    /// The box of what is seen; none if nothing is.
    pub seen: Option<[f32; 4]>,
    /// Samples of the whole silhouette.
    pub samples: u32,
    /// Samples that are seen.
    pub visible: u32,
    /// Visible samples of each part.
    pub parts: BTreeMap<Part, u32>,
}

impl Appearance {
    /// The share of the silhouette that is seen.
    #[must_use]
    pub fn visibility(&self) -> f32 {
        if self.samples == 0 {
            0.0
        } else {
            self.visible as f32 / self.samples as f32
        }
    }
}

/// Buffers of a picture, reused from frame to frame.
#[derive(Debug, Default)]
pub struct Canvas {
    key: Vec<f32>,
    who: Vec<u16>,
    tile_sample: Vec<u32>,
    shadow: Vec<f32>,
    /// The picture, sRGB 0..1.
    pub rgb: Vec<V3>,
    figures: Vec<Figure>,
    tiles: Vec<Tile>,
}

impl Canvas {
    /// Draws all actors and says how each appears (those off the picture are left out). `shadow_map` is the side of each sun map in cells.
    pub fn draw(
        &mut self,
        place: &Place,
        view: &View,
        backdrop: &Backdrop,
        actors: &[Actor<'_>],
        tone: &Tone,
        shadow_map: usize,
    ) -> Vec<Appearance> {
        let (w, h) = (view.width, view.height);
        let samples = w * h * SAMPLES * SAMPLES;
        self.key.clear();
        self.key.resize(samples, 0.0);
        self.who.clear();
        self.who.resize(samples, 0);
        self.tile_sample.resize(samples, 0);
        self.shadow.clear();
        self.shadow.resize(w * h, 0.0);
        while self.figures.len() < actors.len() {
            self.figures.push(Figure::default());
            self.tiles.push(Tile::default());
        }
        let mut appearances = Vec::new();
        for (number, actor) in actors.iter().enumerate() {
            let (figure, tile) = (&mut self.figures[number], &mut self.tiles[number]);
            figure.pose(actor.person, &actor.bones, place.light.towards, shadow_map);
            darken(place, view, backdrop, figure, actor, &mut self.shadow);
            if !tile.draw(actor.person, figure, view) {
                continue;
            }
            let sunlit = sunlit(place, actor.stands, figure.ball);
            tile.shade(actor.person, figure, view, &place.light, sunlit);
            let mut appearance = Appearance {
                actor: number,
                full: [0.0; 4],
                seen: None,
                samples: 0,
                visible: 0,
                parts: BTreeMap::new(),
            };
            let mut edges = Edges::default();
            let tile_width = tile.width * SAMPLES;
            let (left, top) = (tile.x0 * SAMPLES as i32, tile.y0 * SAMPLES as i32);
            for (sy, row) in tile.key.chunks_exact(tile_width).enumerate() {
                for (sx, key) in row.iter().enumerate().filter(|(_, key)| **key > 0.0) {
                    edges.take(sx as i32, sy as i32);
                    appearance.samples += 1;
                    let (x, y) = (sx as i32 + left, sy as i32 + top);
                    if x < 0 || y < 0 || x >= (w * SAMPLES) as i32 || y >= (h * SAMPLES) as i32 {
                        continue;
                    }
                    let slot = y as usize * w * SAMPLES + x as usize;
                    let behind = backdrop
                        .at(x as usize / SAMPLES, y as usize / SAMPLES)
                        .depth;
                    // A little slack, so that the ground does not swallow soles.
                    if *key > self.key[slot] && *key * (behind + 0.12) > 1.0 {
                        self.key[slot] = *key;
                        self.who[slot] = number as u16 + 1;
                        self.tile_sample[slot] = (sy * tile_width + sx) as u32;
                    }
                }
            }
            if appearance.samples > 0 {
                appearance.full = edges.pixels(tile.x0, tile.y0);
                appearances.push(appearance);
            }
        }
        self.count(actors, &mut appearances, w);
        self.resolve(backdrop, tone, w, h);
        appearances
    }

    fn count(&self, actors: &[Actor<'_>], appearances: &mut [Appearance], w: usize) {
        let mut slot_of = vec![None; actors.len()];
        for (slot, a) in appearances.iter().enumerate() {
            slot_of[a.actor] = Some(slot);
        }
        let mut edges = vec![Edges::default(); appearances.len()];
        for (y, row) in self.who.chunks_exact(w * SAMPLES).enumerate() {
            for (x, who) in row.iter().enumerate().filter(|(_, who)| **who > 0) {
                let actor = usize::from(*who) - 1;
                let Some(slot) = slot_of[actor] else { continue };
                edges[slot].take(x as i32, y as i32);
                appearances[slot].visible += 1;
                let sample = self.tile_sample[y * w * SAMPLES + x] as usize;
                if let Some(part) = self.tiles[actor].part(actors[actor].person, sample) {
                    *appearances[slot].parts.entry(part).or_default() += 1;
                }
            }
        }
        for (a, e) in appearances.iter_mut().zip(&edges) {
            a.seen = (a.visible > 0).then(|| e.pixels(0, 0));
        }
    }

    fn resolve(&mut self, backdrop: &Backdrop, tone: &Tone, w: usize, h: usize) {
        self.rgb.clear();
        self.rgb.reserve(w * h);
        let share = 1.0 / (SAMPLES * SAMPLES) as f32;
        for y in 0..h {
            for x in 0..w {
                let behind = scale(backdrop.at(x, y).colour, 1.0 - self.shadow[y * w + x]);
                let mut colour = [0.0; 3];
                for s in 0..SAMPLES * SAMPLES {
                    let slot =
                        (y * SAMPLES + s / SAMPLES) * w * SAMPLES + x * SAMPLES + s % SAMPLES;
                    let from = match self.who[slot] {
                        0 => behind,
                        who => {
                            self.tiles[usize::from(who) - 1].colour[self.tile_sample[slot] as usize]
                        }
                    };
                    colour = add(colour, scale(from, share));
                }
                self.rgb.push(colour.map(|c| tone.map(c)));
            }
        }
    }

    /// What the middle of a pixel shows of which actor.
    #[must_use]
    pub fn part(
        &self,
        actors: &[Actor<'_>],
        x: usize,
        y: usize,
        w: usize,
    ) -> Option<(usize, Part)> {
        let slot = (y * SAMPLES + SAMPLES / 2) * w * SAMPLES + x * SAMPLES + SAMPLES / 2;
        let actor = usize::from(*self.who.get(slot)?).checked_sub(1)?;
        let part = self.tiles[actor].part(actors[actor].person, self.tile_sample[slot] as usize)?;
        Some((actor, part))
    }
}

#[derive(Debug, Clone, Copy)]
struct Edges([i32; 4]);

impl Default for Edges {
    fn default() -> Self {
        Self([i32::MAX, i32::MAX, i32::MIN, i32::MIN])
    }
}

impl Edges {
    fn take(&mut self, x: i32, y: i32) {
        let e = &mut self.0;
        *e = [e[0].min(x), e[1].min(y), e[2].max(x), e[3].max(y)];
    }

    /// In pixels.
    fn pixels(&self, x0: i32, y0: i32) -> [f32; 4] {
        let k = SAMPLES as f32;
        let [a, b, c, d] = self.0;
        [
            a as f32 / k + x0 as f32,
            b as f32 / k + y0 as f32,
            (c + 1) as f32 / k + x0 as f32,
            (d + 1) as f32 / k + y0 as f32,
        ]
    }
}

/// The share of sun that reaches a person past buildings: looked at three heights.
fn sunlit(place: &Place, stands: V3, ball: (V3, f32)) -> f32 {
    let top = ball.0[2] + ball.1 * 0.7;
    [0.2, 0.5, 0.9]
        .iter()
        .filter(|k| place.sunlit([stands[0], stands[1], top * **k]))
        .count() as f32
        / 3.0
}

/// The figure's shadow on what the backdrop shows, and the dark contact under its feet.
fn darken(
    place: &Place,
    view: &View,
    backdrop: &Backdrop,
    figure: &Figure,
    actor: &Actor<'_>,
    shadow: &mut [f32],
) {
    let (centre, radius) = figure.ball;
    let towards = place.light.towards;
    let reach = (centre[2] + radius) / towards[2].max(0.2);
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for along in [0.0, reach] {
        let c = sub(centre, scale(towards, along));
        for (dx, dy) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            for z in [0.0, 0.6] {
                let Some((x, y, _)) = view.project([c[0] + dx * radius, c[1] + dy * radius, z])
                else {
                    return;
                };
                low = [low[0].min(x), low[1].min(y)];
                high = [high[0].max(x), high[1].max(y)];
            }
        }
    }
    let clamp = |v: f32, most: usize| (v.max(0.0) as usize).min(most);
    let (x0, x1) = (clamp(low[0], view.width), clamp(high[0] + 1.0, view.width));
    let (y0, y1) = (
        clamp(low[1], view.height),
        clamp(high[1] + 1.0, view.height),
    );
    let far = radius * radius * 6.0 + reach * reach;
    for y in y0..y1 {
        for x in x0..x1 {
            let seen = backdrop.at(x, y);
            let d = sub(seen.point, actor.stands);
            if seen.depth >= SKY || dot(d, d) > far {
                continue;
            }
            let mut dark = 0.0;
            if seen.sun_share > 0.0 {
                dark = (1.0 - figure.sun.lit(seen.point, 0.01, 2)) * seen.sun_share;
            }
            let flat = d[0] * d[0] + d[1] * d[1];
            if flat < 0.8 {
                dark = 1.0
                    - (1.0 - dark)
                        * (1.0
                            - 0.35
                                * (-flat / 0.14).exp()
                                * (1.0 - seen.point[2] * 2.0).clamp(0.0, 1.0));
            }
            let slot = &mut shadow[y * view.width + x];
            *slot = slot.max(dark);
        }
    }
}
