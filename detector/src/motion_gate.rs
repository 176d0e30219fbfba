//! Which pictures show enough change to be worth a run of the detector.
//!
//! The picture's luma is reduced to means over a grid of blocks. A picture is skipped while no group
//! of blocks differs from the picture last detected on by more than its noise explains; so slow
//! change adds up until it counts, and what was detected last still holds. The noise of each block is
//! learnt from one picture to the next.
//!
//! # What it saves and misses
//! FastestDet at 0.6, the defaults below, frames of three recordings (`examples/measure.rs gate`). A
//! detection on a skipped picture is missed when the picture last detected on has none that overlaps it
//! by half.
//!
//! | recording | pictures | skipped | people on skipped pictures | of them missed |
//! |---|---|---|---|---|
//! | `vtest.avi`, a square with somebody always walking | 795 | 0 (0.0%) | 0 | 0 |
//! | `one-by-one-person-detection.mp4`, a room, at times empty | 1394 | 471 (33.8%) | 271 | 0 |
//! | `car-detection.mp4`, a road without people | 377 | 163 (43.2%) | 0 | 0 |
//!
//! It costs 0.1 ms a picture of 768 x 432. On a busy square it saves nothing, so it is worth its price
//! only where scenes are still for a good part of the day.

use ndarray::{ArrayView2, Axis};

/// How much change opens the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateOptions {
    /// Blocks side by side; rows follow from square blocks. About the width of the smallest person
    /// that matters, seen from the detector's input.
    pub columns: usize,
    /// Smallest change of a block's mean that counts, in codes of luma.
    pub least_change_codes: f32,
    /// Change that counts, in standard deviations of the block's own noise.
    pub noise_factor: f32,
    /// Neighbouring blocks that must change together.
    pub least_blocks: usize,
    /// Longest time without a detection, ns.
    pub longest_skip_ns: i64,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            columns: 96,
            least_change_codes: 3.0,
            noise_factor: 4.0,
            least_blocks: 2,
            longest_skip_ns: 1_000_000_000,
        }
    }
}

/// Decides picture by picture for one camera.
#[derive(Debug)]
pub struct MotionGate {
    options: GateOptions,
    size: (usize, usize),
    side_px: usize,
    columns: usize,
    means: Vec<f32>,
    previous: Vec<f32>,
    /// Block means of the picture last detected on.
    reference: Vec<f32>,
    /// Running variance of each block's change from one picture to the next.
    variance: Vec<f32>,
    changes: Vec<f32>,
    /// Deviation of the median block's change to this picture: what all blocks share.
    common_noise: f32,
    row_sums: Vec<u32>,
    last_detected_ns: Option<i64>,
    skipped_total: u64,
}

/// Standard deviations in the median absolute value of normal noise.
const DEVIATIONS_A_MEDIAN: f32 = 1.4826;

/// Weight of the newest picture in the running variance; about two seconds at 12 frames a second.
const VARIANCE_WEIGHT: f32 = 0.04;

impl MotionGate {
    /// A gate that opens on the first picture.
    #[must_use]
    pub fn new(options: GateOptions) -> Self {
        Self {
            options,
            size: (0, 0),
            side_px: 1,
            columns: 0,
            means: Vec::new(),
            previous: Vec::new(),
            reference: Vec::new(),
            variance: Vec::new(),
            changes: Vec::new(),
            common_noise: 0.0,
            row_sums: Vec::new(),
            last_detected_ns: None,
            skipped_total: 0,
        }
    }

    /// Whether the detector should look at the picture with this luma plane (H x W), captured at
    /// `time_ns`.
    ///
    /// True on the first picture, after a change of size, when time runs backwards, when the picture
    /// differs from the one last detected on, and at the latest after the longest skip.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a view is itself a reference"
    )]
    pub fn should_detect(&mut self, luma: ArrayView2<'_, u8>, time_ns: i64) -> bool {
        if luma.is_empty() {
            return true;
        }
        let is_new_size = self.size != luma.dim();
        if is_new_size {
            self.lay_grid(luma.dim());
        }
        self.take_means(&luma);
        if !is_new_size {
            self.learn_noise();
        }
        let is_due = self.last_detected_ns.is_none_or(|last| {
            let since_ns = time_ns.saturating_sub(last);
            !(0..self.options.longest_skip_ns).contains(&since_ns)
        });
        let is_open = is_new_size || is_due || self.is_moved();
        std::mem::swap(&mut self.previous, &mut self.means);
        if is_open {
            self.reference.copy_from_slice(&self.previous);
            self.last_detected_ns = Some(time_ns);
        } else {
            self.skipped_total += 1;
        }
        is_open
    }

    /// Pictures skipped since the start.
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped_total
    }

    fn lay_grid(&mut self, (height, width): (usize, usize)) {
        self.size = (height, width);
        self.side_px = (width / self.options.columns.max(1)).max(4);
        self.columns = width.div_ceil(self.side_px);
        let blocks = self.columns * height.div_ceil(self.side_px);
        for grid in [
            &mut self.means,
            &mut self.previous,
            &mut self.reference,
            &mut self.variance,
        ] {
            grid.clear();
            grid.resize(blocks, 0.0);
        }
        self.common_noise = 0.0;
        self.row_sums.clear();
        self.row_sums.resize(self.columns, 0);
    }

    /// Means over blocks, from every second row: rows of a block differ little, reading costs.
    fn take_means(&mut self, luma: &ArrayView2<'_, u8>) {
        let (side, width) = (self.side_px, self.size.1);
        let bands = luma.axis_chunks_iter(Axis(0), side);
        for (band, means) in bands.zip(self.means.chunks_exact_mut(self.columns)) {
            self.row_sums.fill(0);
            let mut rows = 0u32;
            for row in band.outer_iter().step_by(2) {
                rows += 1;
                match row.to_slice() {
                    Some(row) => {
                        for (sum, block) in self.row_sums.iter_mut().zip(row.chunks(side)) {
                            *sum += block.iter().map(|code| u32::from(*code)).sum::<u32>();
                        }
                    }
                    None => {
                        for (x, code) in row.iter().enumerate() {
                            self.row_sums[x / side] += u32::from(*code);
                        }
                    }
                }
            }
            for (at, (mean, sum)) in means.iter_mut().zip(&self.row_sums).enumerate() {
                let block_width = side.min(width - at * side) as u32;
                *mean = *sum as f32 / (rows * block_width) as f32;
            }
        }
    }

    /// Follows the change between neighbouring pictures, of each block and of the median block.
    ///
    /// Motion counts only as far as it would open the gate, so that a passer-by does not make a block
    /// deaf; and people never fill half of the picture's blocks, so the median is noise from the start.
    fn learn_noise(&mut self) {
        let limit = self.options.least_change_codes;
        self.changes.clear();
        let pairs = self.means.iter().zip(&self.previous);
        for ((mean, previous), variance) in pairs.zip(&mut self.variance) {
            let change = (mean - previous).abs();
            self.changes.push(change);
            let change = change.min(limit);
            *variance += VARIANCE_WEIGHT * (change * change - *variance);
        }
        let middle = self.changes.len() / 2;
        let (_, median, _) = self.changes.select_nth_unstable_by(middle, f32::total_cmp);
        // Capped, or a swaying or turning camera would pass for noise.
        self.common_noise = (*median * DEVIATIONS_A_MEDIAN).min(limit);
    }

    /// Whether enough neighbouring blocks differ from the reference.
    fn is_moved(&self) -> bool {
        let GateOptions {
            least_change_codes,
            noise_factor,
            least_blocks,
            ..
        } = self.options;
        let is_changed = |at: usize| {
            let change = (self.means[at] - self.reference[at]).abs();
            let noise = noise_factor * self.variance[at].sqrt().max(self.common_noise);
            change > least_change_codes.max(noise)
        };
        (0..self.means.len())
            .filter(|at| is_changed(*at))
            .any(|at| {
                let (row, column) = (at / self.columns, at % self.columns);
                let rows = row.saturating_sub(1)..=row + 1;
                let columns = column.saturating_sub(1)..=(column + 1).min(self.columns - 1);
                let changed = rows
                    .flat_map(|row| columns.clone().map(move |column| (row, column)))
                    .map(|(row, column)| row * self.columns + column)
                    .filter(|near| *near < self.means.len() && is_changed(*near))
                    .count();
                changed >= least_blocks
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    const FRAME_NS: i64 = 100_000_000;

    /// A picture with a little noise that differs from picture to picture.
    fn noisy(seed: u64, amplitude: u64) -> Array2<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Array2::from_shape_fn((288, 384), |(y, x)| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (90 + (x / 16 + y / 16) % 60) as u8 + ((state >> 33) % (amplitude + 1)) as u8
        })
    }

    fn gate() -> MotionGate {
        MotionGate::new(GateOptions::default())
    }

    #[test]
    fn noise_alone_is_skipped_until_the_longest_skip() {
        for amplitude in [0, 4, 12] {
            let mut gate = gate();
            let opened: Vec<i64> = (0..31)
                .filter(|i| gate.should_detect(noisy(*i as u64, amplitude).view(), i * FRAME_NS))
                .collect();
            assert_eq!(opened, [0, 10, 20, 30], "noise of {amplitude} codes");
            assert_eq!(gate.skipped_total(), 27);
        }
    }

    #[test]
    fn somebody_stepping_into_a_still_picture_opens_the_gate() {
        let mut gate = gate();
        assert!(gate.should_detect(noisy(1, 4).view(), 0));
        assert!(!gate.should_detect(noisy(2, 4).view(), FRAME_NS));
        let mut picture = noisy(3, 4);
        picture
            .slice_mut(s![100..140, 50..64])
            .mapv_inplace(|code| code + 25);
        assert!(gate.should_detect(picture.view(), 2 * FRAME_NS));
        assert!(!gate.should_detect(picture.view(), 3 * FRAME_NS));
    }

    #[test]
    fn slow_change_adds_up_and_opens_the_gate() {
        let mut gate = gate();
        let mut last = None;
        for i in 0..10u8 {
            let mut picture = Array2::from_elem((288, 384), 100);
            picture.slice_mut(s![100..160, 100..130]).fill(100 + i);
            if gate.should_detect(picture.view(), i64::from(i) * FRAME_NS / 10) {
                last = Some(i);
            }
        }
        assert!(last.is_some_and(|i| i >= 3), "{last:?}");
    }

    #[test]
    fn a_change_of_size_and_time_running_backwards_open_the_gate() {
        let mut gate = gate();
        let picture = noisy(1, 0);
        assert!(gate.should_detect(picture.view(), 10 * FRAME_NS));
        assert!(!gate.should_detect(picture.view(), 11 * FRAME_NS));
        assert!(gate.should_detect(picture.slice(s![..200, ..]), 12 * FRAME_NS));
        assert!(gate.should_detect(picture.slice(s![..200, ..]), 5 * FRAME_NS));
    }

    #[test]
    fn strided_rows_and_pictures_of_a_pixel_are_taken() {
        let mut gate = gate();
        let wide = noisy(1, 0);
        assert!(gate.should_detect(wide.slice(s![.., 7..300]), 0));
        assert!(!gate.should_detect(wide.slice(s![.., 7..300]), 1));
        assert!(gate.should_detect(wide.slice(s![..1, ..1]), 2));
        assert!(gate.should_detect(wide.slice(s![..0, ..]), 3));
        assert!(gate.should_detect(wide.slice(s![.., ..;2]), 4));
        assert!(!gate.should_detect(wide.slice(s![.., ..;2]), 5));
    }
}
