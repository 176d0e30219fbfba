//! The encoder of the field as the encoder of picture queries.

use ndarray::ArrayView3;
use sightline_reid::{Crop, ImageEncoder, Planes};

use crate::Error;
use crate::encode::{EncodePicture, QueryVector};
use crate::error::one_line;
use crate::picture::Picture;

impl EncodePicture for ImageEncoder {
    fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error> {
        let failed = |reason: &dyn std::fmt::Display| {
            Error::Store(one_line(&format!("cannot encode the picture: {reason}")))
        };
        let shape = (picture.height, picture.width, 3);
        let pixels = ArrayView3::from_shape(shape, &picture.rgb).map_err(|error| failed(&error))?;
        #[expect(clippy::cast_precision_loss, reason = "a side is at most 4096 pixels")]
        let crop = Crop {
            planes: Planes::Rgb(pixels),
            x0: 0.0,
            y0: 0.0,
            x1: picture.width as f32,
            y1: picture.height as f32,
        };
        let mut embeddings = self.embeddings(&[crop]).map_err(|error| failed(&error))?;
        let embedding = embeddings
            .pop()
            .ok_or_else(|| failed(&"the model gave no vector"))?;
        Ok(QueryVector {
            name: self.vector_name().to_owned(),
            model: embedding.model().to_string(),
            values: embedding.values().to_vec(),
        })
    }
}
