//! A graph for one picture becomes a graph for any number of them.

use std::collections::HashSet;

use super::graph::{Edits, Model, Node, rewrite};
use super::tensor::int_tensor;
use super::{Error, Mend};

/// Most different shapes in one graph.
const MAX_SHAPES: usize = 4096;

/// Name of the batch dimension.
const SYMBOL: &str = "N";

pub(super) fn apply(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let model = Model::read(bytes)?;
    check_outlets(&model)?;
    let producers = model.producers();
    let batched = batched_values(&model);
    let mut edits = Edits {
        first_dim: Some(SYMBOL),
        ..Edits::default()
    };
    let mut displaced: HashSet<&[u8]> = HashSet::new();
    let mut displaced_at = HashSet::new();
    for (index, node) in model.nodes.iter().enumerate() {
        let is_batched = node
            .inputs
            .first()
            .is_some_and(|name| batched.contains(name));
        if !is_batched {
            continue;
        }
        check_node(&model, node)?;
        if !node.is("Reshape") {
            continue;
        }
        let Some(&shape_name) = node.inputs.get(1) else {
            continue;
        };
        let Some(shape) = model.shape(shape_name, &producers) else {
            continue;
        };
        let Some(mended) = mended_shape(&shape) else {
            continue;
        };
        let name = shape_tensor_name(&mended);
        edits.nodes.insert(index, with_second_input(node, &name)?);
        if !edits.initializers.iter().any(|(taken, _)| *taken == name) {
            if edits.initializers.len() == MAX_SHAPES {
                let reason = "it has too many different shapes".into();
                return Err(Error::Graph { reason });
            }
            let tensor = int_tensor(&name, &mended);
            edits.initializers.push((name, tensor));
        }
        displaced.insert(shape_name);
        displaced_at.insert(index);
    }
    // A constant that nothing uses any more draws a warning at every load.
    if !model.has_nested_graphs() {
        for (index, node) in model.nodes.iter().enumerate() {
            for (position, name) in node.inputs.iter().enumerate() {
                if !(position == 1 && displaced_at.contains(&index)) {
                    displaced.remove(name);
                }
            }
        }
        for outlet in model.outputs.iter().chain(&model.inputs) {
            displaced.remove(outlet.name);
        }
        edits.dropped = displaced;
    }
    model.write(&edits)
}

/// Every input must have a batch of 1, or none of its own.
fn check_outlets(model: &Model<'_>) -> Result<(), Error> {
    let mut is_any_fixed = false;
    for input in &model.inputs {
        if model.initializers.contains_key(input.name) {
            continue;
        }
        match input.dims.first() {
            Some(Some(1)) => is_any_fixed = true,
            Some(None) => {}
            Some(Some(_)) | None => {
                let name = String::from_utf8_lossy(input.name);
                let reason = format!("the first dimension of input `{name}` is not a batch of 1");
                return Err(Error::Graph { reason });
            }
        }
    }
    if is_any_fixed {
        return Ok(());
    }
    let reason = "no input of the graph has a batch of 1";
    Err(Error::Nothing {
        mend: Mend::DynamicBatch,
        reason,
    })
}

/// Values that depend on an input and are not merely its shape.
fn batched_values<'a>(model: &Model<'a>) -> HashSet<&'a [u8]> {
    let inputs = model.inputs.iter().map(|input| input.name);
    let mut batched: HashSet<&[u8]> = inputs
        .filter(|name| !model.initializers.contains_key(name))
        .collect();
    // ONNX keeps nodes in an order in which every value is made before it is used.
    for node in &model.nodes {
        let is_shape = node.is("Shape") || node.is("Size");
        if !is_shape && node.inputs.iter().any(|name| batched.contains(name)) {
            batched.extend(&node.outputs);
        }
    }
    batched
}

/// Refuses operators that would take the batch for something else in silence.
fn check_node(model: &Model<'_>, node: &Node<'_>) -> Result<(), Error> {
    let fault = |reason: &str| Error::Node {
        mend: Mend::DynamicBatch,
        node: node.describe(),
        reason: reason.into(),
    };
    let axes = node
        .attributes
        .iter()
        .find(|attribute| attribute.name == b"axes");
    if node.is("Squeeze")
        && node.inputs.len() == 1
        && axes.is_none_or(|axes| axes.ints.contains(&0))
    {
        return Err(fault("Squeeze would remove the batch of 1"));
    }
    let has_sizes = |name: &&[u8]| {
        let sizes = model
            .initializers
            .get(*name)
            .and_then(|sizes| sizes.shape.as_ref());
        sizes.is_some_and(|sizes| sizes.first() == Some(&1))
    };
    if node.is("Resize") && node.inputs.get(3).is_some_and(has_sizes) {
        return Err(fault("Resize goes to a fixed size with a batch of 1"));
    }
    let allows_zero = |name: &[u8]| name == b"allowzero";
    if node.is("Reshape")
        && node
            .attributes
            .iter()
            .any(|attribute| allows_zero(attribute.name) && attribute.ints != [0])
    {
        return Err(fault("Reshape takes 0 for an empty dimension"));
    }
    Ok(())
}

/// The shape with room for the batch in its first dimension, or `None` if there is room already.
fn mended_shape(shape: &[i64]) -> Option<Vec<i64>> {
    let &first = shape.first()?;
    let is_inferred = shape.contains(&-1);
    let mut mended = shape.to_vec();
    mended[0] = match first {
        // The inferred dimension is another one: the batch is copied from the input.
        1 if is_inferred => 0,
        // The batch is outermost in memory, so the first dimension takes it in, alone or folded with channels.
        1.. if !is_inferred => -1,
        _ => return None,
    };
    Some(mended)
}

fn shape_tensor_name(shape: &[i64]) -> Vec<u8> {
    let mut name = String::from("sightline_shape");
    for dim in shape {
        name.push('_');
        name.push_str(&dim.to_string());
    }
    name.into_bytes()
}

/// The node with another name in place of its second input.
fn with_second_input(node: &Node<'_>, name: &[u8]) -> Result<Vec<u8>, Error> {
    let mut position = 0;
    rewrite(node.raw, "a node", |number, _| {
        if number != 1 {
            return Ok(None);
        }
        position += 1;
        Ok((position == 2).then(|| name.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_goes_where_it_is_outermost() {
        for (shape, mended) in [
            (vec![1, -1, 0, 0], Some(vec![0, -1, 0, 0])),
            (vec![1, 256], Some(vec![-1, 256])),
            (vec![48, 2, 484], Some(vec![-1, 2, 484])),
            (vec![2, -1, 48, 22, 22], None),
            (vec![0, 16, -1, 0], None),
            (vec![-1, 256], None),
            (vec![], None),
        ] {
            assert_eq!(mended_shape(&shape), mended, "{shape:?}");
        }
    }
}
