//! Ways over a floor plan: round walls and furniture, by a grid, then straightened and rounded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::place::Place;

const CELL_M: f32 = 0.25;
/// Ways keep this far from solids.
const CLEAR_M: f32 = 0.5;

/// Where people can walk.
#[derive(Debug)]
pub struct Floor {
    columns: usize,
    rows: usize,
    is_free: Vec<bool>,
    clearance: Vec<f32>,
}

impl Floor {
    /// The floor of a place of `size_m`, from the origin.
    #[must_use]
    pub fn new(place: &Place, size_m: [f32; 2]) -> Self {
        let (columns, rows) = (
            (size_m[0] / CELL_M) as usize + 1,
            (size_m[1] / CELL_M) as usize + 1,
        );
        let clearance: Vec<f32> = (0..columns * rows)
            .map(|i| {
                place.clearance([(i % columns) as f32 * CELL_M, (i / columns) as f32 * CELL_M])
            })
            .collect();
        Self {
            columns,
            rows,
            is_free: clearance.iter().map(|c| *c > CLEAR_M).collect(),
            clearance,
        }
    }

    fn cell(&self, p: [f32; 2]) -> (usize, usize) {
        let at = |v: f32, most: usize| ((v / CELL_M).round().max(0.0) as usize).min(most - 1);
        (at(p[0], self.columns), at(p[1], self.rows))
    }

    /// Whether somebody may stand at a point.
    #[must_use]
    pub fn is_free(&self, p: [f32; 2]) -> bool {
        let (x, y) = self.cell(p);
        self.is_free[y * self.columns + x]
    }

    /// Which way is out of a wall at a point, if it is nearer than `least`: direction and how far.
    #[must_use]
    pub fn push(&self, place: &Place, p: [f32; 2], least: f32) -> Option<[f32; 2]> {
        let (x, y) = self.cell(p);
        if self.clearance[y * self.columns + x] > least + 0.4 {
            return None;
        }
        let here = place.clearance(p);
        if here >= least {
            return None;
        }
        let e = 0.02;
        let g = [
            place.clearance([p[0] + e, p[1]]) - here,
            place.clearance([p[0], p[1] + e]) - here,
        ];
        let long = g[0].hypot(g[1]).max(1e-6);
        let k = (least - here) / long;
        Some([g[0] * k, g[1] * k])
    }

    /// A way from one point to another; none if walls close it.
    #[must_use]
    pub fn way(&self, from: [f32; 2], to: [f32; 2]) -> Option<Vec<[f32; 2]>> {
        let (start, goal) = (self.cell(from), self.cell(to));
        let index = |c: (usize, usize)| c.1 * self.columns + c.0;
        let mut cost = vec![u32::MAX; self.columns * self.rows];
        let mut before = vec![usize::MAX; self.columns * self.rows];
        let mut heap = BinaryHeap::new();
        cost[index(start)] = 0;
        heap.push(Reverse((0_u32, index(start))));
        while let Some(Reverse((_, at))) = heap.pop() {
            if at == index(goal) {
                break;
            }
            let (x, y) = ((at % self.columns) as i32, (at / self.columns) as i32);
            for (dx, dy, step) in [
                (1, 0, 10),
                (-1, 0, 10),
                (0, 1, 10),
                (0, -1, 10),
                (1, 1, 14),
                (1, -1, 14),
                (-1, 1, 14),
                (-1, -1, 14),
            ] {
                let (u, v) = (x + dx, y + dy);
                if u < 0 || v < 0 || u >= self.columns as i32 || v >= self.rows as i32 {
                    continue;
                }
                let next = v as usize * self.columns + u as usize;
                if !self.is_free[next] && next != index(goal) {
                    continue;
                }
                // People keep a little away from walls.
                let near: u32 = if self.clearance[next] < 1.0 { 6 } else { 0 };
                let new = cost[at].saturating_add(step + near);
                if new < cost[next] {
                    cost[next] = new;
                    before[next] = at;
                    let (gx, gy) = (goal.0 as i32 - u, goal.1 as i32 - v);
                    let guess = 10 * gx.abs().max(gy.abs()) + 4 * gx.abs().min(gy.abs());
                    heap.push(Reverse((new + guess as u32, next)));
                }
            }
        }
        if cost[index(goal)] == u32::MAX {
            return None;
        }
        let mut cells = vec![to];
        let mut at = index(goal);
        while before[at] != usize::MAX {
            at = before[at];
            cells.push([
                (at % self.columns) as f32 * CELL_M,
                (at / self.columns) as f32 * CELL_M,
            ]);
        }
        cells.reverse();
        cells[0] = from;
        Some(rounded(&self.straight(&cells)))
    }

    /// Leaves out points between which one can walk straight.
    fn straight(&self, cells: &[[f32; 2]]) -> Vec<[f32; 2]> {
        let mut out = vec![cells[0]];
        let mut i = 0;
        while i + 1 < cells.len() {
            let mut j = cells.len() - 1;
            while j > i + 1 && !self.sees(cells[i], cells[j]) {
                j -= 1;
            }
            out.push(cells[j]);
            i = j;
        }
        out
    }

    fn sees(&self, a: [f32; 2], b: [f32; 2]) -> bool {
        let steps = ((b[0] - a[0]).hypot(b[1] - a[1]) / 0.12).ceil() as usize;
        (0..=steps).all(|k| {
            let t = k as f32 / steps.max(1) as f32;
            self.is_free([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t])
        })
    }
}

/// Rounds corners by cutting them twice.
fn rounded(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut points = points.to_vec();
    for _ in 0..2 {
        if points.len() < 3 {
            break;
        }
        let mut out = vec![points[0]];
        for pair in points.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            // Long stretches keep their line; only the last metre before a corner is cut.
            let long = (b[0] - a[0]).hypot(b[1] - a[1]);
            let t = (0.7 / long.max(1e-3)).min(0.25);
            out.push([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
            out.push([b[0] + (a[0] - b[0]) * t, b[1] + (a[1] - b[1]) * t]);
        }
        out.push(points[points.len() - 1]);
        points = out;
    }
    points
}

/// The length of a way.
#[must_use]
pub fn length(way: &[[f32; 2]]) -> f32 {
    way.windows(2)
        .map(|p| (p[1][0] - p[0][0]).hypot(p[1][1] - p[0][1]))
        .sum()
}

/// The point at a distance along a way.
#[must_use]
pub fn along(way: &[[f32; 2]], distance: f32) -> [f32; 2] {
    let mut left = distance.max(0.0);
    for pair in way.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let long = (b[0] - a[0]).hypot(b[1] - a[1]);
        if left <= long {
            let t = left / long.max(1e-6);
            return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
        }
        left -= long;
    }
    way[way.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Form;
    use crate::light::Weather;
    use crate::place::Solid;
    use crate::texture::{Finish, Surface};

    fn room(form: Form) -> Place {
        let surface = Surface::new(Finish::Paint, [200.0; 3], 0.0);
        let solids = vec![Solid {
            form,
            surface,
            blocks: true,
        }];
        Place {
            ground: surface,
            patches: vec![],
            solids,
            horizon: [0.8; 3],
            light: Weather::Sunny.light(0.0),
        }
    }

    #[test]
    fn a_way_goes_round_a_wall() {
        let place = room(Form::Box {
            centre: [5.0, 4.0, 1.0],
            half: [0.2, 4.0, 1.0],
            turn: 0.0,
        });
        let floor = Floor::new(&place, [10.0, 12.0]);
        let way = floor.way([2.0, 4.0], [8.0, 4.0]).unwrap();
        let total = length(&way);
        assert!((0..200).all(|k| place.clearance(along(&way, total * k as f32 / 199.0)) > 0.3));
    }

    #[test]
    fn a_closed_wall_leaves_no_way() {
        let place = room(Form::Box {
            centre: [5.0, 6.0, 1.0],
            half: [0.2, 9.0, 1.0],
            turn: 0.0,
        });
        assert!(
            Floor::new(&place, [10.0, 12.0])
                .way([2.0, 4.0], [8.0, 4.0])
                .is_none()
        );
    }
}
