//! Pictures made ready for the network: on the detector's own thread, or on another one while the detector runs.

use crate::card::InputSpec;
use crate::error::Error;
use crate::letterbox::{Letterbox, Region};
use crate::planes::Planes;
use crate::preprocess::Preprocessor;

/// A batch tensor (N x 3 x H x W) with some of its slots written, and where each of them lies in its frame.
#[derive(Debug)]
pub struct Prepared {
    values: Vec<f32>,
    shape: [usize; 4],
    letterboxes: Vec<Letterbox>,
}

impl Prepared {
    pub(crate) fn new(shape: [usize; 4]) -> Self {
        Self {
            values: vec![0.0; shape.iter().product()],
            shape,
            letterboxes: Vec::with_capacity(shape[0]),
        }
    }

    /// Slots that were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.letterboxes.len()
    }

    /// Whether no slot was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letterboxes.is_empty()
    }

    /// The whole tensor, row-major.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn shape(&self) -> [usize; 4] {
        self.shape
    }

    pub(crate) fn letterbox(&self, slot: usize) -> Option<&Letterbox> {
        self.letterboxes.get(slot)
    }

    pub(crate) fn clear(&mut self) {
        self.letterboxes.clear();
    }
}

/// Writes pictures into batch tensors of one detector. It may live on another thread than the detector.
pub struct Preparer {
    preprocessor: Preprocessor,
    shape: [usize; 4],
}

impl Preparer {
    pub(crate) fn new(input: &InputSpec, shape: [usize; 4]) -> Self {
        Self {
            preprocessor: Preprocessor::new(input),
            shape,
        }
    }

    /// An empty batch of the detector's shape, to be filled again and again.
    #[must_use]
    pub fn batch(&self) -> Prepared {
        Prepared::new(self.shape)
    }

    /// Writes whole pictures, from the first slot on.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] or [`Error::Planes`].
    pub fn prepare(&mut self, pictures: &[Planes<'_>], batch: &mut Prepared) -> Result<(), Error> {
        if pictures.len() > self.shape[0] {
            return Err(Error::BatchTooLarge {
                found: pictures.len(),
                limit: self.shape[0],
            });
        }
        batch.clear();
        for (index, planes) in pictures.iter().enumerate() {
            let whole = whole_of(index, planes)?;
            self.write(index, planes, whole, batch)?;
        }
        Ok(())
    }

    /// Writes a part of the `picture`th picture, whose planes were checked, into the next slot.
    pub(crate) fn write(
        &mut self,
        picture: usize,
        planes: &Planes<'_>,
        region: Region,
        batch: &mut Prepared,
    ) -> Result<(), Error> {
        let len = self.shape[1] * self.shape[2] * self.shape[3];
        let at = batch.letterboxes.len() * len;
        let letterbox = self
            .preprocessor
            .write(planes, region, &mut batch.values[at..at + len])
            .map_err(|reason| Error::Planes {
                index: picture,
                reason,
            })?;
        batch.letterboxes.push(letterbox);
        Ok(())
    }
}

/// The region of a whole picture whose planes make sense.
pub(crate) fn whole_of(index: usize, planes: &Planes<'_>) -> Result<Region, Error> {
    match planes.fault() {
        Some(reason) => Err(Error::Planes { index, reason }),
        None => Ok(Region::whole(planes.width() as u32, planes.height() as u32)),
    }
}
