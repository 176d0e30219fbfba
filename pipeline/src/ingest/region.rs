//! Polygons on the picture: the region where people count.

use sightline_detector::BBox;

use super::Error;

/// A polygon in normalised picture coordinates: `(0, 0)` is the top left corner, `(1, 1)` the bottom right one.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    points: Vec<(f32, f32)>,
}

impl Polygon {
    /// Checks `points`, in order around the outline; the last one joins the first.
    ///
    /// # Errors
    /// [`Error::Polygon`] for fewer than 3 or more than 64 points, points outside the picture, or no area.
    pub fn try_new(points: Vec<(f32, f32)>) -> Result<Self, Error> {
        let fault = |detail: String| Err(Error::Polygon { detail });
        if !(3..=64).contains(&points.len()) {
            return fault(format!("has {} points", points.len()));
        }
        let inside = |v: f32| (0.0..=1.0).contains(&v);
        if let Some((x, y)) = points.iter().find(|(x, y)| !inside(*x) || !inside(*y)) {
            return fault(format!("has the point {x}, {y} outside the picture"));
        }
        let polygon = Self { points };
        if polygon.area() < 1e-6 {
            return fault("has no area".to_owned());
        }
        Ok(polygon)
    }

    /// The rectangle from `(x0, y0)` to `(x1, y1)`.
    ///
    /// # Errors
    /// [`Error::Polygon`] when it leaves the picture or has no area.
    pub fn rectangle(x0: f32, y0: f32, x1: f32, y1: f32) -> Result<Self, Error> {
        Self::try_new(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    }

    /// The corners, normalised.
    #[must_use]
    pub fn points(&self) -> &[(f32, f32)] {
        &self.points
    }

    /// Whether the point lies inside, by the even-odd rule.
    #[must_use]
    pub fn contains(&self, x: f32, y: f32) -> bool {
        self.edges().fold(false, |inside, ((xa, ya), (xb, yb))| {
            let crosses = (ya > y) != (yb > y) && x < (xb - xa) * (y - ya) / (yb - ya) + xa;
            inside != crosses
        })
    }

    /// The edges, each as its two ends.
    pub(super) fn edges(&self) -> impl Iterator<Item = ((f32, f32), (f32, f32))> + '_ {
        let next = self.points.iter().cycle().skip(1);
        self.points.iter().copied().zip(next.copied())
    }

    fn area(&self) -> f32 {
        let twice: f32 = self
            .edges()
            .map(|((xa, ya), (xb, yb))| xa * yb - xb * ya)
            .sum();
        twice.abs() / 2.0
    }
}

/// Where detections count: a person counts whose feet stand inside one of the polygons.
///
/// The feet (the middle of the box's lower edge) tell where on the ground someone is; the middle of a tall box near a
/// fence would not.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    polygons: Vec<Polygon>,
}

impl Region {
    /// The union of `polygons`; without any, nothing counts.
    #[must_use]
    pub fn new(polygons: Vec<Polygon>) -> Self {
        Self { polygons }
    }

    /// The polygons whose union this is.
    #[must_use]
    pub fn polygons(&self) -> &[Polygon] {
        &self.polygons
    }

    /// Whether a box in a picture of `width` by `height` pixels counts; feet below the picture's edge count as standing on it.
    #[must_use]
    pub fn contains(&self, bbox: &BBox, width: usize, height: usize) -> bool {
        if width == 0 || height == 0 {
            return false;
        }
        // The last pixel row and column still belong to a polygon that reaches the edge.
        let edge = 1.0 - f32::EPSILON;
        let x = ((bbox.x0 + bbox.x1) / 2.0 / width as f32).clamp(0.0, edge);
        let y = (bbox.y1 / height as f32).clamp(0.0, edge);
        self.polygons.iter().any(|polygon| polygon.contains(x, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn left_half() -> Region {
        Region::new(vec![Polygon::rectangle(0.0, 0.0, 0.5, 1.0).unwrap()])
    }

    #[test]
    fn a_person_counts_by_the_feet() {
        let region = Region::new(vec![Polygon::rectangle(0.0, 0.5, 1.0, 1.0).unwrap()]);
        assert!(region.contains(&BBox::new(10.0, 10.0, 20.0, 60.0), 100, 100));
        assert!(!region.contains(&BBox::new(10.0, 10.0, 20.0, 40.0), 100, 100));
    }

    #[test]
    fn feet_below_the_picture_stand_on_its_edge() {
        assert!(left_half().contains(&BBox::new(10.0, 50.0, 30.0, 130.0), 100, 100));
        assert!(!left_half().contains(&BBox::new(70.0, 50.0, 90.0, 130.0), 100, 100));
    }

    #[test]
    fn a_concave_polygon_keeps_its_notch_out() {
        let notch = Polygon::try_new(vec![
            (0.0, 0.0),
            (1.0, 0.0),
            (1.0, 1.0),
            (0.5, 0.2),
            (0.0, 1.0),
        ])
        .unwrap();
        assert!(notch.contains(0.1, 0.5));
        assert!(!notch.contains(0.5, 0.5));
    }

    #[test]
    fn bad_polygons_are_refused() {
        assert!(Polygon::try_new(vec![(0.0, 0.0), (1.0, 1.0)]).is_err());
        assert!(Polygon::try_new(vec![(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)]).is_err());
        assert!(Polygon::rectangle(0.0, 0.0, 1.2, 1.0).is_err());
        assert!(Polygon::rectangle(f32::NAN, 0.0, 1.0, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn a_rectangle_contains_exactly_its_inside(x in 0.0f32..1.0, y in 0.0f32..1.0) {
            let rectangle = Polygon::rectangle(0.25, 0.25, 0.75, 0.75).unwrap();
            let inside = x > 0.25 && x < 0.75 && y > 0.25 && y < 0.75;
            let on_edge = [x, y].iter().any(|v| (v - 0.25).abs() < 1e-5 || (v - 0.75).abs() < 1e-5);
            prop_assert!(on_edge || rectangle.contains(x, y) == inside);
        }
    }
}
