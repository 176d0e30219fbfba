//! Small vector algebra in plain `f32`: the same operations in the same order on every machine.

/// A point or direction: person space is in decimetres (x = the person's left, y = up, z = front), world space in metres (z = up).
pub type V3 = [f32; 3];
/// A 3 x 3 matrix by rows.
pub type M3 = [[f32; 3]; 3];

/// The unit matrix.
pub const UNIT: M3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// `a + b`.
#[inline]
#[must_use]
pub fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a - b`.
#[inline]
#[must_use]
pub fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a * k`.
#[inline]
#[must_use]
pub fn scale(a: V3, k: f32) -> V3 {
    [a[0] * k, a[1] * k, a[2] * k]
}

/// The scalar product.
#[inline]
#[must_use]
pub fn dot(a: V3, b: V3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
#[inline]
#[must_use]
pub fn cross(a: V3, b: V3) -> V3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The length.
#[inline]
#[must_use]
pub fn length(a: V3) -> f32 {
    dot(a, a).sqrt()
}

/// `a` at length one; a null vector stays null.
#[inline]
#[must_use]
pub fn unit(a: V3) -> V3 {
    scale(a, 1.0 / (dot(a, a) + 1e-20).sqrt())
}

/// `a` towards `b` by `t`.
#[inline]
#[must_use]
pub fn mix(a: V3, b: V3, t: f32) -> V3 {
    [
        a[0] + (b[0] - a[0]) * t,
        a[1] + (b[1] - a[1]) * t,
        a[2] + (b[2] - a[2]) * t,
    ]
}

/// `a` towards `b` by `t`.
#[inline]
#[must_use]
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Matrix times vector.
#[inline]
#[must_use]
pub fn apply(m: &M3, v: V3) -> V3 {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

/// Matrix times matrix.
#[must_use]
pub fn mul(a: &M3, b: &M3) -> M3 {
    let mut out = [[0.0; 3]; 3];
    for (row, from) in out.iter_mut().zip(a) {
        for (column, value) in row.iter_mut().enumerate() {
            *value = from[0] * b[0][column] + from[1] * b[1][column] + from[2] * b[2][column];
        }
    }
    out
}

/// Rotation about `axis` by `degrees`.
#[must_use]
pub fn rotation(axis: V3, degrees: f32) -> M3 {
    let a = unit(axis);
    let (s, c) = degrees.to_radians().sin_cos();
    let k = 1.0 - c;
    [
        [
            c + a[0] * a[0] * k,
            a[0] * a[1] * k - a[2] * s,
            a[0] * a[2] * k + a[1] * s,
        ],
        [
            a[1] * a[0] * k + a[2] * s,
            c + a[1] * a[1] * k,
            a[1] * a[2] * k - a[0] * s,
        ],
        [
            a[2] * a[0] * k - a[1] * s,
            a[2] * a[1] * k + a[0] * s,
            c + a[2] * a[2] * k,
        ],
    ]
}

/// The smallest rotation that takes direction `from` to direction `to`.
#[must_use]
pub fn align(from: V3, to: V3) -> M3 {
    let (u, w) = (unit(from), unit(to));
    let axis = cross(u, w);
    let s = length(axis);
    if s < 1e-6 {
        UNIT
    } else {
        rotation(axis, s.atan2(dot(u, w)).to_degrees())
    }
}

/// Smoothstep of `x` between `a` and `b`.
#[must_use]
pub fn smooth(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// `angle` brought into -pi..pi.
#[must_use]
pub fn wrap_angle(angle: f32) -> f32 {
    let turn = std::f32::consts::TAU;
    let a = angle.rem_euclid(turn);
    if a > std::f32::consts::PI {
        a - turn
    } else {
        a
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn align_takes_one_direction_to_the_other() {
        let m = align([0.2, -1.0, 0.3], [0.5, 0.1, -0.9]);
        let got = unit(apply(&m, [0.2, -1.0, 0.3]));
        let want = unit([0.5, 0.1, -0.9]);
        assert!(length(sub(got, want)) < 1e-5, "{got:?} is not {want:?}");
    }

    #[test]
    fn angles_wrap_to_half_a_turn() {
        assert!((wrap_angle(7.0) - (7.0 - std::f32::consts::TAU)).abs() < 1e-5);
        assert!((wrap_angle(-7.0) + 7.0 - std::f32::consts::TAU).abs() < 1e-5);
    }
}
