//! From the outputs of a family of networks to detections, and the check that they are its outputs.

use crate::card::{Card, Family};
use crate::decode::{Output, Sink};
use crate::{detr, fastestdet, yolox};

/// Which decoder reads the outputs; chosen once, when the card is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Adapter {
    FastestDet {
        person_class: usize,
    },
    Yolox {
        person_class: usize,
        strides: Vec<u32>,
        anchors: usize,
    },
    DetrRaw {
        person_class: usize,
    },
    DetrDeployed {
        person_class: usize,
    },
}

impl Adapter {
    pub(crate) fn new(card: &Card) -> Self {
        let person_class = card.output.person_class;
        match card.family {
            Family::FastestDet => Self::FastestDet { person_class },
            Family::Yolox => Self::Yolox {
                person_class,
                strides: card.output.strides.clone(),
                anchors: yolox::anchors(
                    (card.input.width, card.input.height),
                    &card.output.strides,
                ),
            },
            Family::Detr if card.output.names.len() == 2 => Self::DetrRaw { person_class },
            Family::Detr => Self::DetrDeployed { person_class },
        }
    }

    /// Whether output `index` may have `shape` (without the batch, `None` = any); else what it must have.
    pub(crate) fn check_shape(&self, index: usize, shape: &[Option<usize>]) -> Result<(), String> {
        let (is_right, expected) = match self {
            Self::FastestDet { person_class } => (
                fastestdet::is_shape(shape, *person_class),
                fastestdet::expected_shape(*person_class),
            ),
            Self::Yolox {
                person_class,
                anchors,
                ..
            } => (
                yolox::is_shape(shape, *anchors, *person_class),
                yolox::expected_shape(*anchors, *person_class),
            ),
            Self::DetrRaw { person_class } if index == 0 => (
                detr::is_raw_logits(shape, *person_class),
                format!("[queries, {} or more]", person_class + 1),
            ),
            Self::DetrDeployed { .. } if index != 1 => {
                (detr::is_per_query(shape), "[queries]".to_owned())
            }
            Self::DetrRaw { .. } | Self::DetrDeployed { .. } => {
                (detr::is_boxes(shape), "[queries, 4]".to_owned())
            }
        };
        if is_right { Ok(()) } else { Err(expected) }
    }

    /// Decodes one picture; the shapes of `outputs` were checked, `input` is its size in px.
    pub(crate) fn decode(&self, outputs: &[Output<'_>], input: (u32, u32), sink: &mut Sink<'_>) {
        match (self, outputs) {
            (Self::FastestDet { person_class }, &[map]) => {
                fastestdet::decode(map, input, *person_class, sink);
            }
            (
                Self::Yolox {
                    person_class,
                    strides,
                    ..
                },
                &[heads],
            ) => {
                yolox::decode(heads, input, strides, *person_class, sink);
            }
            (Self::DetrRaw { person_class }, &[logits, boxes]) => {
                detr::decode_raw(logits, boxes, input, *person_class, sink);
            }
            (Self::DetrDeployed { person_class }, &[labels, boxes, scores]) => {
                detr::decode_deployed(labels, boxes, scores, *person_class, sink);
            }
            // The card was refused unless its family has this number of outputs.
            _ => unreachable!("outputs of another family"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Detection;
    use crate::letterbox::{Letterbox, Region, Resize};
    use crate::nms::suppress;
    use proptest::prelude::*;

    const INPUT: (u32, u32) = (32, 32);
    const PERSON: usize = 1;

    fn adapters() -> Vec<(Adapter, Vec<Vec<usize>>)> {
        let strides = vec![8, 16];
        let anchors = yolox::anchors(INPUT, &strides);
        vec![
            (
                Adapter::FastestDet {
                    person_class: PERSON,
                },
                vec![vec![8, 3, 5]],
            ),
            (
                Adapter::Yolox {
                    person_class: PERSON,
                    strides,
                    anchors,
                },
                vec![vec![anchors, 8]],
            ),
            (
                Adapter::DetrRaw {
                    person_class: PERSON,
                },
                vec![vec![20, 3], vec![20, 4]],
            ),
            (
                Adapter::DetrDeployed {
                    person_class: PERSON,
                },
                vec![vec![20], vec![20, 4], vec![20]],
            ),
        ]
    }

    fn decode(adapter: &Adapter, shapes: &[Vec<usize>], values: &[f32]) -> (Vec<Detection>, u64) {
        let outputs: Vec<Output<'_>> = shapes
            .iter()
            .map(|shape| Output {
                shape,
                values: &values[..shape.iter().product()],
            })
            .collect();
        for (index, shape) in shapes.iter().enumerate() {
            let shape: Vec<_> = shape.iter().map(|side| Some(*side)).collect();
            assert_eq!(adapter.check_shape(index, &shape), Ok(()));
        }
        let mut found = Vec::new();
        let region = Region {
            x: 10,
            y: 20,
            width: 300,
            height: 150,
        };
        let mut sink = Sink {
            letterbox: Letterbox::new((640, 360), region, INPUT, Resize::LetterboxCenter),
            score_threshold: 0.3,
            found: &mut found,
            non_finite: 0,
        };
        adapter.decode(&outputs, INPUT, &mut sink);
        let non_finite = sink.non_finite;
        (found, non_finite)
    }

    fn any_value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -4.0f32..4.0,
            4 => 0.0f32..1.0,
            1 => any::<f32>(),
            1 => prop::sample::select(vec![
                f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -0.0, 1.0,
            ]),
        ]
    }

    proptest! {
        // Whatever a network gives, decoding never panics, and what it lets through is a box of the frame.
        #[test]
        fn any_tensor_gives_finite_boxes_inside_the_frame(values in prop::collection::vec(any_value(), 200)) {
            for (adapter, shapes) in adapters() {
                let (mut found, _) = decode(&adapter, &shapes, &values);
                for Detection { bbox, score } in &found {
                    prop_assert!(bbox.is_finite() && bbox.area() > 0.0);
                    prop_assert!(bbox.x0 >= 0.0 && bbox.y0 >= 0.0 && bbox.x1 <= 640.0 && bbox.y1 <= 360.0);
                    prop_assert!((0.3..=1.0).contains(score));
                }
                suppress(&mut found, 0, 0.5);
            }
        }
    }

    #[test]
    fn a_network_that_gives_only_nan_is_counted_not_silent() {
        for (adapter, shapes) in adapters() {
            let mut values = [f32::NAN; 200];
            if matches!(adapter, Adapter::DetrDeployed { .. }) {
                values.fill(PERSON as f32);
                values[1] = f32::NAN;
            }
            let (found, non_finite) = decode(&adapter, &shapes, &values);
            assert!(non_finite > 0, "{adapter:?}");
            assert!(found.iter().all(|d| d.bbox.is_finite()));
        }
    }

    #[test]
    fn one_cell_of_each_raw_head_lands_where_its_formula_says() {
        let whole = |adapter: &Adapter, shape: &[usize], values: &[f32]| {
            let mut found = Vec::new();
            let mut sink = Sink {
                letterbox: Letterbox::new(
                    (320, 160),
                    Region::whole(320, 160),
                    INPUT,
                    Resize::Stretch,
                ),
                score_threshold: 0.5,
                found: &mut found,
                non_finite: 0,
            };
            adapter.decode(&[Output { shape, values }], INPUT, &mut sink);
            found
        };
        let assert_box = |found: &[Detection], edges: [f32; 4], score: f32| {
            let [Detection { bbox, score: s }] = found else {
                panic!("{found:?}")
            };
            for (a, b) in [bbox.x0, bbox.y0, bbox.x1, bbox.y1, *s]
                .into_iter()
                .zip([edges[0], edges[1], edges[2], edges[3], score])
            {
                assert!((a - b).abs() < 1e-2, "{found:?}");
            }
        };
        // Row 1, column 2 of 2 x 4 cells: centre (2 + tanh 0) / 4 and (1 + tanh 0) / 2, sides sigmoid(0) = 1/2.
        let mut map = vec![0.0; 7 * 8];
        map[6] = 0.9;
        map[(5 + PERSON) * 8 + 6] = 0.8;
        let fastest = Adapter::FastestDet {
            person_class: PERSON,
        };
        assert_box(
            &whole(&fastest, &[7, 2, 4], &map),
            [80.0, 40.0, 240.0, 120.0],
            0.72,
        );
        // Stride 16, row 1, column 0: centre (0.5, 1.25) * 16, sides exp(ln 1/2) * 16, in a frame ten and five times as large.
        let anchors = yolox::anchors(INPUT, &[8, 16]);
        let mut heads = vec![0.0; anchors * 7];
        heads[(16 + 2) * 7..(16 + 3) * 7].copy_from_slice(&[
            0.5,
            0.25,
            0.5f32.ln(),
            0.5f32.ln(),
            1.0,
            0.0,
            0.7,
        ]);
        let yolox = Adapter::Yolox {
            person_class: PERSON,
            strides: vec![8, 16],
            anchors,
        };
        assert_box(
            &whole(&yolox, &[anchors, 7], &heads),
            [40.0, 80.0, 120.0, 120.0],
            0.7,
        );
    }
}
