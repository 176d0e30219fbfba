//! The batch tensor: N x 3 x height x width, in the number format of the model, taken once and reused.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{Array4, ArrayView4};
use ort::session::SessionInputValue;
use ort::value::TensorRef;

use crate::card::{Input, Precision};

/// Room for a number of pictures, and the values of those written last.
pub(crate) struct BatchTensor {
    values: Values,
    /// Height and width of a picture.
    size: [usize; 2],
    capacity: usize,
}

enum Values {
    Fp32(Vec<f32>),
    /// A picture is made in fp32 first, in the second part.
    Fp16(Vec<f16>, Vec<f32>),
}

impl BatchTensor {
    pub(crate) fn new(input: &Input, capacity: usize) -> Self {
        let picture = 3 * input.height * input.width;
        let values = match input.precision {
            Precision::Fp32 => Values::Fp32(vec![0.0; picture * capacity]),
            Precision::Fp16 => {
                Values::Fp16(vec![f16::ZERO; picture * capacity], vec![0.0; picture])
            }
        };
        Self {
            values,
            size: [input.height, input.width],
            capacity,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    fn picture_len(&self) -> usize {
        3 * self.size[0] * self.size[1]
    }

    /// Lets `write` fill picture `index` with fp32 values.
    pub(crate) fn fill<E>(
        &mut self,
        index: usize,
        write: impl FnOnce(&mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let picture = self.picture_len();
        let range = index * picture..(index + 1) * picture;
        match &mut self.values {
            Values::Fp32(values) => write(&mut values[range]),
            Values::Fp16(values, scratch) => {
                write(scratch)?;
                values[range].convert_from_f32_slice(scratch);
                Ok(())
            }
        }
    }

    /// Blackens pictures from `from` on, so that the rest of a fixed batch holds nothing of an earlier one.
    pub(crate) fn clear_from(&mut self, from: usize) {
        let start = from * self.picture_len();
        match &mut self.values {
            Values::Fp32(values) => values[start..].fill(0.0),
            Values::Fp16(values, _) => values[start..].fill(f16::ZERO),
        }
    }

    /// The first `count` pictures as an input of the session.
    pub(crate) fn as_input(&self, count: usize) -> ort::Result<SessionInputValue<'_>> {
        let shape = [count, 3, self.size[0], self.size[1]];
        let len = count * self.picture_len();
        Ok(match &self.values {
            Values::Fp32(values) => TensorRef::from_array_view((shape, &values[..len]))?.into(),
            Values::Fp16(values, _) => TensorRef::from_array_view((shape, &values[..len]))?.into(),
        })
    }

    /// A copy of the first `count` pictures in fp32.
    pub(crate) fn to_array(&self, count: usize) -> Array4<f32> {
        let [height, width] = self.size;
        let shape = (count, 3, height, width);
        let len = count * self.picture_len();
        let mut copy = Array4::zeros(shape);
        if let Some(target) = copy.as_slice_mut() {
            match &self.values {
                Values::Fp32(values) => target.copy_from_slice(&values[..len]),
                Values::Fp16(values, _) => values[..len].convert_to_f32_slice(target),
            }
        }
        copy
    }

    /// Copies pictures in; their shape has been checked.
    pub(crate) fn set(&mut self, pictures: &ArrayView4<'_, f32>) {
        for (index, picture) in pictures.outer_iter().enumerate() {
            let copied: Result<(), std::convert::Infallible> = self.fill(index, |target| {
                for (target, &value) in target.iter_mut().zip(picture.iter()) {
                    *target = value;
                }
                Ok(())
            });
            match copied {
                Ok(()) => {}
                Err(never) => match never {},
            }
        }
    }
}
