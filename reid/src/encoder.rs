//! From crops to vectors: one session, one batch tensor.

use std::ops::Deref;
use std::path::Path;

use ndarray::{Array2, Array4, ArrayView4, ArrayViewMut1};
use ort::environment::Environment;

use crate::Error;
use crate::card::{Batch, Card};
use crate::embedding::Embedding;
use crate::memory::{Key, Memory};
use crate::model::Model;
use crate::planes::Crop;
use crate::preprocess::Preprocessor;
use crate::provider::Options;
use crate::session;
use crate::tensor::BatchTensor;

/// A loaded model that turns crops of persons into vectors. Owned by one thread; all memory is taken at load.
pub struct ImageEncoder {
    model: Model<Card>,
    preprocessor: Preprocessor,
    batch: BatchTensor,
    /// Pictures every run must have, if the model's batch is fixed.
    fixed_batch: Option<usize>,
    /// Pictures written by the last `preprocess`.
    written: usize,
    /// Vectors of the crops before, where [`ImageEncoder::remember`] asked for it.
    memory: Option<Memory>,
    /// Crops that no run was needed for.
    recalled: u64,
}

impl ImageEncoder {
    /// Loads the model in `folder` (`model.toml` beside the file it names) and runs it once on noise.
    ///
    /// # Errors
    /// One line for each of: no card or a bad one, another file than the card's, shapes or number formats other than
    /// the card's, a provider that was asked for and is missing, a model whose output is no vector.
    pub fn load(
        environment: &Environment,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Error> {
        let card = Card::read(folder)?;
        card.check_file()?;
        Self::load_card(environment, card, options)
    }

    fn load_card(environment: &Environment, card: Card, options: &Options) -> Result<Self, Error> {
        let loaded = session::load(environment, &card, options)?;
        let capacity = match loaded.fixed_batch {
            Some(count) => count,
            None => options.max_batch,
        };
        let mut encoder = Self {
            preprocessor: Preprocessor::new(&card.input),
            batch: BatchTensor::new(&card.input, capacity),
            model: Model::new(card, loaded.session, loaded.providers)?,
            fixed_batch: loaded.fixed_batch,
            written: 0,
            memory: None,
            recalled: 0,
        };
        encoder.run_on_noise()?;
        tracing::info!(model = %encoder.model_id(), providers = ?encoder.providers(), capacity, "image encoder loaded");
        Ok(encoder)
    }

    /// Finds a model that gives no vector at all before the first person does.
    fn run_on_noise(&mut self) -> Result<(), Error> {
        let input = &self.card().input;
        let mut state = 0x2545_f491_u32;
        let noise = Array4::from_shape_simple_fn((1, 3, input.height, input.width), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [.., byte] = state.to_be_bytes().map(f32::from);
            (byte * input.scale - input.mean[0]) / input.std[0]
        });
        self.run_tensor(&noise.view())?;
        self.written = 0;
        Ok(())
    }

    /// Turns crops into vectors: N x D, rows L2-normalised in fp32, in the order of the crops.
    ///
    /// Goes through as many batches as it takes; a fixed batch is filled up with black. Crops whose pixels it
    /// [remembers](ImageEncoder::remember) are in none of them.
    ///
    /// # Errors
    /// [`Error::Crop`] if a crop is not finite or outside its picture, [`Error::Run`] if ONNX Runtime fails,
    /// [`Error::BadOutput`] if a row is zero or no number.
    pub fn embed(&mut self, crops: &[Crop<'_>]) -> Result<Array2<f32>, Error> {
        let mut rows = Array2::zeros((crops.len(), self.dimension()));
        let mut waiting = Vec::with_capacity(self.batch.capacity());
        for (index, crop) in crops.iter().enumerate() {
            let preprocessor = &mut self.preprocessor;
            self.batch
                .fill(waiting.len(), |out| preprocessor.write(crop, out))
                .map_err(|reason| Error::Crop { index, reason })?;
            let key = self.memory.as_ref().map(|_| preprocessor.key(&crop.planes));
            if self.recall(key.as_ref(), rows.row_mut(index)) {
                self.recalled += 1;
            } else {
                waiting.push((index, key));
            }
            if waiting.len() == self.batch.capacity() {
                self.embed_waiting(&mut waiting, &mut rows)?;
            }
        }
        self.embed_waiting(&mut waiting, &mut rows)?;
        Ok(rows)
    }

    /// From now on keeps the vectors of the last `vectors` crops and embeds the same pixels once; 0 forgets. Whether a vector
    /// comes from a batch of one or of many may change its last bits, so whatever is to give the same bits twice does without.
    pub fn remember(&mut self, vectors: usize) {
        self.memory = (vectors > 0).then(|| Memory::new(vectors, self.dimension()));
    }

    /// Crops whose vector was remembered, since the model was loaded.
    #[must_use]
    pub fn recalled(&self) -> u64 {
        self.recalled
    }

    /// Copies the vector of a crop that is remembered; false when there is none.
    fn recall(&self, key: Option<&Key>, row: ArrayViewMut1<'_, f32>) -> bool {
        let known = self.memory.as_ref().zip(key);
        known.is_some_and(|(memory, key)| memory.recall(key, row))
    }

    /// Runs the crops in the batch, each to its row.
    fn embed_waiting(
        &mut self,
        waiting: &mut Vec<(usize, Option<Key>)>,
        rows: &mut Array2<f32>,
    ) -> Result<(), Error> {
        if waiting.is_empty() {
            return Ok(());
        }
        self.close_batch(waiting.len());
        let made = self.run()?;
        for ((index, key), row) in waiting.drain(..).zip(made.outer_iter()) {
            rows.row_mut(index).assign(&row);
            if let Some((memory, key)) = self.memory.as_mut().zip(key) {
                memory.keep(key, &row);
            }
        }
        Ok(())
    }

    /// The first `count` pictures of the batch are written; a fixed one is filled up with black.
    fn close_batch(&mut self, count: usize) {
        if self.fixed_batch.is_some() {
            self.batch.clear_from(count);
        }
        self.written = count;
    }

    /// As [`ImageEncoder::embed`], each row with the id of its model.
    ///
    /// # Errors
    /// As [`ImageEncoder::embed`].
    pub fn embeddings(&mut self, crops: &[Crop<'_>]) -> Result<Vec<Embedding>, Error> {
        let rows = self.embed(crops)?;
        rows.outer_iter()
            .map(|row| Embedding::new(self.model_id().clone(), row.to_vec()))
            .collect()
    }

    /// First stage alone: writes at most [`ImageEncoder::max_batch`] crops into the batch tensor.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`], [`Error::Crop`].
    pub fn preprocess(&mut self, crops: &[Crop<'_>]) -> Result<(), Error> {
        self.written = 0;
        self.check_room(crops.len())?;
        for (index, crop) in crops.iter().enumerate() {
            self.batch
                .fill(index, |out| self.preprocessor.write(crop, out))
                .map_err(|reason| Error::Crop { index, reason })?;
        }
        self.close_batch(crops.len());
        Ok(())
    }

    /// Second stage alone: vectors of the crops written last, N x D, rows L2-normalised.
    ///
    /// # Errors
    /// [`Error::Run`], [`Error::BadOutput`].
    pub fn run(&mut self) -> Result<Array2<f32>, Error> {
        let mut rows = Array2::zeros((self.written, self.dimension()));
        if self.written > 0 {
            let count = self.fixed_batch.unwrap_or(self.written);
            let input = self.batch.as_input(count).map_err(self.model.fault())?;
            self.model
                .run_into(input, count, self.written, &mut rows, 0)?;
        }
        Ok(rows)
    }

    /// Vectors of pictures that somebody else prepared: N x 3 x H x W, already normalised as the card says.
    ///
    /// # Errors
    /// [`Error::Mismatch`] on another size, else as [`ImageEncoder::preprocess`] and [`ImageEncoder::run`].
    pub fn run_tensor(&mut self, pictures: &ArrayView4<'_, f32>) -> Result<Array2<f32>, Error> {
        self.written = 0;
        let [_, planes, height, width] = self.input_shape();
        let (count, ..) = pictures.dim();
        if pictures.dim() != (count, planes, height, width) {
            return Err(Error::Mismatch {
                model: self.card().name.clone(),
                what: "shape of the pictures handed in".into(),
                found: format!("{:?}", pictures.shape()),
                expected: format!("[{count}, {planes}, {height}, {width}]"),
            });
        }
        self.check_room(count)?;
        self.batch.set(pictures);
        self.close_batch(count);
        self.run()
    }

    /// A copy in fp32 of what the model sees of the crops written last: N x 3 x H x W.
    #[must_use]
    pub fn batch(&self) -> Array4<f32> {
        self.batch.to_array(self.written)
    }

    fn check_room(&self, count: usize) -> Result<(), Error> {
        let max = self.batch.capacity();
        if count > max {
            return Err(Error::BatchTooLarge { count, max });
        }
        Ok(())
    }

    /// Shape of the batch tensor: largest batch, 3, height, width.
    #[must_use]
    pub fn input_shape(&self) -> [usize; 4] {
        [
            self.batch.capacity(),
            3,
            self.card().input.height,
            self.card().input.width,
        ]
    }

    /// The most crops of one run.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.batch.capacity()
    }

    /// Whether the model takes exactly [`ImageEncoder::max_batch`] pictures a run.
    #[must_use]
    pub fn is_batch_fixed(&self) -> bool {
        matches!(self.card().input.batch, Batch::Fixed(_))
    }
}

/// What is known of every loaded model.
impl Deref for ImageEncoder {
    type Target = Model<Card>;

    fn deref(&self) -> &Self::Target {
        &self.model
    }
}
