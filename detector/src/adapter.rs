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
