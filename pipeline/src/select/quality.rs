//! How good a picture of a person a crop is: large, sharp, whole, in full view, and surely a person.

use ndarray::ArrayView2;
use sightline_detector::BBox;

use crate::track::similarity::visible_share;

/// The parts of a crop's quality, each from 0 (useless) to 1 (ideal).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropQuality {
    /// Height against the height from which nothing is gained, 128 px.
    pub size: f32,
    /// Variance of the Laplacian at a normalised size, saturating.
    pub sharpness: f32,
    /// 1 inside the picture, less for each border that the box touches.
    pub wholeness: f32,
    /// The share that nobody in front hides.
    pub visibility: f32,
    /// The detector's score.
    pub score: f32,
}

impl CropQuality {
    /// One number from 0 to 1. What is missing of a person weighs most: no sharpness makes up for it.
    pub fn value(&self) -> f32 {
        let picture = (self.size * self.sharpness).sqrt();
        picture * self.wholeness * self.visibility * self.visibility * (0.5 + 0.5 * self.score)
    }
}

/// Crops are judged at this size, so that sharpness does not depend on distance.
const ROWS: usize = 64;
const COLUMNS: usize = 32;
/// A taller crop than this gains nothing.
const IDEAL_HEIGHT_PX: f32 = 128.0;
/// The variance of the Laplacian at which sharpness is one half.
const HALF_SHARP: f32 = 400.0;
/// What is left of a crop that touches one border.
const TOUCHING: f32 = 0.6;

/// Measures crops; holds the small picture it works on.
#[derive(Debug)]
pub struct QualityGauge {
    small: Vec<f32>,
}

impl Default for QualityGauge {
    fn default() -> Self {
        Self {
            small: vec![0.0; ROWS * COLUMNS],
        }
    }
}

impl QualityGauge {
    /// Measures the crop `bbox` of the frame's luma (H x W); `others` are the boxes of other people in it.
    ///
    /// None when less than 2 x 4 pixels of the box lie in the picture.
    pub fn measure(
        &mut self,
        luma: &ArrayView2<'_, u8>,
        bbox: &BBox,
        others: &[BBox],
        score: f32,
    ) -> Option<CropQuality> {
        let (height, width) = luma.dim();
        let place = |value: f32, most: usize| (value.max(0.0) as usize).min(most);
        let (x0, x1) = (place(bbox.x0, width), place(bbox.x1, width));
        let (y0, y1) = (place(bbox.y0, height), place(bbox.y1, height));
        if !bbox.is_finite() || x1 < x0 + 2 || y1 < y0 + 4 {
            return None;
        }
        // A box of a detector ends a pixel or two inside the picture when the person goes on.
        let margin = 2.0;
        let touched = [
            bbox.x0 <= margin,
            bbox.y0 <= margin,
            bbox.x1 >= width as f32 - margin,
            bbox.y1 >= height as f32 - margin,
        ];
        let touched = touched.iter().filter(|&&is_touched| is_touched).count();
        Some(CropQuality {
            size: ((y1 - y0) as f32 / IDEAL_HEIGHT_PX).min(1.0),
            sharpness: self.sharpness(luma, [x0, y0, x1, y1]),
            wholeness: TOUCHING.powi(touched as i32),
            visibility: visible_share(bbox, others.iter()),
            score: if score.is_nan() {
                0.0
            } else {
                score.clamp(0.0, 1.0)
            },
        })
    }

    fn sharpness(&mut self, luma: &ArrayView2<'_, u8>, [x0, y0, x1, y1]: [usize; 4]) -> f32 {
        let (width, height) = (x1 - x0, y1 - y0);
        for row in 0..ROWS {
            let top = y0 + row * height / ROWS;
            let below = (top + height / ROWS / 2).min(y1 - 1);
            for column in 0..COLUMNS {
                let left = x0 + column * width / COLUMNS;
                let right = (left + width / COLUMNS / 2).min(x1 - 1);
                let sum = f32::from(luma[(top, left)])
                    + f32::from(luma[(top, right)])
                    + f32::from(luma[(below, left)])
                    + f32::from(luma[(below, right)]);
                self.small[row * COLUMNS + column] = sum / 4.0;
            }
        }
        let (mut sum, mut squares) = (0.0f32, 0.0f32);
        for row in 1..ROWS - 1 {
            for column in 1..COLUMNS - 1 {
                let at = row * COLUMNS + column;
                let small = &self.small;
                let laplacian =
                    small[at - 1] + small[at + 1] + small[at - COLUMNS] + small[at + COLUMNS]
                        - 4.0 * small[at];
                sum += laplacian;
                squares += laplacian * laplacian;
            }
        }
        let count = ((ROWS - 2) * (COLUMNS - 2)) as f32;
        let variance = (squares / count - (sum / count) * (sum / count)).max(0.0);
        variance / (variance + HALF_SHARP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    fn textured(softness: usize) -> Array2<u8> {
        Array2::from_shape_fn((300, 400), |(y, x)| {
            let (y, x) = (y / softness / 2, x / softness / 2);
            ((x * 7919 + y * 104_729 + x * y * 31) % 251) as u8
        })
    }

    fn measure(picture: &Array2<u8>, bbox: BBox, others: &[BBox]) -> CropQuality {
        QualityGauge::default()
            .measure(&picture.view(), &bbox, others, 0.9)
            .unwrap()
    }

    const WHOLE: BBox = BBox::new(100.0, 50.0, 180.0, 250.0);

    #[test]
    fn a_sharp_crop_is_better_than_a_flat_one() {
        let flat = Array2::from_elem((300, 400), 90u8);
        let (sharp, flat) = (
            measure(&textured(2), WHOLE, &[]),
            measure(&flat, WHOLE, &[]),
        );
        assert!(sharp.sharpness > 0.8, "{sharp:?}");
        assert_eq!(flat.sharpness, 0.0);
        assert!(sharp.value() > flat.value());
    }

    #[test]
    fn a_cut_hidden_or_small_person_is_worse() {
        let picture = textured(2);
        let good = measure(&picture, WHOLE, &[]).value();
        let cut = measure(&picture, BBox::new(0.0, 50.0, 80.0, 250.0), &[]);
        assert!(cut.wholeness < 1.0 && cut.value() < good);
        let front = [BBox::new(140.0, 60.0, 220.0, 280.0)];
        let hidden = measure(&picture, WHOLE, &front);
        assert!(hidden.visibility < 0.6 && hidden.value() < 0.5 * good);
        let small = measure(&picture, BBox::new(100.0, 50.0, 112.0, 82.0), &[]);
        assert!(small.size < 0.3 && small.value() < good);
    }

    proptest! {
        #[test]
        fn any_box_is_measured_between_0_and_1_or_refused(
            x in -500.0f32..900.0, y in -500.0f32..900.0, w in -50.0f32..900.0, h in -50.0f32..900.0,
            score in prop_oneof![Just(f32::NAN), -1.0f32..2.0],
        ) {
            let bbox = BBox::new(x, y, x + w, y + h);
            let picture = textured(3);
            if let Some(quality) = QualityGauge::default().measure(&picture.view(), &bbox, &[WHOLE], score) {
                prop_assert!((0.0..=1.0).contains(&quality.value()), "{quality:?}");
            }
        }
    }
}
