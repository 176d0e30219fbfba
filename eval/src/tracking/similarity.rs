//! How alike two boxes or two places are: 1 the same, 0 nothing in common.

/// Where somebody is.
pub(crate) trait Place {
    /// From 0, nothing in common, to 1, the same.
    fn similarity(&self, other: &Self) -> f64;

    /// From where to where on the first axis: places whose spans are apart have nothing in common.
    fn span(&self) -> (f64, f64);
}

/// A box by its corners, with its area.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corners {
    x0: f64,
    y0: f64,
    x1: f64,
    y1: f64,
    area: f64,
}

impl Corners {
    /// Of left, top, width, height.
    pub fn of([left, top, width, height]: [f64; 4]) -> Self {
        let (x1, y1) = (left + width, top + height);
        Self {
            x0: left,
            y0: top,
            x1,
            y1,
            area: (x1 - left) * (y1 - top),
        }
    }
}

impl Place for Corners {
    /// Intersection over union; 0 when a box has no area, also when both of its sides are negative.
    fn similarity(&self, other: &Self) -> f64 {
        let width = self.x1.min(other.x1) - self.x0.max(other.x0);
        let height = self.y1.min(other.y1) - self.y0.max(other.y0);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let shared = width * height;
        let union = self.area + other.area - shared;
        let least = self.area.min(other.area).min(union);
        if least <= f64::EPSILON {
            0.0
        } else {
            shared / union
        }
    }

    fn span(&self) -> (f64, f64) {
        (self.x0, self.x1)
    }
}

/// Distance in metres at which two places have nothing in common (AI City 2024, MOT15-3D: half of it is still a hit).
pub(crate) const ZERO_DISTANCE_M: f64 = 2.0;

/// A place on the ground, metres, rounded to millimetres as AI City 2024 does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground([f64; 2]);

impl Ground {
    /// At these metres.
    pub fn at(metres: [f64; 2]) -> Self {
        Self(metres.map(millimetres))
    }
}

impl Place for Ground {
    fn similarity(&self, other: &Self) -> f64 {
        let [dx, dy] = [self.0[0] - other.0[0], self.0[1] - other.0[1]];
        (1.0 - (dx * dx + dy * dy).sqrt() / ZERO_DISTANCE_M).max(0.0)
    }

    fn span(&self) -> (f64, f64) {
        let reach = ZERO_DISTANCE_M * 0.5 + 1e-3;
        (self.0[0] - reach, self.0[0] + reach)
    }
}

fn millimetres(metres: f64) -> f64 {
    (metres * 1000.0).round_ties_even() / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn iou(one: [f64; 4], other: [f64; 4]) -> f64 {
        Corners::of(one).similarity(&Corners::of(other))
    }

    #[test]
    fn boxes_apart_on_both_axes_do_not_overlap() {
        assert_eq!(iou([0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 1.0, 1.0]), 0.0);
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0]), 0.0);
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 2.0, 2.0]), 1.0 / 3.0);
    }

    #[test]
    fn boxes_without_area_overlap_nothing() {
        for flat in [
            [1.0, 1.0, 0.0, 5.0],
            [1.0, 1.0, -3.0, 5.0],
            [5.0, 5.0, -3.0, -3.0],
        ] {
            assert_eq!(iou(flat, [0.0, 0.0, 9.0, 9.0]), 0.0);
            assert_eq!(iou(flat, flat), 0.0);
        }
    }

    fn nearness(one: [f64; 2], other: [f64; 2]) -> f64 {
        Ground::at(one).similarity(&Ground::at(other))
    }

    #[test]
    fn two_metres_apart_is_nothing_in_common() {
        assert_eq!(nearness([0.0, 0.0], [0.0, 0.0]), 1.0);
        assert!((nearness([0.0, 0.0], [0.6, 0.8]) - 0.5).abs() < 1e-12);
        assert_eq!(nearness([0.0, 0.0], [2.0, 0.1]), 0.0);
        assert_eq!(nearness([1.0004, 0.0], [1.0001, 0.0]), 1.0);
    }

    proptest! {
        #[test]
        fn overlap_is_a_share_and_mutual(
            one in prop::array::uniform4(-50.0f64..50.0),
            other in prop::array::uniform4(-50.0f64..50.0),
        ) {
            let value = iou(one, other);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&value));
            prop_assert!((value - iou(other, one)).abs() < 1e-12);
            let [one_span, other_span] = [one, other].map(|bbox| Corners::of(bbox).span());
            let is_apart = one_span.1 <= other_span.0 || other_span.1 <= one_span.0;
            prop_assert!(value == 0.0 || !is_apart);
            if one[2] > 0.1 && one[3] > 0.1 {
                prop_assert!((iou(one, one) - 1.0).abs() < 1e-12);
            }
        }
    }
}
