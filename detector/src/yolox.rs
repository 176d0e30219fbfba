//! YOLOX: raw heads on several strides, laid end to end.
//!
//! For each stride, finest first, the cells of its grid come row by row; each has centre x, y and
//! logarithmic width and height in units of the stride, then objectness and one value a class, both
//! already probabilities: centre = (xy + cell) * stride, size = exp(wh) * stride.

use crate::bbox::BBox;
use crate::decode::{Output, Sink};

/// Box and objectness come before the classes.
const BEFORE_CLASSES: usize = 5;

/// Cells of all heads together.
pub(crate) fn anchors((width, height): (u32, u32), strides: &[u32]) -> usize {
    strides
        .iter()
        .map(|stride| (width / stride) as usize * (height / stride) as usize)
        .sum()
}

pub(crate) fn expected_shape(anchors: usize, person_class: usize) -> String {
    format!("[{anchors}, {} or more]", BEFORE_CLASSES + person_class + 1)
}

pub(crate) fn is_shape(shape: &[Option<usize>], anchors: usize, person_class: usize) -> bool {
    shape.len() == 2
        && shape[0].is_none_or(|found| found == anchors)
        && shape[1].is_none_or(|values| values > BEFORE_CLASSES + person_class)
}

/// Decodes one picture's anchors x (5 + classes) values for an input of `width` x `height` px.
pub(crate) fn decode(
    output: Output<'_>,
    (width, height): (u32, u32),
    strides: &[u32],
    person_class: usize,
    sink: &mut Sink<'_>,
) {
    let &[_, values] = output.shape else {
        return;
    };
    let mut anchors = output.values.chunks_exact(values);
    for stride in strides {
        let (columns, rows) = (width / stride, height / stride);
        let stride = *stride as f32;
        for row in 0..rows {
            for (column, anchor) in (0..columns).zip(&mut anchors) {
                let score = anchor[4] * anchor[BEFORE_CLASSES + person_class];
                if !sink.admits(score) {
                    continue;
                }
                sink.push(
                    score,
                    BBox::from_center(
                        (anchor[0] + column as f32) * stride,
                        (anchor[1] + row as f32) * stride,
                        anchor[2].exp() * stride,
                        anchor[3].exp() * stride,
                    ),
                );
            }
        }
    }
}
