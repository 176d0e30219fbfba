//! A loaded model of either kind: its card, its id, its session, and rows out of it.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::Array2;
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

use crate::Error;
use crate::embedding::{ModelId, normalise};
use crate::error::one_line;
use crate::provider::Provider;

/// What the card of an encoder says of its file and its vectors.
pub trait EncoderCard {
    /// Name of the model and of its folder.
    fn name(&self) -> &str;
    /// Digest of the model file, lowercase hex.
    fn sha256(&self) -> &str;
    /// Name of the graph input.
    fn input(&self) -> &str;
    /// Name of the graph output: N x dimension.
    fn output(&self) -> &str;
    /// Name of the vector on the wire and in the store.
    fn vector(&self) -> &str;
    /// Values a vector.
    fn dimension(&self) -> usize;
}

/// A model that is what its card says. Encoders of pictures and of sentences are one each.
pub struct Model<C> {
    card: C,
    id: ModelId,
    providers: Vec<Provider>,
    session: Session,
}

impl<C: EncoderCard> Model<C> {
    pub(crate) fn new(card: C, session: Session, providers: Vec<Provider>) -> Result<Self, Error> {
        Ok(Self {
            id: ModelId::new(card.name(), card.sha256())?,
            card,
            providers,
            session,
        })
    }

    /// Name and digest of the model: `<name>@<12 hex>`.
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        &self.id
    }

    /// Values a vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.card.dimension()
    }

    /// Name of the vector in the store, for example `appearance`.
    #[must_use]
    pub fn vector_name(&self) -> &str {
        self.card.vector()
    }

    /// Providers that were taken, best first.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &C {
        &self.card
    }

    pub(crate) fn fault(&self) -> impl Fn(ort::Error) -> Error + use<C> {
        let model = self.card.name().to_owned();
        move |error| Error::Run {
            model: model.clone(),
            reason: one_line(&error),
        }
    }

    /// Runs a batch of `count` and puts its first `kept` rows, of length one, into `rows` from row `first` on.
    pub(crate) fn run_into(
        &mut self,
        input: SessionInputValue<'_>,
        count: usize,
        kept: usize,
        rows: &mut Array2<f32>,
        first: usize,
    ) -> Result<(), Error> {
        let fault = self.fault();
        let Self {
            card, session, id, ..
        } = self;
        let outputs = session.run(vec![(card.input(), input)]).map_err(&fault)?;
        let output = outputs.get(card.output()).ok_or_else(|| Error::Run {
            model: card.name().to_owned(),
            reason: format!("there is no output `{}`", card.output()),
        })?;
        let expected = [count, card.dimension()].map(|size| i64::try_from(size).unwrap_or(-1));
        if **output.shape() != expected {
            return Err(Error::Mismatch {
                model: card.name().to_owned(),
                what: format!("shape of output `{}`", card.output()),
                found: output.shape().to_string(),
                expected: format!("{expected:?}"),
            });
        }
        copy_rows(output, rows, first, kept).map_err(&fault)?;
        for row in 0..kept {
            let mut target = rows.row_mut(first + row);
            let bad = |reason| Error::BadOutput {
                model: id.to_string(),
                row,
                reason,
            };
            let values = target
                .as_slice_mut()
                .ok_or_else(|| bad("is not contiguous"))?;
            normalise(values).map_err(bad)?;
        }
        Ok(())
    }
}

/// Copies the first `count` rows of an output of either number format.
fn copy_rows(
    output: &DynValue,
    rows: &mut Array2<f32>,
    first: usize,
    count: usize,
) -> ort::Result<()> {
    let dimension = rows.ncols();
    let Some(target) = rows.as_slice_mut() else {
        return Err(ort::Error::new("rows are not contiguous"));
    };
    let target = &mut target[first * dimension..(first + count) * dimension];
    if let Ok((_, values)) = output.try_extract_tensor::<f32>() {
        target.copy_from_slice(&values[..target.len()]);
    } else {
        let (_, values) = output.try_extract_tensor::<f16>()?;
        values[..target.len()].convert_to_f32_slice(target);
    }
    Ok(())
}
