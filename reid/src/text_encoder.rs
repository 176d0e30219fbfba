//! From sentences to vectors of the space of pictures.

use std::ops::Deref;
use std::path::Path;

use ndarray::Array2;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{TensorElementType, TensorRef, ValueType};

use crate::Error;
use crate::embedding::Embedding;
use crate::model::Model;
use crate::provider::Options;
use crate::session::{self, EightBits};
use crate::text_card::TextCard;
use crate::tokenizer::{Tokenizer, Tokens};

/// A loaded model that turns sentences into vectors that are compared with those of its picture model. Owned by one thread.
pub struct TextEncoder {
    model: Model<TextCard>,
    words: Tokenizer,
    /// Tokens every run must have, if the file insists on a number.
    fixed_length: Option<usize>,
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
        let words = Tokenizer::read(&card)?;
        let (session, providers) = session::open(
            environment,
            &card.name,
            &card.file,
            options,
            EightBits::Unpacked,
        )?;
        let fixed_length = check(&card, &session)?;
        let mut encoder = Self {
            model: Model::new(card, session, providers)?,
            words,
            fixed_length,
            max_batch: options.max_batch,
        };
        encoder.run_on_words()?;
        tracing::info!(model = %encoder.model_id(), providers = ?encoder.providers(), "text encoder loaded");
        Ok(encoder)
    }

    /// Finds a model that gives no vector at all, or takes fewer tokens than its card says, before the first sentence does.
    fn run_on_words(&mut self) -> Result<(), Error> {
        self.embed(&["a person"])?;
        let most = self.card().most_tokens;
        let longest = self.tokens(&"a ".repeat(most));
        let mut row = Array2::zeros((1, self.dimension()));
        self.run_into(&[longest], &mut row, 0)
            .map_err(|error| match error {
                Error::Run { model, reason } => Error::Mismatch {
                    model,
                    what: "its longest text".into(),
                    found: format!("refused ({reason})"),
                    expected: format!("{most} tokens"),
                },
                other => other,
            })
    }

    /// Turns sentences into vectors: N x D, rows L2-normalised in fp32. A sentence longer than the model reads is cut, with
    /// a warning in the log.
    ///
    /// # Errors
    /// [`Error::Run`] if ONNX Runtime fails, [`Error::BadOutput`] if a row is zero or no number.
    pub fn embed(&mut self, texts: &[&str]) -> Result<Array2<f32>, Error> {
        let mut rows = Array2::zeros((texts.len(), self.dimension()));
        for (part, texts) in texts.chunks(self.max_batch).enumerate() {
            let tokens: Vec<Tokens> = texts.iter().map(|text| self.words.tokens(text)).collect();
            for tokens in tokens.iter().filter(|tokens| tokens.dropped > 0) {
                tracing::warn!(
                    model = %self.model_id(),
                    dropped = tokens.dropped,
                    "a text is longer than the {} tokens that the model reads; its end is left out",
                    self.card().most_tokens
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
        Embedding::new(self.card().pairs_with.clone(), rows.row(0).to_vec())
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
        let longest = tokens.iter().map(|tokens| tokens.ids.len()).max();
        let length = self.fixed_length.or(longest).unwrap_or(0);
        let mut ids = Array2::<i64>::zeros((tokens.len(), length));
        for (mut row, tokens) in ids.outer_iter_mut().zip(tokens) {
            for (target, id) in row.iter_mut().zip(&tokens.ids) {
                *target = *id;
            }
        }
        let input = TensorRef::from_array_view(ids.view()).map_err(self.model.fault())?;
        let count = tokens.len();
        self.model.run_into(input.into(), count, count, rows, first)
    }

    /// The most sentences of one run.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }
}

/// What is known of every loaded model.
impl Deref for TextEncoder {
    type Target = Model<TextCard>;

    fn deref(&self) -> &Self::Target {
        &self.model
    }
}

/// Compares the graph with the card and gives the number of tokens it insists on, if any.
fn check(card: &TextCard, session: &Session) -> Result<Option<usize>, Error> {
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
    let most = i64::try_from(card.most_tokens).unwrap_or(i64::MAX);
    let fixed_length = match input.dtype() {
        ValueType::Tensor {
            ty: TensorElementType::Int64,
            shape,
            ..
        } if shape.len() == 2 && shape[0] < 0 && shape[1] < 0 => None,
        ValueType::Tensor {
            ty: TensorElementType::Int64,
            shape,
            ..
        } if shape.len() == 2 && shape[0] < 0 && shape[1] == most => Some(card.most_tokens),
        other => {
            return Err(fault(
                "the input",
                format!("{other:?}"),
                &format!("int64 of any N x L, or x {most}"),
            ));
        }
    };
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
    Ok(fixed_length)
}
