//! The encoders of the field as the encoders of queries.

use ndarray::{ArrayView1, ArrayView3};
use sightline_reid::{Calibration, Crop, Embedding, ImageEncoder, Planes, TextEncoder};

use crate::Error;
use crate::clauses::clauses;
use crate::encode::{ClauseVector, EncodeQuery, QueryVector};
use crate::error::one_line;
use crate::picture::Picture;
use crate::words::Words;

/// How far what a person does not have pushes away, against what they look like: as far as it lowers how often somebody who
/// has it comes first, at little cost to finding the right one (docs/accuracy.md). `sightline_training.denials` has it too.
const NOT_WEIGHT: f32 = 0.25;

/// Why pictures and tracks have no probabilities.
pub(crate) const NO_PICTURE_TABLE: &str =
    "no table says what likenesses between pictures are worth";

/// The models that queries need, each where it is loaded.
#[derive(Default)]
pub struct QueryEncoders {
    /// Pictures of persons, compared with pictures.
    pub appearance: Option<ImageEncoder>,
    /// Pictures of persons, compared with sentences too.
    pub joint: Option<ImageEncoder>,
    /// Sentences.
    pub text: Option<TextEncoder>,
}

impl QueryEncoders {
    /// What similarities of sentences are worth, where the model's card says.
    fn calibration(&self) -> Option<Calibration> {
        self.text.as_ref()?.card().calibration.clone()
    }

    /// The clauses of a description, each by itself.
    fn clauses(&mut self, words: &Words) -> Result<Vec<ClauseVector>, Error> {
        let encoder = self.text.as_mut().ok_or_else(Error::text_not_installed)?;
        let texts = clauses(words);
        let parts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = encoder.embed(&parts).map_err(|error| failed(&error))?;
        let clause = |(text, row): (String, ArrayView1<'_, f32>)| ClauseVector {
            text,
            values: row.to_vec(),
        };
        Ok(texts
            .into_iter()
            .zip(rows.outer_iter())
            .map(clause)
            .collect())
    }

    fn described(&mut self, words: &Words) -> Result<(Vec<f32>, Embedding, Vec<String>), Error> {
        let encoder = self.text.as_mut().ok_or_else(Error::text_not_installed)?;
        let mut notes = Vec::new();
        let cut = encoder.tokens(&words.text).dropped;
        if cut > 0 {
            notes.push(format!(
                "the text is longer than the model reads: its last {cut} tokens were left out"
            ));
        }
        let text = encoder
            .embedding(&words.text)
            .map_err(|error| failed(&error))?;
        let mut values = text.values().to_vec();
        if !words.not.is_empty() {
            notes.push(format!(
                "looked for `{}`, without: {}",
                words.text,
                words.not.join(", ")
            ));
        }
        // Things that are denied are alike, and together they would drown what the person looks like.
        let weight =
            NOT_WEIGHT / f32::from(u16::try_from(words.not.len()).unwrap_or(u16::MAX)).sqrt();
        for thing in &words.not {
            let has = encoder.embedding(thing).map_err(|error| failed(&error))?;
            let lacks = encoder
                .embedding(&format!("no {thing}"))
                .map_err(|error| failed(&error))?;
            for ((value, lacks), has) in values.iter_mut().zip(lacks.values()).zip(has.values()) {
                *value += weight * (lacks - has);
            }
        }
        Ok((values, text, notes))
    }
}

impl EncodeQuery for QueryEncoders {
    fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error> {
        let encoder = self.appearance.as_mut().ok_or_else(|| {
            Error::NotInstalled(
                "picture search needs an appearance model, and none is loaded; search by --track"
                    .into(),
            )
        })?;
        let embedding = look_at(encoder, picture)?;
        Ok(QueryVector {
            name: encoder.vector_name().to_owned(),
            model: embedding.model().to_string(),
            values: embedding.values().to_vec(),
            why_uncalibrated: NO_PICTURE_TABLE,
            ..QueryVector::default()
        })
    }

    fn encode_words(
        &mut self,
        words: &Words,
        picture: Option<&Picture>,
    ) -> Result<QueryVector, Error> {
        let (mut values, text, notes) = self.described(words)?;
        if let Some(picture) = picture {
            let encoder = self.joint.as_mut().ok_or_else(Error::text_not_installed)?;
            let seen = look_at(encoder, picture)?;
            // Refuses a picture model that is not the sentence's own.
            text.similarity(&seen).map_err(|error| failed(&error))?;
            for (value, seen) in values.iter_mut().zip(seen.values()) {
                *value += seen;
            }
        }
        let name = self.text.as_ref().map(|text| text.card().vector.clone());
        let mixed = Embedding::new(text.model().clone(), values).map_err(|error| failed(&error))?;
        let (calibration, why_uncalibrated) = match self.calibration() {
            _ if picture.is_some() => (
                None,
                "the table was measured on sentences without a picture beside them",
            ),
            _ if !words.not.is_empty() => (
                None,
                "the table was measured on sentences that deny nothing",
            ),
            None => (None, "the text model's card has no table"),
            table => (table, ""),
        };
        Ok(QueryVector {
            name: name.unwrap_or_default(),
            model: mixed.model().to_string(),
            values: mixed.values().to_vec(),
            notes,
            calibration,
            why_uncalibrated,
            clauses: self.clauses(words)?,
            clause_table: self
                .text
                .as_ref()
                .and_then(|text| text.card().clauses.clone()),
        })
    }

    fn reads_text(&self) -> bool {
        self.text.is_some()
    }
}

fn failed(reason: &dyn std::fmt::Display) -> Error {
    Error::Store(one_line(&format!("cannot encode the question: {reason}")))
}

fn look_at(encoder: &mut ImageEncoder, picture: &Picture) -> Result<Embedding, Error> {
    let shape = (picture.height, picture.width, 3);
    let pixels = ArrayView3::from_shape(shape, &picture.rgb).map_err(|error| failed(&error))?;
    let crop = Crop::whole(Planes::Rgb(pixels));
    let mut embeddings = encoder
        .embeddings(&[crop])
        .map_err(|error| failed(&error))?;
    embeddings
        .pop()
        .ok_or_else(|| failed(&"the model gave no vector"))
}
