//! Depth maps seen from the light: the sun's shadow, and light from all around.

use crate::body::Library;
use crate::math::{V3, add, cross, dot, scale, sub, unit};
use crate::noise::floor;
use crate::person::Person;
use crate::pose::{Action, Pose};

/// A square orthographic depth map; `towards` points to the light.
#[derive(Debug, Default)]
pub struct DepthMap {
    right: V3,
    up: V3,
    towards: V3,
    centre: V3,
    half: f32,
    size: usize,
    depth: Vec<f32>,
    projected: Vec<V3>,
}

const FAR: f32 = -1e9;

impl DepthMap {
    /// Looks from `towards` at a square of half width `half` round `centre`, and draws a person, posed as `vertices`.
    pub fn draw(
        &mut self,
        towards: V3,
        centre: V3,
        half: f32,
        size: usize,
        vertices: &[V3],
        person: &Person,
    ) {
        let clip = &person.clip;
        let other = if towards[2].abs() > 0.95 {
            [0.0, 1.0, 0.0]
        } else {
            [0.0, 0.0, 1.0]
        };
        self.right = unit(cross(other, towards));
        self.up = cross(towards, self.right);
        (self.towards, self.centre, self.half, self.size) = (towards, centre, half, size);
        self.depth.clear();
        self.depth.resize(size * size, FAR);
        self.projected.clear();
        let (right, up, k) = (self.right, self.up, size as f32 / (2.0 * half));
        self.projected.extend(vertices.iter().map(|v| {
            let d = sub(*v, centre);
            [
                (dot(d, right) + half) * k,
                (dot(d, up) + half) * k,
                dot(d, towards),
            ]
        }));
        let last = size as i32 - 1;
        for t in &person.triangles {
            let [i, j, l] = t.map(|v| v as usize);
            if clip[i] < 0.0 && clip[j] < 0.0 && clip[l] < 0.0 {
                continue;
            }
            let (a, b, c) = (self.projected[i], self.projected[j], self.projected[l]);
            let (west, east) = (a[0].min(b[0]).min(c[0]), a[0].max(b[0]).max(c[0]));
            let (south, north) = (a[1].min(b[1]).min(c[1]), a[1].max(b[1]).max(c[1]));
            let mut is_small = east - west < 1.0 && north - south < 1.0;
            let mut cells = [0; 4];
            if !is_small {
                let (x0, x1) = ((west as i32).max(0), (east as i32).min(last));
                let (y0, y1) = ((south as i32).max(0), (north as i32).min(last));
                if x1 < x0 || y1 < y0 {
                    continue;
                }
                is_small = x1 - x0 <= 1 && y1 - y0 <= 1;
                cells = [x0, x1, y0, y1];
            }
            if is_small {
                // The centroid leaves no gaps at this density.
                let x = (a[0] + b[0] + c[0]) / 3.0;
                let y = (a[1] + b[1] + c[1]) / 3.0;
                if x >= 0.0 && y >= 0.0 && x < size as f32 && y < size as f32 {
                    let slot = &mut self.depth[y as usize * size + x as usize];
                    let depth = (a[2] + b[2] + c[2]) / 3.0;
                    *slot = slot.max(depth);
                }
                continue;
            }
            let [x0, x1, y0, y1] = cells;
            let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
            if area.abs() < 1e-9 {
                continue;
            }
            let inverse = 1.0 / area;
            for y in y0..=y1 {
                let row = &mut self.depth[y as usize * size..(y as usize + 1) * size];
                let py = y as f32 + 0.5 - a[1];
                for x in x0..=x1 {
                    let px = x as f32 + 0.5 - a[0];
                    let w1 = (px * (c[1] - a[1]) - py * (c[0] - a[0])) * inverse;
                    let w2 = ((b[0] - a[0]) * py - (b[1] - a[1]) * px) * inverse;
                    let w0 = 1.0 - w1 - w2;
                    if w0 < -0.01 || w1 < -0.01 || w2 < -0.01 {
                        continue;
                    }
                    let slot = &mut row[x as usize];
                    *slot = slot.max(w0 * a[2] + w1 * b[2] + w2 * c[2]);
                }
            }
        }
    }

    /// The share of light that reaches a point, averaged over `2 radius + 1` cells squared; `bias` as lengths.
    #[must_use]
    pub fn lit(&self, point: V3, bias: f32, radius: i32) -> f32 {
        let d = sub(point, self.centre);
        let k = self.size as f32 / (2.0 * self.half);
        let x = floor((dot(d, self.right) + self.half) * k);
        let y = floor((dot(d, self.up) + self.half) * k);
        let depth = dot(d, self.towards) + bias;
        let size = self.size as i32;
        if x + radius < 0 || y + radius < 0 || x - radius >= size || y - radius >= size {
            return 1.0;
        }
        let mut dark = 0;
        for v in (y - radius).max(0)..=(y + radius).min(size - 1) {
            let row = v as usize * self.size;
            for u in (x - radius).max(0)..=(x + radius).min(size - 1) {
                dark += i32::from(self.depth[row + u as usize] >= depth);
            }
        }
        let side = 2 * radius + 1;
        1.0 - dark as f32 / (side * side) as f32
    }

    /// The centre and half width of the square that the map covers.
    #[must_use]
    pub fn extent(&self) -> (V3, f32) {
        (self.centre, self.half)
    }
}

/// Centre and radius of a ball round all vertices.
#[must_use]
pub fn bounds(vertices: &[V3]) -> (V3, f32) {
    let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
    for v in vertices {
        for i in 0..3 {
            low[i] = low[i].min(v[i]);
            high[i] = high[i].max(v[i]);
        }
    }
    let d = sub(high, low);
    (scale(add(low, high), 0.5), 0.5 * dot(d, d).sqrt())
}

/// Light from all around at each vertex: the mean over standing and a stride, ten directions each. Person space, y up.
#[must_use]
pub fn ambient(library: &Library, person: &Person) -> Vec<f32> {
    let directions = 9;
    let size = 96;
    let mut total = vec![0.0; person.vertices.len()];
    let mut map = DepthMap::default();
    let (mut posed, mut normals) = (Vec::new(), Vec::new());
    let actions = [
        Action::Stand,
        Action::Walk {
            phase: 0.02,
            blend: 1.0,
        },
    ];
    for action in actions {
        let (solved, _) = person.solve(library, &Pose::new(action, person.manner));
        person.posed(&solved.bones, &mut posed);
        crate::body::normals(&posed, &person.triangles, &mut normals);
        let (centre, radius) = bounds(&posed);
        let cell = 2.0 * radius / size as f32;
        let (mut light, mut weight) = (vec![0.0_f32; posed.len()], vec![0.0_f32; posed.len()]);
        for k in 0..directions {
            let turn = k as f32 * 2.39996;
            // From straight above to a little below the horizon.
            let y = 1.0 - (k as f32 + 0.5) / directions as f32 * 1.25;
            let r = (1.0 - y * y).max(0.0).sqrt();
            let towards = [r * turn.cos(), y, r * turn.sin()];
            map.draw(towards, centre, radius, size, &posed, person);
            for (i, n) in normals.iter().enumerate() {
                let c = dot(*n, towards);
                if c > 0.05 {
                    weight[i] += c;
                    light[i] += c * map.lit(posed[i], cell * (1.2 + 1.0 / (c + 0.2)), 0);
                }
            }
        }
        for (t, (l, w)) in total.iter_mut().zip(light.iter().zip(&weight)) {
            *t += if *w > 0.0 { l / w } else { 1.0 } / actions.len() as f32;
        }
    }
    total
}
