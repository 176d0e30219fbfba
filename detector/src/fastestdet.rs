//! FastestDet: one map of cells, each with an objectness, one box and a distribution over classes.
//!
//! Per cell at column `c`, row `r` of a `w` x `h` map the channels are objectness, four box values
//! and one value a class. Objectness and classes come out of the network as probabilities; the box
//! does not: its centre is `(c + tanh(x)) / w`, `(r + tanh(y)) / h`, so it may lie up to one cell away on
//! either side, and its size `sigmoid(width)`, `sigmoid(height)`, all as shares of the input.

use crate::bbox::BBox;
use crate::decode::{Output, Sink, sigmoid};

/// Objectness and box come before the classes.
const BEFORE_CLASSES: usize = 5;

/// Why a shape (without the batch; zero stands for unknown) is not this family's, if it is not.
pub(crate) fn expected_shape(person_class: usize) -> String {
    format!(
        "[{} or more, rows, columns]",
        BEFORE_CLASSES + person_class + 1
    )
}

pub(crate) fn is_shape(shape: &[Option<usize>], person_class: usize) -> bool {
    shape.len() == 3 && shape[0].is_none_or(|channels| channels > BEFORE_CLASSES + person_class)
}

/// Decodes one picture's 85 x h x w map for an input of `width` x `height` px.
pub(crate) fn decode(
    output: Output<'_>,
    (width, height): (u32, u32),
    person_class: usize,
    sink: &mut Sink<'_>,
) {
    let &[_, rows, columns] = output.shape else {
        return;
    };
    let cells = rows * columns;
    let plane = |channel: usize| &output.values[channel * cells..(channel + 1) * cells];
    let (objectness, person) = (plane(0), plane(BEFORE_CLASSES + person_class));
    let (x, y, w, h) = (plane(1), plane(2), plane(3), plane(4));
    for (cell, (objectness, person)) in objectness.iter().zip(person).enumerate() {
        let score = objectness * person;
        if !sink.admits(score) {
            continue;
        }
        let (row, column) = (cell / columns, cell % columns);
        let center_x = (column as f32 + x[cell].tanh()) / columns as f32;
        let center_y = (row as f32 + y[cell].tanh()) / rows as f32;
        sink.push(
            score,
            BBox::from_center(
                center_x * width as f32,
                center_y * height as f32,
                sigmoid(w[cell]) * width as f32,
                sigmoid(h[cell]) * height as f32,
            ),
        );
    }
}
