//! Boxes in pixels of the frame, and detections.

/// An axis-aligned box in pixels of the frame; `x1` and `y1` are exclusive edges.
///
/// A box whose edges are swapped or equal has no area. Nothing here divides by that area, so such
/// boxes are harmless: their overlap with anything is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BBox {
    /// Left edge, px.
    pub x0: f32,
    /// Upper edge, px.
    pub y0: f32,
    /// Right edge, px.
    pub x1: f32,
    /// Lower edge, px.
    pub y1: f32,
}

impl BBox {
    /// A box from its edges, px.
    #[must_use]
    pub const fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// A box from its centre and size, px.
    #[must_use]
    pub fn from_center(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self::new(
            x - width * 0.5,
            y - height * 0.5,
            x + width * 0.5,
            y + height * 0.5,
        )
    }

    /// Width in px, never negative.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x1 - self.x0).max(0.0)
    }

    /// Height in px, never negative.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y1 - self.y0).max(0.0)
    }

    /// Area in px², never negative.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Centre, px.
    #[must_use]
    pub fn center(&self) -> (f32, f32) {
        ((self.x0 + self.x1) * 0.5, (self.y0 + self.y1) * 0.5)
    }

    /// Whether all edges are finite numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.x0.is_finite() && self.y0.is_finite() && self.x1.is_finite() && self.y1.is_finite()
    }

    /// Area common to both boxes, px².
    ///
    /// Each axis is clamped at zero before the product: two boxes apart on both axes have two
    /// negative extents, whose product would count as overlap.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = (self.x1.min(other.x1) - self.x0.max(other.x0)).max(0.0);
        let height = (self.y1.min(other.y1) - self.y0.max(other.y0)).max(0.0);
        width * height
    }

    /// Intersection over union, 0 to 1; 0 when either box has no area.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if intersection > 0.0 && union > 0.0 {
            (intersection / union).min(1.0)
        } else {
            0.0
        }
    }

    /// Share of this box that lies inside `other`, 0 to 1; 0 when this box has no area.
    #[must_use]
    pub fn intersection_over_self(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let area = self.area();
        if intersection > 0.0 && area > 0.0 {
            (intersection / area).min(1.0)
        } else {
            0.0
        }
    }

    /// The part of this box inside a frame of `width` x `height` px.
    ///
    /// A box outside the frame collapses onto its edge and has no area.
    #[must_use]
    pub fn clip(&self, width: f32, height: f32) -> Self {
        Self::new(
            self.x0.clamp(0.0, width),
            self.y0.clamp(0.0, height),
            self.x1.clamp(0.0, width),
            self.y1.clamp(0.0, height),
        )
    }
}

/// One pedestrian in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Where, in pixels of the frame.
    pub bbox: BBox,
    /// The detector's own score, 0 to 1; not a probability.
    pub score: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn boxes_apart_on_both_axes_do_not_overlap() {
        let a = BBox::new(0.0, 0.0, 10.0, 10.0);
        let b = BBox::new(20.0, 20.0, 30.0, 30.0);
        assert_eq!(a.intersection(&b), 0.0);
        assert_eq!(a.iou(&b), 0.0);
        assert_eq!(a.intersection_over_self(&b), 0.0);
    }

    #[test]
    fn boxes_without_length_overlap_nothing_not_even_themselves() {
        let point = BBox::new(5.0, 5.0, 5.0, 5.0);
        let line = BBox::new(0.0, 5.0, 10.0, 5.0);
        let swapped = BBox::new(10.0, 10.0, 0.0, 0.0);
        for a in [point, line, swapped] {
            assert_eq!(a.area(), 0.0);
            assert_eq!(a.iou(&a), 0.0);
            assert_eq!(
                a.intersection_over_self(&BBox::new(0.0, 0.0, 20.0, 20.0)),
                0.0
            );
        }
    }

    #[test]
    fn half_overlap_has_the_known_values() {
        let a = BBox::new(0.0, 0.0, 10.0, 10.0);
        let b = BBox::new(5.0, 0.0, 15.0, 10.0);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert!((a.intersection_over_self(&b) - 0.5).abs() < 1e-6);
        let inner = BBox::new(2.0, 2.0, 4.0, 4.0);
        assert_eq!(inner.intersection_over_self(&a), 1.0);
    }

    #[test]
    fn clipping_keeps_the_part_inside_the_frame() {
        let clipped = BBox::new(-5.0, -5.0, 50.0, 120.0).clip(40.0, 100.0);
        assert_eq!(clipped, BBox::new(0.0, 0.0, 40.0, 100.0));
        assert_eq!(
            BBox::new(50.0, 0.0, 60.0, 10.0).clip(40.0, 100.0).area(),
            0.0
        );
    }

    fn any_box() -> impl Strategy<Value = BBox> {
        (-1e4f32..1e4, -1e4f32..1e4, -1e4f32..1e4, -1e4f32..1e4)
            .prop_map(|(x0, y0, x1, y1)| BBox::new(x0, y0, x1, y1))
    }

    proptest! {
        #[test]
        fn overlap_is_symmetric_and_between_zero_and_one(a in any_box(), b in any_box()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0).contains(&iou));
            prop_assert_eq!(iou, b.iou(&a));
            prop_assert!((0.0..=1.0).contains(&a.intersection_over_self(&b)));
            prop_assert!(a.intersection_over_self(&b) + 1e-5 >= iou);
        }

        #[test]
        fn clipping_twice_is_clipping_once(a in any_box(), w in 0.0f32..4e3, h in 0.0f32..4e3) {
            let once = a.clip(w, h);
            prop_assert_eq!(once, once.clip(w, h));
            prop_assert!(once.area() <= a.area() + 1e-3);
        }
    }
}
