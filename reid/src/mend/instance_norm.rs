//! `MeanVarianceNormalization` becomes `InstanceNormalization`.

use std::collections::HashMap;

use super::graph::{Edits, Model, Node};
use super::tensor::float_tensor;
use super::wire::{Fields, put_bytes, put_float, put_varint};
use super::{Error, Mend};

/// Added to the variance, so that a flat plane gives zeros in place of 0 / 0.
const EPSILON: f32 = 1e-5;

/// More channels than any layer has; a hostile shape must not take memory.
const MAX_CHANNELS: i64 = 65_536;

/// Most different numbers of channels in one graph.
const MAX_COUNTS: usize = 256;

/// How far back the number of channels is looked for.
const MAX_STEPS: usize = 64;

pub(super) fn apply(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let model = Model::read(bytes)?;
    let producers = model.producers();
    let outlets = model.inputs.iter().chain(&model.values);
    let outlets: HashMap<_, _> = outlets
        .map(|outlet| (outlet.name, &outlet.dims[..]))
        .collect();
    let mut edits = Edits::default();
    let mut counts = Vec::new();
    for (index, node) in model.nodes.iter().enumerate() {
        if !node.is("MeanVarianceNormalization") {
            continue;
        }
        let fault = |reason: &str| Error::Node {
            mend: Mend::InstanceNorm,
            node: node.describe(),
            reason: reason.into(),
        };
        let [axes] = &node.attributes[..] else {
            return Err(fault("it has no axes or more than axes"));
        };
        if axes.name != b"axes" || axes.ints != [2, 3] {
            return Err(fault("it does not normalise over axes 2 and 3"));
        }
        let [input] = node.inputs[..] else {
            return Err(fault("it has not exactly one input"));
        };
        let channels = channels(&model, &producers, &outlets, input)
            .ok_or_else(|| fault("the number of channels of its input cannot be told"))?;
        if !counts.contains(&channels) {
            if counts.len() == MAX_COUNTS {
                return Err(fault(
                    "the graph has too many different numbers of channels",
                ));
            }
            counts.push(channels);
        }
        edits.nodes.insert(index, replacement(node, channels)?);
    }
    if edits.nodes.is_empty() {
        let reason = "the graph has no MeanVarianceNormalization";
        return Err(Error::Nothing {
            mend: Mend::InstanceNorm,
            reason,
        });
    }
    for channels in counts {
        for (name, value) in [(scale_name(channels), 1.0), (bias_name(channels), 0.0)] {
            let values = vec![value; channels];
            edits
                .initializers
                .push((name.clone(), float_tensor(&name, &values)));
        }
    }
    model.write(&edits)
}

fn scale_name(channels: usize) -> Vec<u8> {
    format!("sightline_ones_{channels}").into_bytes()
}

fn bias_name(channels: usize) -> Vec<u8> {
    format!("sightline_zeros_{channels}").into_bytes()
}

/// The node with operator, inputs and attributes replaced, and everything else as it was.
fn replacement(node: &Node<'_>, channels: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(node.raw.len() + 96);
    for field in Fields::new(node.raw, "a node") {
        let field = field?;
        if field.bytes(1).is_some() {
            out.extend_from_slice(field.raw);
            put_bytes(&mut out, 1, &scale_name(channels));
            put_bytes(&mut out, 1, &bias_name(channels));
        } else if field.bytes(4).is_some() {
            put_bytes(&mut out, 4, b"InstanceNormalization");
        } else if field.bytes(5).is_none() {
            out.extend_from_slice(field.raw);
        }
    }
    let mut epsilon = Vec::new();
    put_bytes(&mut epsilon, 1, b"epsilon");
    put_float(&mut epsilon, 2, EPSILON);
    // AttributeProto.FLOAT
    put_varint(&mut epsilon, 20, 1);
    put_bytes(&mut out, 5, &epsilon);
    Ok(out)
}

/// Size of dimension 1 of `value` at batch 1, found by walking back to something that fixes it.
fn channels(
    model: &Model<'_>,
    producers: &HashMap<&[u8], usize>,
    outlets: &HashMap<&[u8], &[Option<i64>]>,
    value: &[u8],
) -> Option<usize> {
    let mut value = value;
    for _ in 0..MAX_STEPS {
        if let Some(&Some(count)) = outlets.get(value).and_then(|dims| dims.get(1)) {
            return checked(count);
        }
        let node = &model.nodes[*producers.get(value)?];
        if node.is("Conv") {
            let weight = model.initializers.get(node.inputs.get(1)?)?;
            return checked(*weight.dims.first()?);
        }
        if node.is("Reshape") {
            let shape = model.shape(node.inputs.get(1)?, producers)?;
            match shape[..] {
                [_, count, ..] if count > 0 => return checked(count),
                // Dimension 1 is copied, or is what is left when all others are copied and the batch is 1.
                [_, 0, ..] => {}
                [0 | 1, -1, ref rest @ ..] if rest.iter().all(|&dim| dim == 0) => {}
                _ => return None,
            }
        } else if !KEEP_CHANNELS.iter().any(|op| node.is(op)) {
            return None;
        }
        value = node.inputs.first()?;
    }
    None
}

/// Operators whose output has as many channels as their first input.
const KEEP_CHANNELS: [&str; 12] = [
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "InstanceNormalization",
    "LeakyRelu",
    "MaxPool",
    "PRelu",
    "Relu",
    "Sigmoid",
];

fn checked(count: i64) -> Option<usize> {
    (1..=MAX_CHANNELS)
        .contains(&count)
        .then(|| usize::try_from(count).ok())?
}
