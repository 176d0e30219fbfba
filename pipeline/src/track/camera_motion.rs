//! How the camera itself moved between two frames, from the part of the picture where no people are.
//!
//! Corners of a small luma picture are followed by sparse optical flow (Lucas and Kanade, pyramids), and a shift, turn and
//! zoom is fitted to them against outliers. The cost is bounded: a picture of at most `width_px`, at most `most_corners`
//! corners, and nothing at all while the picture outside the boxes does not change.

use ndarray::ArrayView2;
use opencv::core::{Mat, MatTraitConst, Point2f, Size, TermCriteria, TermCriteria_Type, Vector};
use opencv::{calib3d, imgproc, video};
use serde::{Deserialize, Serialize};
use sightline_detector::BBox;

use super::error::TrackError;

/// How the camera moved since the frame before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CameraMotion {
    /// Not at all, or nothing is known.
    #[default]
    Still,
    /// `[a, b, tx, c, d, ty]`: a point `(x, y)` of the frame before lies at `(a x + b y + tx, c x + d y + ty)` now, pixels.
    Moved([f64; 6]),
}

/// Settings of the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraMotionConfig {
    /// Off for a camera that is bolted to a wall: nothing is computed then.
    pub is_enabled: bool,
    /// Width of the small picture, pixels.
    pub width_px: usize,
    /// Corners followed at most.
    pub most_corners: usize,
    /// A picture whose luma outside the boxes changed by less than this on average (of 255) did not move.
    pub still_difference: f32,
    /// Motion of the corners below this, in pixels of the small picture, is none.
    pub still_px: f64,
}

impl Default for CameraMotionConfig {
    fn default() -> Self {
        Self {
            is_enabled: true,
            width_px: 320,
            most_corners: 200,
            still_difference: 2.0,
            still_px: 0.15,
        }
    }
}

/// Fewer corners than this are no evidence.
const LEAST_CORNERS: usize = 12;
/// A fit that fewer than this share of the corners agree with is none.
const LEAST_AGREEMENT: f64 = 0.5;
/// Between two frames no camera zooms more than this.
const MOST_ZOOM: f64 = 1.25;

/// Estimates camera motion from one frame to the next.
#[derive(Debug)]
pub struct CameraMotionEstimator {
    config: CameraMotionConfig,
    small: Vec<u8>,
    /// The two columns of the frame that each column of the small picture is sampled from.
    pairs: Vec<(usize, usize)>,
    before: Vec<u8>,
    /// 255 where the background is seen, of the picture before.
    mask: Vec<u8>,
    mask_before: Vec<u8>,
    rows: usize,
    columns: usize,
    shape: (usize, usize),
}

impl CameraMotionEstimator {
    /// An estimator that has seen no frame yet.
    pub fn new(config: CameraMotionConfig) -> Self {
        Self {
            config,
            small: Vec::new(),
            pairs: Vec::new(),
            before: Vec::new(),
            mask: Vec::new(),
            mask_before: Vec::new(),
            rows: 0,
            columns: 0,
            shape: (0, 0),
        }
    }

    /// Compares this frame's luma (H x W) with the one before; `boxes` are the people in it, pixels.
    ///
    /// The first frame, one of another size, and one whose corners do not agree give [`CameraMotion::Still`].
    ///
    /// # Errors
    /// What OpenCV reports, which no picture should cause.
    pub fn estimate<'a>(
        &mut self,
        luma: &ArrayView2<'_, u8>,
        boxes: impl Iterator<Item = &'a BBox>,
    ) -> Result<CameraMotion, TrackError> {
        if !self.config.is_enabled || luma.is_empty() {
            return Ok(CameraMotion::Still);
        }
        std::mem::swap(&mut self.small, &mut self.before);
        std::mem::swap(&mut self.mask, &mut self.mask_before);
        let is_comparable = self.shape == luma.dim();
        self.shrink(luma);
        let scale = luma.dim().1 as f64 / self.columns as f64;
        self.mask_out(boxes, scale);
        if !is_comparable || self.difference() < self.config.still_difference {
            return Ok(CameraMotion::Still);
        }
        let fit = self.fit().map_err(|source| TrackError::CameraMotion {
            reason: source.message,
        })?;
        Ok(fit.map_or(CameraMotion::Still, |[a, b, tx, c, d, ty]| {
            CameraMotion::Moved([a, b, tx * scale, c, d, ty * scale])
        }))
    }

    /// Each small pixel is the mean of four samples of its cell: enough for corners, and the cost does not grow with the frame.
    fn shrink(&mut self, luma: &ArrayView2<'_, u8>) {
        let (height, width) = luma.dim();
        self.shape = (height, width);
        self.columns = width.min(self.config.width_px.max(16));
        self.rows = (height * self.columns / width).max(1);
        self.small.clear();
        self.pairs.clear();
        self.pairs.extend((0..self.columns).map(|column| {
            let left = column * width / self.columns;
            (left, (left + width / self.columns / 2).min(width - 1))
        }));
        for row in 0..self.rows {
            let top = row * height / self.rows;
            let bottom = (top + height / self.rows / 2).min(height - 1);
            let (top, bottom) = (luma.row(top), luma.row(bottom));
            match (top.to_slice(), bottom.to_slice()) {
                (Some(top), Some(bottom)) => self.sample(|at| top[at], |at| bottom[at]),
                _ => self.sample(|at| top[at], |at| bottom[at]),
            }
        }
    }

    /// One row of the small picture, from two of the frame.
    fn sample(&mut self, top: impl Fn(usize) -> u8, bottom: impl Fn(usize) -> u8) {
        self.small.extend(self.pairs.iter().map(|&(left, right)| {
            let sum = u16::from(top(left))
                + u16::from(top(right))
                + u16::from(bottom(left))
                + u16::from(bottom(right));
            ((sum + 2) / 4) as u8
        }));
    }

    fn mask_out<'a>(&mut self, boxes: impl Iterator<Item = &'a BBox>, scale: f64) {
        self.mask.clear();
        self.mask.resize(self.rows * self.columns, 255);
        for bbox in boxes {
            // Not a number becomes 0, and far becomes the edge: the casts saturate.
            let place = |value: f32, most: usize| ((f64::from(value) / scale) as usize).min(most);
            let (x0, x1) = (
                place(bbox.x0, self.columns),
                place(bbox.x1 + scale as f32, self.columns),
            );
            let (y0, y1) = (
                place(bbox.y0, self.rows),
                place(bbox.y1 + scale as f32, self.rows),
            );
            for row in y0..y1 {
                let start = row * self.columns;
                if x0 < x1 {
                    self.mask[start + x0..start + x1].fill(0);
                }
            }
        }
    }

    /// Mean absolute difference of luma where neither picture has people.
    fn difference(&self) -> f32 {
        let (mut sum, mut count) = (0u64, 0u64);
        let rows = |picture| <[u8]>::chunks_exact(picture, self.columns);
        let masks = rows(&self.mask).zip(rows(&self.mask_before));
        for ((now, before), (seen, seen_before)) in
            rows(&self.small).zip(rows(&self.before)).zip(masks)
        {
            // Without a branch and in 32 bits, which hold the sum of 16 million pixels, several pixels go at once.
            let (mut row_sum, mut row_count) = (0u32, 0u32);
            let masks = seen.iter().zip(seen_before);
            for ((now, before), (seen, seen_before)) in now.iter().zip(before).zip(masks) {
                let both = seen & seen_before;
                row_sum = row_sum.wrapping_add(u32::from(now.abs_diff(*before) & both));
                row_count = row_count.wrapping_add(u32::from(both & 1));
            }
            sum += u64::from(row_sum);
            count += u64::from(row_count);
        }
        if count == 0 {
            0.0
        } else {
            sum as f32 / count as f32
        }
    }

    /// The motion in pixels of the small picture, none when too little agrees or nothing moved.
    fn fit(&self) -> opencv::Result<Option<[f64; 6]>> {
        let rows = self.rows as i32;
        let columns = self.columns as i32;
        let before = Mat::new_rows_cols_with_data(rows, columns, &self.before)?;
        let now = Mat::new_rows_cols_with_data(rows, columns, &self.small)?;
        let mask = Mat::new_rows_cols_with_data(rows, columns, &self.mask_before)?;
        let mut corners = Vector::<Point2f>::new();
        imgproc::good_features_to_track(
            &before,
            &mut corners,
            self.config.most_corners as i32,
            0.01,
            5.0,
            &mask,
            3,
            false,
            0.04,
        )?;
        if corners.len() < LEAST_CORNERS {
            return Ok(None);
        }
        let mut moved = Vector::<Point2f>::new();
        let mut status = Vector::<u8>::new();
        let mut error = Vector::<f32>::new();
        let criteria = TermCriteria {
            typ: TermCriteria_Type::COUNT as i32 | TermCriteria_Type::EPS as i32,
            max_count: 20,
            epsilon: 0.02,
        };
        video::calc_optical_flow_pyr_lk(
            &before,
            &now,
            &corners,
            &mut moved,
            &mut status,
            &mut error,
            Size::new(15, 15),
            3,
            criteria,
            0,
            1e-4,
        )?;
        let mut from = Vector::<Point2f>::new();
        let mut to = Vector::<Point2f>::new();
        for index in 0..corners.len() {
            if status.get(index)? == 1 {
                from.push(corners.get(index)?);
                to.push(moved.get(index)?);
            }
        }
        if from.len() < LEAST_CORNERS {
            return Ok(None);
        }
        let mut inliers = Mat::default();
        let fit = calib3d::estimate_affine_partial_2d(
            &from,
            &to,
            &mut inliers,
            calib3d::RANSAC,
            1.0,
            500,
            0.99,
            10,
        )?;
        if fit.rows() != 2 || fit.cols() != 3 {
            return Ok(None);
        }
        let agreeing = f64::from(opencv::core::count_non_zero(&inliers)?);
        if agreeing < LEAST_AGREEMENT * from.len() as f64 {
            return Ok(None);
        }
        let mut affine = [0.0; 6];
        for (index, value) in affine.iter_mut().enumerate() {
            *value = *fit.at_2d::<f64>(index as i32 / 3, index as i32 % 3)?;
        }
        Ok(self.believed(affine))
    }

    fn believed(&self, affine: [f64; 6]) -> Option<[f64; 6]> {
        let [a, b, tx, c, d, ty] = affine;
        let zoom = (a * d - b * c).abs().sqrt();
        if !affine.iter().all(|value| value.is_finite())
            || !(1.0 / MOST_ZOOM..MOST_ZOOM).contains(&zoom)
        {
            return None;
        }
        // Judged in the corners of the picture, where turn and zoom show most.
        let (width, height) = (self.columns as f64, self.rows as f64);
        let most = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)]
            .map(|(x, y)| ((a * x + b * y + tx - x).hypot(c * x + d * y + ty - y)).abs())
            .into_iter()
            .fold(0.0, f64::max);
        (most >= self.config.still_px).then_some(affine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// A wall of smooth random blobs, looked at from `(x, y)`.
    fn view(x: f64, y: f64, people: &[BBox]) -> Array2<u8> {
        Array2::from_shape_fn((240, 320), |(row, column)| {
            let inside = people.iter().any(|bbox| {
                (bbox.x0..bbox.x1).contains(&(column as f32))
                    && (bbox.y0..bbox.y1).contains(&(row as f32))
            });
            let (u, v) = if inside {
                (column as f64 * 1.7, row as f64 * 1.3)
            } else {
                (column as f64 + x, row as f64 + y)
            };
            let wave = (u * 0.11).sin() * (v * 0.13).cos()
                + (u * 0.031 + v * 0.047).sin()
                + ((u * 0.23).cos() * (v * 0.29).sin());
            (128.0 + 40.0 * wave).clamp(0.0, 255.0) as u8
        })
    }

    fn estimate(estimator: &mut CameraMotionEstimator, picture: &Array2<u8>) -> CameraMotion {
        estimator
            .estimate(&picture.view(), [].iter())
            .expect("no picture makes OpenCV fail")
    }

    #[test]
    fn a_pan_is_measured_to_a_fraction_of_a_pixel() {
        let mut estimator = CameraMotionEstimator::new(CameraMotionConfig::default());
        assert_eq!(
            estimate(&mut estimator, &view(0.0, 0.0, &[])),
            CameraMotion::Still
        );
        let CameraMotion::Moved([a, _, tx, _, d, ty]) =
            estimate(&mut estimator, &view(4.0, -2.5, &[]))
        else {
            panic!("a pan of 4 px was not seen");
        };
        assert!((a - 1.0).abs() < 0.01 && (d - 1.0).abs() < 0.01);
        assert!(
            (tx + 4.0).abs() < 0.5 && (ty - 2.5).abs() < 0.5,
            "{tx} {ty}"
        );
    }

    #[test]
    fn a_still_picture_costs_no_flow_and_gives_none() {
        let mut estimator = CameraMotionEstimator::new(CameraMotionConfig::default());
        for _ in 0..3 {
            assert_eq!(
                estimate(&mut estimator, &view(7.0, 7.0, &[])),
                CameraMotion::Still
            );
        }
    }

    #[test]
    fn people_who_walk_do_not_move_the_camera() {
        let person = |x: f32| BBox {
            x0: x,
            y0: 40.0,
            x1: x + 90.0,
            y1: 230.0,
        };
        let mut estimator = CameraMotionEstimator::new(CameraMotionConfig::default());
        for step in 0..4 {
            let people = [person(20.0 + 12.0 * step as f32)];
            let picture = view(0.0, 0.0, &people);
            let motion = estimator
                .estimate(&picture.view(), people.iter())
                .expect("no picture makes OpenCV fail");
            assert_eq!(motion, CameraMotion::Still);
        }
    }

    #[test]
    fn odd_pictures_and_boxes_are_taken_calmly() {
        let mut estimator = CameraMotionEstimator::new(CameraMotionConfig::default());
        let boxes = [
            BBox {
                x0: f32::NAN,
                y0: -1e9,
                x1: f32::INFINITY,
                y1: 1e9,
            },
            BBox {
                x0: 50.0,
                y0: 5.0,
                x1: 10.0,
                y1: 5.0,
            },
        ];
        for (height, width) in [(1, 1), (3, 700), (700, 3), (240, 320), (0, 0), (240, 320)] {
            let picture = Array2::from_shape_fn((height, width), |(y, x)| (x * 31 + y * 17) as u8);
            assert!(estimator.estimate(&picture.view(), boxes.iter()).is_ok());
        }
    }
}
