//! Value noise with its exact gradient: one evaluation where finite differences would need four.

use crate::math::V3;

/// What a step along x, y and z adds to the hash of a lattice point.
const STEPS: [u32; 3] = [374_761_393, 668_265_263, 2_147_483_647];

/// Hashes of the eight lattice points from `x, y, z` on as 0..1; x changes fastest, z slowest.
#[inline]
fn lattice(x: i32, y: i32, z: i32) -> [f32; 8] {
    let first = (x as u32)
        .wrapping_mul(STEPS[0])
        .wrapping_add((y as u32).wrapping_mul(STEPS[1]))
        .wrapping_add((z as u32).wrapping_mul(STEPS[2]))
        .wrapping_add(0x9e37_79b9);
    let mut points = [first; 8];
    for (number, point) in points.iter_mut().enumerate() {
        for (axis, step) in STEPS.iter().enumerate() {
            *point = point.wrapping_add(if number >> axis & 1 == 1 { *step } else { 0 });
        }
    }
    points.map(|point| {
        let h = (point ^ (point >> 13)).wrapping_mul(1_274_126_177);
        ((h ^ (h >> 16)) & 0xffff) as i32 as f32 / 65535.0
    })
}

/// The whole number below; without the call into the C library that `f32::floor` is on processors of the base line.
#[inline]
#[must_use]
pub fn floor(x: f32) -> i32 {
    let near = x as i32;
    near - i32::from(near as f32 > x)
}

/// Noise in 0..1 at a point, and its gradient.
#[inline]
#[must_use]
pub fn noise_gradient(x: f32, y: f32, z: f32) -> (f32, V3) {
    let (i, j, k) = (floor(x), floor(y), floor(z));
    let (u, v, w) = (x - i as f32, y - j as f32, z - k as f32);
    let (su, sv, sw) = (
        u * u * (3.0 - 2.0 * u),
        v * v * (3.0 - 2.0 * v),
        w * w * (3.0 - 2.0 * w),
    );
    let (du, dv, dw) = (
        6.0 * u * (1.0 - u),
        6.0 * v * (1.0 - v),
        6.0 * w * (1.0 - w),
    );
    let [a, b, c, d, e, f, g, h] = lattice(i, j, k);
    let (ab, cd, ef, gh) = (
        a + (b - a) * su,
        c + (d - c) * su,
        e + (f - e) * su,
        g + (h - g) * su,
    );
    let (low, high) = (ab + (cd - ab) * sv, ef + (gh - ef) * sv);
    let dx_low = (b - a) + ((d - c) - (b - a)) * sv;
    let dx_high = (f - e) + ((h - g) - (f - e)) * sv;
    let dx = (dx_low + (dx_high - dx_low) * sw) * du;
    let dy = ((cd - ab) + ((gh - ef) - (cd - ab)) * sw) * dv;
    (low + (high - low) * sw, [dx, dy, (high - low) * dw])
}

/// Noise in 0..1 at a point.
#[inline]
#[must_use]
pub fn noise(x: f32, y: f32, z: f32) -> f32 {
    noise_gradient(x, y, z).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let (x, y, z, e) = (3.37, -1.82, 0.41, 1e-3);
        let (_, g) = noise_gradient(x, y, z);
        let d = [
            (noise(x + e, y, z) - noise(x - e, y, z)) / (2.0 * e),
            (noise(x, y + e, z) - noise(x, y - e, z)) / (2.0 * e),
            (noise(x, y, z + e) - noise(x, y, z - e)) / (2.0 * e),
        ];
        for axis in 0..3 {
            assert!((g[axis] - d[axis]).abs() < 2e-3, "{g:?} against {d:?}");
        }
    }
}
