//! The network behind a card has the inputs and outputs that the card says.

use crate::adapter::Adapter;
use crate::card::{BatchSize, Card, Precision};
use crate::error::{Error, one_line};
use ort::session::Session as OrtSession;
use ort::value::{Outlet, TensorElementType, ValueType};

pub(crate) fn check_inputs(session: &OrtSession, card: &Card) -> Result<(), Error> {
    let input = &card.input;
    let wrong = |what: String, expected: String, found: String| Error::ModelShape {
        path: card.model_path.clone(),
        what,
        expected,
        found,
    };
    let mut expected_names = vec![input.name.as_str()];
    expected_names.extend(input.sizes_name.as_deref());
    let names: Vec<&str> = session.inputs().iter().map(Outlet::name).collect();
    let is_named = names.len() == expected_names.len()
        && expected_names.iter().all(|name| names.contains(name));
    if !is_named {
        let (expected, found) = (format!("{expected_names:?}"), format!("{names:?}"));
        return Err(wrong("its set of inputs".to_owned(), expected, found));
    }
    for outlet in session.inputs() {
        let what = format!("input `{}`", outlet.name());
        let is_picture = outlet.name() == input.name;
        let element = match input.precision {
            _ if !is_picture => TensorElementType::Int64,
            Precision::Fp32 => TensorElementType::Float32,
            Precision::Fp16 => TensorElementType::Float16,
        };
        let batch = match input.batch {
            BatchSize::One => 1,
            BatchSize::Dynamic => -1,
        };
        let expected: &[i64] = if is_picture {
            &[batch, 3, i64::from(input.height), i64::from(input.width)]
        } else {
            &[batch, 2]
        };
        let is_right = outlet.dtype().tensor_type() == Some(element)
            && outlet.dtype().tensor_shape().is_some_and(|found| {
                // A side left open by the network takes any size; an open batch in the card needs one here.
                found.len() == expected.len()
                    && found.iter().zip(expected).all(|(f, e)| f == e || *f == -1)
            });
        if !is_right {
            let expected = format!("{element} {expected:?}");
            return Err(wrong(what, expected, describe(outlet.dtype())));
        }
    }
    Ok(())
}

pub(crate) fn check_outputs(
    session: &OrtSession,
    card: &Card,
    adapter: &Adapter,
) -> Result<(), Error> {
    let wrong = |what: String, expected: String, found: String| Error::ModelShape {
        path: card.model_path.clone(),
        what,
        expected,
        found,
    };
    for (index, name) in card.output.names.iter().enumerate() {
        let what = format!("output `{name}`");
        let Some(outlet) = session
            .outputs()
            .iter()
            .find(|outlet| outlet.name() == name)
        else {
            let names: Vec<&str> = session.outputs().iter().map(Outlet::name).collect();
            return Err(wrong(
                what,
                "present".to_owned(),
                format!("absent among {names:?}"),
            ));
        };
        let Some(shape) = outlet.dtype().tensor_shape() else {
            return Err(wrong(what, "a tensor".to_owned(), describe(outlet.dtype())));
        };
        let inner: Vec<Option<usize>> = shape
            .iter()
            .skip(1)
            .map(|dim| usize::try_from(*dim).ok())
            .collect();
        // Some exporters leave the whole shape open; then the first run tells.
        if shape.is_empty() {
            continue;
        }
        adapter.check_shape(index, &inner).map_err(|expected| {
            wrong(
                what,
                format!("a batch of {expected}"),
                describe(outlet.dtype()),
            )
        })?;
    }
    Ok(())
}

fn describe(value: &ValueType) -> String {
    match value {
        ValueType::Tensor { ty, shape, .. } => format!("{ty} {shape}"),
        other => one_line(format!("{other:?}")),
    }
}
