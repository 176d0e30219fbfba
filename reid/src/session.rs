//! A session of ONNX Runtime that is what the card says.

use std::path::Path;

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::Error;
use crate::card::{Batch, Card, Precision};
use crate::error::one_line;
use crate::provider::{self, Options, Provider};

/// A session and what was found out about it.
pub(crate) struct Loaded {
    pub(crate) session: Session,
    pub(crate) providers: Vec<Provider>,
    /// Pictures every run must have, if their number is fixed.
    pub(crate) fixed_batch: Option<usize>,
}

/// What becomes of weights that a file has in 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EightBits {
    /// They stay, and so do activations that the file has in 8 bits: three times as fast as fp32 where both are.
    Kept,
    /// They are unpacked once, as the file is loaded: sums are then in fp32, as cards of such files say. Left as they are,
    /// ONNX Runtime brings the activations to 8 bits too, which nobody fitted: `joint-text` then took 14 ms a sentence in
    /// place of 8, and was off by a cosine of .9965 at worst. Memory is the same.
    Unpacked,
}

/// Largest batch an encoder keeps memory for.
const MAX_BATCH: usize = 1024;

/// Loads the card's file, whose digest has been checked, and compares inputs and outputs with the card.
pub(crate) fn load(
    environment: &Environment,
    card: &Card,
    options: &Options,
) -> Result<Loaded, Error> {
    let (session, providers) = open(
        environment,
        &card.name,
        &card.file,
        options,
        EightBits::Kept,
    )?;
    let fixed_batch = check(card, session.inputs(), session.outputs())?;
    Ok(Loaded {
        session,
        providers,
        fixed_batch,
    })
}

/// Loads a file with the options, whatever its inputs are.
pub(crate) fn open(
    environment: &Environment,
    model: &str,
    file: &Path,
    options: &Options,
    eight_bits: EightBits,
) -> Result<(Session, Vec<Provider>), Error> {
    let option_fault = |reason: String| Error::Option {
        model: model.to_owned(),
        reason,
    };
    if !(1..=MAX_BATCH).contains(&options.max_batch) {
        return Err(option_fault(format!(
            "max_batch is {}, expected 1 to {MAX_BATCH}",
            options.max_batch
        )));
    }
    if !(1..=256).contains(&options.intra_threads) {
        return Err(option_fault(format!(
            "intra_threads is {}, expected 1 to 256",
            options.intra_threads
        )));
    }
    let builder = Session::builder(environment)
        .map_err(|error| option_fault(one_line(&error)))?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(|error| option_fault(one_line(&error)))?
        .with_intra_threads(options.intra_threads)
        .map_err(|error| option_fault(one_line(&error)))?
        // An idle pool that spins takes a core from decoding.
        .with_intra_op_spinning(false)
        .map_err(|error| option_fault(one_line(&error)))?
        .with_quant_qdq(eight_bits == EightBits::Kept)
        .map_err(|error| option_fault(one_line(&error)))?
        // Published files carry constants left over from training; each would be a warning at every load.
        .with_log_level(LogLevel::Error)
        .map_err(|error| option_fault(one_line(&error)))?;
    let (mut builder, providers) = provider::register(builder, model, options)?;
    let session = builder
        .commit_from_file(file)
        .map_err(|error| Error::Load {
            model: model.to_owned(),
            path: file.to_path_buf(),
            reason: one_line(&error),
        })?;
    Ok((session, providers))
}

/// Compares the graph with the card and gives the number of pictures it insists on, if any.
fn check(card: &Card, inputs: &[Outlet], outputs: &[Outlet]) -> Result<Option<usize>, Error> {
    let fault = |what: &str, found: String, expected: String| Error::Mismatch {
        model: card.name.clone(),
        what: what.to_string(),
        found,
        expected,
    };
    let names = |outlets: &[Outlet]| {
        let names: Vec<_> = outlets
            .iter()
            .map(|outlet| format!("`{}`", outlet.name()))
            .collect();
        names.join(", ")
    };
    let [input] = inputs else {
        return Err(fault(
            "number of inputs",
            inputs.len().to_string(),
            "one".into(),
        ));
    };
    if input.name() != card.input.name {
        return Err(fault(
            "name of the input",
            names(inputs),
            format!("`{}`", card.input.name),
        ));
    }
    let Some(output) = outputs.iter().find(|output| output.name() == card.output) else {
        return Err(fault(
            "outputs",
            names(outputs),
            format!("`{}`", card.output),
        ));
    };

    let wanted = match card.input.precision {
        Precision::Fp32 => TensorElementType::Float32,
        Precision::Fp16 => TensorElementType::Float16,
    };
    let (input_type, input_shape) = tensor(input);
    if input_type != Some(wanted) {
        let found = describe_type(input_type);
        return Err(fault(
            "number format of the input",
            found,
            describe_type(Some(wanted)),
        ));
    }
    let (output_type, output_shape) = tensor(output);
    if !matches!(
        output_type,
        Some(TensorElementType::Float32 | TensorElementType::Float16)
    ) {
        let found = describe_type(output_type);
        return Err(fault(
            "number format of the output",
            found,
            "float32 or float16".into(),
        ));
    }

    let size = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let is_free_or = |found: i64, wanted: i64| found < 0 || found == wanted;
    let picture = [3, size(card.input.height), size(card.input.width)];
    let describe_wanted = |rest: &[i64]| match card.input.batch {
        Batch::Dynamic => format!("N x {rest:?}"),
        Batch::Fixed(count) => format!("{count} x {rest:?}"),
    };
    let is_picture = input_shape.len() == 4
        && input_shape[1..]
            .iter()
            .zip(picture)
            .all(|(&found, wanted)| is_free_or(found, wanted));
    if !is_picture {
        return Err(fault(
            "shape of the input",
            format!("{input_shape:?}"),
            describe_wanted(&picture),
        ));
    }
    let dimension = [size(card.dimension)];
    if output_shape.len() != 2 || !is_free_or(output_shape[1], dimension[0]) {
        return Err(fault(
            "shape of the output",
            format!("{output_shape:?}"),
            describe_wanted(&dimension),
        ));
    }
    match card.input.batch {
        Batch::Dynamic if input_shape[0] < 0 => Ok(None),
        Batch::Fixed(count) if is_free_or(input_shape[0], size(count.get())) => {
            Ok(Some(count.get()))
        }
        Batch::Dynamic | Batch::Fixed(_) => {
            let expected = describe_wanted(&picture);
            Err(fault(
                "batch of the input",
                format!("{}", input_shape[0]),
                expected,
            ))
        }
    }
}

fn tensor(outlet: &Outlet) -> (Option<TensorElementType>, &[i64]) {
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (Some(*ty), shape),
        _ => (None, &[]),
    }
}

fn describe_type(element: Option<TensorElementType>) -> String {
    match element {
        Some(element) => format!("{element:?}").to_lowercase(),
        None => "no tensor".into(),
    }
}
