//! How alike two boxes, two headings and two looks are.

use sightline_detector::BBox;

use super::config::AssociationConfig;

/// IoU after both boxes grew by `buffer` of their own size on every side, times the overlap of their heights.
///
/// Empty, inverted and non-finite boxes give 0; boxes apart give 0.
pub fn box_similarity(a: &BBox, b: &BBox, buffer: f32, height_exponent: f32) -> f32 {
    let iou = iou(&grown(a, buffer), &grown(b, buffer));
    if iou == 0.0 {
        return 0.0;
    }
    if height_exponent == 0.0 {
        return iou;
    }
    let (a, b) = (grown(a, buffer), grown(b, buffer));
    let shared = (a.y1.min(b.y1) - a.y0.max(b.y0)).max(0.0);
    let whole = a.y1.max(b.y1) - a.y0.min(b.y0);
    if !whole.is_finite() || whole <= 0.0 {
        return 0.0;
    }
    let heights = shared / whole;
    if height_exponent == 1.0 {
        iou * heights
    } else {
        iou * heights.powf(height_exponent)
    }
}

/// Intersection over union, 0 for boxes without an area and for what is not a number.
pub fn iou(a: &BBox, b: &BBox) -> f32 {
    let shared = shared_area(a, b);
    let whole = area(a) + area(b) - shared;
    if shared > 0.0 && whole > 0.0 {
        // Rounding, for boxes thinner than their coordinates can tell.
        (shared / whole).min(1.0)
    } else {
        0.0
    }
}

/// Area common to both boxes, px².
pub fn shared_area(a: &BBox, b: &BBox) -> f32 {
    let width = (a.x1.min(b.x1) - a.x0.max(b.x0)).max(0.0);
    let height = (a.y1.min(b.y1) - a.y0.max(b.y0)).max(0.0);
    width * height
}

fn area(a: &BBox) -> f32 {
    (a.x1 - a.x0).max(0.0) * (a.y1 - a.y0).max(0.0)
}

fn grown(a: &BBox, buffer: f32) -> BBox {
    let (x, y) = ((a.x1 - a.x0) * buffer, (a.y1 - a.y0) * buffer);
    BBox {
        x0: a.x0 - x,
        y0: a.y0 - y,
        x1: a.x1 + x,
        y1: a.y1 + y,
    }
}

/// The share of `bbox` that nobody in front hides: of two people on one floor, the one whose feet are lower in the picture is nearer.
pub fn visible_share<'a>(bbox: &BBox, others: impl Iterator<Item = &'a BBox>) -> f32 {
    let whole = area(bbox);
    if whole.is_nan() || whole <= 0.0 {
        return 0.0;
    }
    let hidden: f32 = others
        .filter(|other| other.y1 > bbox.y1)
        .map(|other| shared_area(bbox, other))
        .sum();
    let share = 1.0 - hidden / whole;
    if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    }
}

/// How well the step from `from` to `to` keeps the heading `before -> from`: 1 straight on, 0 across, -1 straight back.
///
/// Steps that are small against the box say little about a direction, and count for less.
pub fn heading_similarity(before: &BBox, from: &BBox, to: &BBox) -> f32 {
    let heading = step(before, from);
    let next = step(from, to);
    let lengths = heading.0.hypot(heading.1) * next.0.hypot(next.1);
    if lengths.is_nan() || lengths <= 0.0 {
        return 0.0;
    }
    let height = (from.y1 - from.y0).max(1.0);
    let certainty = (heading.0.hypot(heading.1) / (0.25 * height)).min(1.0);
    let cosine = (heading.0 * next.0 + heading.1 * next.1) / lengths;
    cosine.clamp(-1.0, 1.0) * certainty
}

fn step(from: &BBox, to: &BBox) -> (f32, f32) {
    (
        (to.x0 + to.x1 - from.x0 - from.x1) / 2.0,
        (to.y0 + to.y1 - from.y0 - from.y1) / 2.0,
    )
}

/// Cosine of two L2-normalised vectors, none when their dimensions differ or one is empty.
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f32> {
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    Some(a.iter().zip(b).map(|(x, y)| x * y).sum())
}

/// Scales a vector to length 1; false when that is not possible (zero, not finite), and the vector is then of no use.
pub fn normalise(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() || length < 1e-12 {
        return false;
    }
    for value in vector {
        *value /= length;
    }
    true
}

impl AssociationConfig {
    /// How much noisier than a sure one a measurement of this score is.
    pub(super) fn doubt_of(&self, score: f32) -> f32 {
        1.0 + self.doubt * (1.0 - score.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bbox(x0: f32, y0: f32, x1: f32, y1: f32) -> BBox {
        BBox { x0, y0, x1, y1 }
    }

    #[test]
    fn boxes_apart_on_both_axes_do_not_overlap() {
        let (a, b) = (bbox(0.0, 0.0, 10.0, 10.0), bbox(20.0, 20.0, 30.0, 30.0));
        assert_eq!(iou(&a, &b), 0.0);
        assert_eq!(box_similarity(&a, &b, 0.0, 1.0), 0.0);
        assert!(box_similarity(&a, &b, 0.6, 1.0) > 0.0);
    }

    #[test]
    fn only_people_in_front_hide_a_box() {
        let back = bbox(0.0, 0.0, 10.0, 20.0);
        let front = bbox(5.0, 0.0, 15.0, 30.0);
        assert!((visible_share(&back, [front].iter()) - 0.5).abs() < 1e-6);
        assert_eq!(visible_share(&front, [back].iter()), 1.0);
    }

    #[test]
    fn going_on_is_more_alike_than_turning_back() {
        let (before, from) = (bbox(0.0, 0.0, 10.0, 40.0), bbox(20.0, 0.0, 30.0, 40.0));
        let on = heading_similarity(&before, &from, &bbox(30.0, 0.0, 40.0, 40.0));
        let back = heading_similarity(&before, &from, &bbox(10.0, 0.0, 20.0, 40.0));
        assert!((on - 1.0).abs() < 1e-6 && (back + 1.0).abs() < 1e-6);
        assert_eq!(heading_similarity(&from, &from, &before), 0.0);
    }

    fn any_value() -> impl Strategy<Value = f32> {
        prop_oneof![
            10 => -1e4f32..1e4,
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::MAX),
        ]
    }

    proptest! {
        #[test]
        fn similarities_lie_between_0_and_1_for_any_boxes(
            a in [any_value(), any_value(), any_value(), any_value()],
            b in [any_value(), any_value(), any_value(), any_value()],
            buffer in 0.0f32..1.0,
        ) {
            let (a, b) = (bbox(a[0], a[1], a[2], a[3]), bbox(b[0], b[1], b[2], b[3]));
            for value in [iou(&a, &b), box_similarity(&a, &b, buffer, 1.0), visible_share(&a, [b].iter())] {
                prop_assert!((0.0..=1.0001).contains(&value), "{value}");
            }
            let (ab, ba) = (iou(&a, &b), iou(&b, &a));
            prop_assert!((ab - ba).abs() < 1e-5);
        }
    }
}
