//! From sentences to vectors of the space of pictures.

use std::path::Path;

use ndarray::Array2;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{TensorElementType, TensorRef, ValueType};

use crate::Error;
use crate::embedding::{Embedding, ModelId, normalise};
use crate::error::one_line;
use crate::provider::{Options, Provider};
use crate::session;
use crate::text_card::TextCard;
use crate::wordpiece::{Tokens, WordPiece};

/// A loaded model that turns sentences into vectors that are compared with those of its picture model. Owned by one thread.
pub struct TextEncoder {
    card: TextCard,
    id: ModelId,
    providers: Vec<Provider>,
    session: Session,
    words: WordPiece,
    max_batch: usize,
}

impl TextEncoder {
    /// Loads the model in `folder` (`model.toml` beside the files it names) and runs it once.
    ///
    /// # Errors
    /// One line for each of: no card or a bad one, other files than the card's, inputs or outputs other than the card's,
    /// a provider that was asked for and is missing, a model whose output is no vector.
    pub fn load(
        environment: &Environment,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Error> {
        let card = TextCard::read(folder)?;
        card.check_files()?;
        let words = WordPiece::read(&card.vocabulary, card.most_tokens)?;
        let (session, providers) = session::open(environment, &card.name, &card.file, options)?;
        check(&card, &session)?;
        let mut encoder = Self {
            id: ModelId::new(&card.name, &card.sha256)?,
            card,
            providers,
            session,
            words,
            max_batch: options.max_batch,
        };
        encoder.embed(&["a person", "somebody in a red coat"])?;
        tracing::info!(model = %encoder.id, providers = ?encoder.providers, "text encoder loaded");
        Ok(encoder)
    }

    /// Turns sentences into vectors: N x D, rows L2-normalised in fp32. A sentence longer than the model reads is cut, with
    /// a warning in the log.
    ///
    /// # Errors
    /// [`Error::Run`] if ONNX Runtime fails, [`Error::BadOutput`] if a row is zero or no number.
    pub fn embed(&mut self, texts: &[&str]) -> Result<Array2<f32>, Error> {
        let mut rows = Array2::zeros((texts.len(), self.card.dimension));
        for (part, texts) in texts.chunks(self.max_batch).enumerate() {
            let tokens: Vec<Tokens> = texts.iter().map(|text| self.words.tokens(text)).collect();
            for tokens in tokens.iter().filter(|tokens| tokens.dropped > 0) {
                tracing::warn!(
                    model = %self.id,
                    dropped = tokens.dropped,
                    "a text is longer than the {} tokens that the model reads; its end is left out",
                    self.card.most_tokens
                );
            }
            self.run_into(&tokens, &mut rows, part * self.max_batch)?;
        }
        Ok(rows)
    }

    /// One sentence as a vector that knows the picture model it is compared with.
    ///
    /// # Errors
    /// As [`TextEncoder::embed`].
    pub fn embedding(&mut self, text: &str) -> Result<Embedding, Error> {
        let rows = self.embed(&[text])?;
        Embedding::new(self.card.pairs_with.clone(), rows.row(0).to_vec())
    }

    /// The tokens of a text, for those who want to tell what was cut off.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Tokens {
        self.words.tokens(text)
    }

    fn run_into(
        &mut self,
        tokens: &[Tokens],
        rows: &mut Array2<f32>,
        first: usize,
    ) -> Result<(), Error> {
        let model = &self.card.name;
        let fault = |error: ort::Error| Error::Run {
            model: model.clone(),
            reason: one_line(&error),
        };
        let longest = tokens
            .iter()
            .map(|tokens| tokens.ids.len())
            .max()
            .unwrap_or(0);
        let mut ids = Array2::<i64>::zeros((tokens.len(), longest));
        for (mut row, tokens) in ids.outer_iter_mut().zip(tokens) {
            for (target, id) in row.iter_mut().zip(&tokens.ids) {
                *target = *id;
            }
        }
        let input = TensorRef::from_array_view(ids.view()).map_err(fault)?;
        let outputs = self
            .session
            .run(vec![(self.card.input.as_str(), input)])
            .map_err(fault)?;
        let output = outputs.get(&self.card.output).ok_or_else(|| Error::Run {
            model: model.clone(),
            reason: format!("there is no output `{}`", self.card.output),
        })?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(fault)?;
        let dimension = self.card.dimension;
        if values.len() != tokens.len() * dimension {
            return Err(Error::Mismatch {
                model: model.clone(),
                what: format!("shape of output `{}`", self.card.output),
                found: output.shape().to_string(),
                expected: format!("[{}, {dimension}]", tokens.len()),
            });
        }
        for (row, values) in values.chunks_exact(dimension).enumerate() {
            let mut values = values.to_vec();
            normalise(&mut values).map_err(|reason| Error::BadOutput {
                model: self.id.to_string(),
                row,
                reason,
            })?;
            for (target, value) in rows.row_mut(first + row).iter_mut().zip(values) {
                *target = value;
            }
        }
        Ok(())
    }

    /// Name and digest of this model: `<name>@<12 hex>`.
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        &self.id
    }

    /// Values a vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.card.dimension
    }

    /// Providers that were taken, best first.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The most sentences of one run.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &TextCard {
        &self.card
    }
}

/// Compares the graph with the card.
fn check(card: &TextCard, session: &Session) -> Result<(), Error> {
    let fault = |what: &str, found: String, expected: &str| Error::Mismatch {
        model: card.name.clone(),
        what: what.into(),
        found,
        expected: expected.into(),
    };
    let (inputs, outputs) = (session.inputs(), session.outputs());
    let [input] = inputs else {
        return Err(fault("number of inputs", inputs.len().to_string(), "one"));
    };
    if input.name() != card.input {
        return Err(fault(
            "name of the input",
            format!("`{}`", input.name()),
            &format!("`{}`", card.input),
        ));
    }
    let is_ids = matches!(input.dtype(), ValueType::Tensor { ty: TensorElementType::Int64, shape, .. } if shape.len() == 2 && shape.iter().all(|size| *size < 0));
    if !is_ids {
        return Err(fault(
            "the input",
            format!("{:?}", input.dtype()),
            "int64 of any N x L",
        ));
    }
    let Some(output) = outputs.iter().find(|output| output.name() == card.output) else {
        return Err(fault(
            "the outputs",
            format!("{} others", outputs.len()),
            &format!("`{}`", card.output),
        ));
    };
    let dimension = i64::try_from(card.dimension).unwrap_or(i64::MAX);
    let is_rows = matches!(output.dtype(), ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } if shape.len() == 2 && (shape[1] == dimension || shape[1] < 0));
    if !is_rows {
        return Err(fault(
            "the output",
            format!("{:?}", output.dtype()),
            &format!("float32 of N x {dimension}"),
        ));
    }
    Ok(())
}
