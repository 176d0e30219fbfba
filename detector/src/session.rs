//! One network in ONNX Runtime: its run, its outputs.

use crate::adapter::Adapter;
use crate::card::{BatchSize, Card, Precision};
use crate::contract::{check_inputs, check_outputs};
use crate::decode::Output;
use crate::detector::Options;
use crate::error::{Error, one_line};
use crate::provider::Provider;
use half::f16;
use ort::environment::Environment;
use ort::session::{Session as OrtSession, SessionInputValue, builder::SessionBuilder};
use ort::value::{DynValue, TensorElementType, TensorRef};

/// Owns the session and a copy of the outputs; both are reused from run to run.
///
/// What ONNX Runtime and its binding still allocate a run are the handles of the values and, from the
/// runtime's own arena, the outputs.
pub(crate) struct Session {
    inner: OrtSession,
    provider: Provider,
    takes_sizes_first: Option<bool>,
    /// The batch tensor in half precision, where the network takes that.
    batch_half: Vec<f16>,
    sizes: Vec<i64>,
    shape: [usize; 4],
    outputs: Vec<OutputCopy>,
}

struct OutputCopy {
    name: String,
    /// Shape without the batch.
    shape: Vec<usize>,
    /// All pictures of the batch, row-major.
    values: Vec<f32>,
}

impl Session {
    pub(crate) fn open(
        environment: &Environment,
        card: &Card,
        adapter: &Adapter,
        options: &Options,
    ) -> Result<Self, Error> {
        let (inner, provider) = commit_wished(environment, card, options)?;
        let input = &card.input;
        let capacity = match input.batch {
            BatchSize::One => 1,
            BatchSize::Dynamic => options.max_batch.get(),
        };
        check_inputs(&inner, card)?;
        check_outputs(&inner, card, adapter)?;
        let shape = [capacity, 3, input.height as usize, input.width as usize];
        let len = shape.iter().product();
        let takes_sizes_first = input.sizes_name.as_ref().map(|sizes| {
            inner
                .inputs()
                .first()
                .is_some_and(|first| first.name() == sizes)
        });
        let half_len = match input.precision {
            Precision::Fp32 => 0,
            Precision::Fp16 => len,
        };
        Ok(Self {
            inner,
            provider,
            takes_sizes_first,
            batch_half: vec![f16::ZERO; half_len],
            sizes: [input.width, input.height].map(i64::from).repeat(capacity),
            shape,
            outputs: card
                .output
                .names
                .iter()
                .map(|name| OutputCopy {
                    name: name.clone(),
                    shape: Vec::new(),
                    values: Vec::new(),
                })
                .collect(),
        })
    }

    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    /// N x C x H x W, N being the most pictures of a run.
    pub(crate) fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Runs the network on the first `count` slots of a batch tensor and keeps its outputs.
    pub(crate) fn run(
        &mut self,
        batch: &[f32],
        count: usize,
        adapter: &Adapter,
        model: &str,
    ) -> Result<(), Error> {
        let [_, channels, height, width] = self.shape;
        let len = count * channels * height * width;
        let shape = [count, channels, height, width];
        let failed = |reason: ort::Error| Error::Inference {
            model: model.to_owned(),
            batch: count,
            reason: one_line(reason),
        };
        let picture: SessionInputValue<'_> = if self.batch_half.is_empty() {
            TensorRef::from_array_view((shape, &batch[..len]))
                .map_err(failed)?
                .into()
        } else {
            for (half, value) in self.batch_half.iter_mut().zip(&batch[..len]) {
                *half = f16::from_f32(*value);
            }
            TensorRef::from_array_view((shape, &self.batch_half[..len]))
                .map_err(failed)?
                .into()
        };
        let results = match self.takes_sizes_first {
            None => self.inner.run([picture]),
            Some(is_first) => {
                let sizes: SessionInputValue<'_> =
                    TensorRef::from_array_view(([count, 2], &self.sizes[..2 * count]))
                        .map_err(failed)?
                        .into();
                self.inner.run(if is_first {
                    [sizes, picture]
                } else {
                    [picture, sizes]
                })
            }
        }
        .map_err(failed)?;
        for (index, output) in self.outputs.iter_mut().enumerate() {
            let value = results.get(&output.name).ok_or_else(|| Error::Inference {
                model: model.to_owned(),
                batch: count,
                reason: format!("it gave no output `{}`", output.name),
            })?;
            output.take(value).map_err(failed)?;
            output.check(index, count, value, adapter, model)?;
        }
        Ok(())
    }

    /// One picture's part of output `index` of the last run.
    ///
    /// An output that the network does not have is empty.
    pub(crate) fn output(&self, index: usize, picture: usize) -> Output<'_> {
        let Some(output) = self.outputs.get(index) else {
            return Output::default();
        };
        let len = output.shape.iter().product::<usize>();
        Output {
            shape: &output.shape,
            values: &output.values[picture * len..(picture + 1) * len],
        }
    }
}

impl OutputCopy {
    fn take(&mut self, value: &DynValue) -> ort::Result<()> {
        self.values.clear();
        self.shape.clear();
        let element = value.dtype().tensor_type();
        let dims = match element {
            Some(TensorElementType::Float16) => {
                let (shape, values) = value.try_extract_tensor::<f16>()?;
                self.values.extend(values.iter().map(|v| v.to_f32()));
                shape
            }
            // Labels are class indices, far below the first integer that a float cannot hold.
            Some(TensorElementType::Int64) => {
                let (shape, values) = value.try_extract_tensor::<i64>()?;
                self.values.extend(values.iter().map(|v| *v as f32));
                shape
            }
            _ => {
                let (shape, values) = value.try_extract_tensor::<f32>()?;
                self.values.extend_from_slice(values);
                shape
            }
        };
        self.shape
            .extend(dims.iter().skip(1).map(|dim| *dim as usize));
        Ok(())
    }

    fn check(
        &self,
        index: usize,
        count: usize,
        value: &DynValue,
        adapter: &Adapter,
        model: &str,
    ) -> Result<(), Error> {
        let wrong = |expected: String| Error::OutputShape {
            model: model.to_owned(),
            output: self.name.clone(),
            expected,
            found: one_line(format!("{:?}", value.dtype().tensor_shape())),
        };
        if self.values.len() != count * self.shape.iter().product::<usize>() {
            return Err(wrong(format!("a batch of {count}")));
        }
        let shape: [Option<usize>; 4] = std::array::from_fn(|at| self.shape.get(at).copied());
        let rank = self.shape.len().min(shape.len());
        adapter.check_shape(index, &shape[..rank]).map_err(wrong)
    }
}

/// Commits the session on the providers asked for, or on the best that works where `auto` is asked.
fn commit_wished(
    environment: &Environment,
    card: &Card,
    options: &Options,
) -> Result<(OrtSession, Provider), Error> {
    let wished = &options.providers;
    let Some(first) = wished.first().copied() else {
        return Err(Error::BadOption {
            key: "providers",
            found: "empty".to_owned(),
            expected: "at least one of `tensorrt`, `cuda`, `openvino`, `cpu`, `auto`",
        });
    };
    if !wished.contains(&Provider::Auto) {
        for provider in wished {
            provider.check_compiled_in()?;
        }
        let inner = commit(environment, card, options, wished)?;
        return Ok((inner, first));
    }
    let before_auto = wished.iter().take_while(|p| **p != Provider::Auto);
    let candidates =
        before_auto
            .copied()
            .chain([Provider::TensorRt, Provider::Cuda, Provider::OpenVino]);
    for provider in candidates.filter(|p| *p != Provider::Cpu) {
        let tried = provider
            .check_compiled_in()
            .and_then(|()| commit(environment, card, options, &[provider, Provider::Cpu]));
        match tried {
            Ok(inner) => return Ok((inner, provider)),
            Err(Error::ProviderMissing { reason, .. }) => {
                tracing::info!(
                    model = card.name,
                    provider = provider.name(),
                    reason,
                    "execution provider passed over"
                );
            }
            Err(fault) => return Err(fault),
        }
    }
    let inner = commit(environment, card, options, &[Provider::Cpu])?;
    Ok((inner, Provider::Cpu))
}

fn commit(
    environment: &Environment,
    card: &Card,
    options: &Options,
    providers: &[Provider],
) -> Result<OrtSession, Error> {
    let refused = |reason: String| Error::Session {
        path: card.model_path.clone(),
        reason,
    };
    let build = || -> Result<SessionBuilder, String> {
        let builder = OrtSession::builder(environment).map_err(one_line)?;
        let builder = builder
            .with_intra_threads(options.intra_threads.get())
            .map_err(one_line)?;
        let builder = builder.with_inter_threads(1).map_err(one_line)?;
        // A spinning pool would take the other cores from decoders between two runs.
        let builder = builder.with_intra_op_spinning(false).map_err(one_line)?;
        if providers.contains(&Provider::Cpu) {
            Ok(builder)
        } else {
            builder.with_disable_cpu_fallback().map_err(one_line)
        }
    };
    let mut builder = build().map_err(refused)?;
    for provider in providers {
        if let Some(dispatch) = provider.dispatch(options.engine_cache.as_deref()) {
            builder = builder
                .with_execution_providers([dispatch])
                .map_err(|fault| provider.missing(fault))?;
        }
    }
    builder
        .commit_from_file(&card.model_path)
        .map_err(|fault| refused(one_line(fault)))
}
