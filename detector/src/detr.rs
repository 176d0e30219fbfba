//! The DETR family (RT-DETR, D-FINE): queries instead of cells, and no duplicates by training.
//!
//! Two published forms, told apart by the number of outputs in the card:
//! - raw: logits Q x C and boxes Q x 4, centre x, y, width and height as shares of the input; the
//!   score is the sigmoid of the class's logit, the 300 best queries are looked at;
//! - deployed: labels Q, boxes Q x 4 as edges in pixels of the size handed in as a second input, and
//!   scores Q. The size handed in is the network's own, so that letterboxing stays one affair.
//!
//! Not run on real weights: none with a usable licence were at hand. Both forms are held to reference
//! outputs of a tiny randomly initialised network with the published contract.

use crate::bbox::BBox;
use crate::decode::{Output, Sink, sigmoid};
use crate::nms::by_score;

/// Queries looked at a picture, as in the published post-processing.
const TOP_QUERIES: usize = 300;

/// Decodes the raw form for an input of `width` x `height` px.
pub(crate) fn decode_raw(
    logits: Output<'_>,
    boxes: Output<'_>,
    (width, height): (u32, u32),
    person_class: usize,
    sink: &mut Sink<'_>,
) {
    let &[_, classes] = logits.shape else {
        return;
    };
    let start = sink.found.len();
    let queries = logits.values.chunks_exact(classes);
    for (query, [x, y, w, h]) in queries.zip(boxes.values.as_chunks::<4>().0) {
        let score = sigmoid(query[person_class]);
        if sink.admits(score) {
            let (width, height) = (width as f32, height as f32);
            sink.push(
                score,
                BBox::from_center(x * width, y * height, w * width, h * height),
            );
        }
    }
    keep_best(sink, start);
}

/// Decodes the deployed form.
pub(crate) fn decode_deployed(
    labels: Output<'_>,
    boxes: Output<'_>,
    scores: Output<'_>,
    person_class: usize,
    sink: &mut Sink<'_>,
) {
    let start = sink.found.len();
    let queries = labels.values.iter().zip(scores.values);
    for ((label, score), [x0, y0, x1, y1]) in queries.zip(boxes.values.as_chunks::<4>().0) {
        if *label == person_class as f32 && sink.admits(*score) {
            sink.push(*score, BBox::new(*x0, *y0, *x1, *y1));
        }
    }
    keep_best(sink, start);
}

fn keep_best(sink: &mut Sink<'_>, start: usize) {
    sink.found[start..].sort_unstable_by(by_score);
    sink.found.truncate(start + TOP_QUERIES);
}

/// Whether the shapes (without the batch) are those of the raw form.
pub(crate) fn is_raw_logits(shape: &[Option<usize>], person_class: usize) -> bool {
    shape.len() == 2 && shape[1].is_none_or(|classes| classes > person_class)
}

/// Whether a shape (without the batch) is Q x 4.
pub(crate) fn is_boxes(shape: &[Option<usize>]) -> bool {
    shape.len() == 2 && shape[1].is_none_or(|edges| edges == 4)
}

/// Whether a shape (without the batch) is Q.
pub(crate) fn is_per_query(shape: &[Option<usize>]) -> bool {
    shape.len() == 1
}
