//! A place as one camera sees it when nobody is there.

use rayon::prelude::*;

use crate::lens::View;
use crate::math::{V3, add, scale};
use crate::place::{Hit, Place, SKY, Seen};
use crate::raster::SAMPLES;
use crate::sieve::Sieve;

/// Nothing nearer to the lens than this is seen, metres.
const NEAREST: f32 = 0.05;

/// Colour, depth and position of every pixel of an empty place.
#[derive(Debug, Clone, Default)]
pub struct Backdrop {
    width: usize,
    pixels: Vec<Seen>,
}

impl Backdrop {
    /// Casts a ray for every `step`-th pixel and fills in between.
    #[must_use]
    pub fn cast(place: &Place, view: &View, step: usize) -> Self {
        let (w, h) = (
            view.width.div_ceil(step) + 1,
            view.height.div_ceil(step) + 1,
        );
        let mut sieve = Sieve::before(place, view);
        let met: Vec<(V3, Option<Hit>)> = (0..w * h)
            .map(|i| {
                let (u, v) = ((i % w * step) as f32 + 0.5, (i / w * step) as f32 + 0.5);
                let ray = view.ray(u, v);
                (ray, place.first(&sieve.seen, view.eye, ray, NEAREST))
            })
            .collect();
        let point = |(ray, hit): &(V3, Option<Hit>)| hit.map(|h| add(view.eye, scale(*ray, h.t)));
        sieve.shade(place, met.iter().filter_map(point));
        let coarse: Vec<Seen> = met
            .into_iter()
            .map(|(ray, hit)| place.appear(&sieve, view.eye, ray, hit))
            .collect();
        let mut pixels = Vec::with_capacity(view.width * view.height);
        for y in 0..view.height {
            for x in 0..view.width {
                let (i, j) = (x / step, y / step);
                let (a, b) = (
                    (x % step) as f32 / step as f32,
                    (y % step) as f32 / step as f32,
                );
                let corner = [
                    coarse[j * w + i],
                    coarse[j * w + i + 1],
                    coarse[(j + 1) * w + i],
                    coarse[(j + 1) * w + i + 1],
                ];
                let share = [(1.0 - a) * (1.0 - b), a * (1.0 - b), (1.0 - a) * b, a * b];
                let mut seen = corner[0];
                seen.colour = [0.0; 3];
                for (c, s) in corner.iter().zip(share) {
                    seen.colour = add(seen.colour, scale(c.colour, s));
                }
                if corner.iter().all(|c| c.depth < SKY) {
                    seen.point = [0.0; 3];
                    for (c, s) in corner.iter().zip(share) {
                        seen.point = add(seen.point, scale(c.point, s));
                    }
                }
                pixels.push(seen);
            }
        }
        Self {
            width: view.width,
            pixels,
        }
    }

    /// The same with `SAMPLES` x `SAMPLES` rays a pixel for clean edges; depth and point are those of the pixel's centre.
    #[must_use]
    pub fn cast_fine(place: &Place, view: &View) -> Self {
        let mut pixels = vec![Seen::default(); view.width * view.height];
        let sieve = Sieve {
            seen: Sieve::before(place, view).seen,
            ..Sieve::open(place)
        };
        let see = |u: f32, v: f32| {
            let ray = view.ray(u, v);
            let hit = place.first(&sieve.seen, view.eye, ray, NEAREST);
            place.appear(&sieve, view.eye, ray, hit)
        };
        pixels
            .par_chunks_mut(view.width)
            .enumerate()
            .for_each(|(y, row)| {
                for (x, pixel) in row.iter_mut().enumerate() {
                    let mut seen = see(x as f32 + 0.5, y as f32 + 0.5);
                    let mut colour = [0.0; 3];
                    for s in 0..SAMPLES * SAMPLES {
                        let at = |i: usize| (i as f32 + 0.5) / SAMPLES as f32;
                        let here = see(x as f32 + at(s % SAMPLES), y as f32 + at(s / SAMPLES));
                        colour = add(colour, here.colour);
                    }
                    seen.colour = scale(colour, 1.0 / (SAMPLES * SAMPLES) as f32);
                    *pixel = seen;
                }
            });
        Self {
            width: view.width,
            pixels,
        }
    }

    /// Replaces the colours (linear), keeping depths: a photograph as the place.
    pub fn paint(&mut self, colours: &[V3]) {
        for (pixel, colour) in self.pixels.iter_mut().zip(colours) {
            pixel.colour = *colour;
        }
    }

    /// What a pixel shows.
    #[inline]
    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> &Seen {
        &self.pixels[y * self.width + x]
    }
}
