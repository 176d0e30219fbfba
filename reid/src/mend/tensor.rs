//! Constants of a graph. Field numbers are those of `onnx.proto`.

use super::Error;
use super::wire::{Fields, Value, packed, put_bytes, put_varint};

/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// Longest shape and longest list of axes that is looked at.
pub(super) const MAX_RANK: usize = 16;

/// A constant: its dimensions, and its values if it is a short list of integers.
#[derive(Default)]
pub(super) struct Constant {
    pub(super) dims: Vec<i64>,
    pub(super) shape: Option<Vec<i64>>,
}

/// Name of a tensor, its dimensions, and its values if they are a short list of integers.
pub(super) fn read_tensor(raw: &[u8]) -> Result<(&[u8], Constant), Error> {
    let mut constant = Constant::default();
    let (mut name, mut kind) = (&raw[..0], 0);
    let (mut numbers, mut raw_data) = (Vec::new(), None);
    for field in Fields::new(raw, "a tensor") {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Varint(dim)) if constant.dims.len() < MAX_RANK => {
                constant.dims.push(dim.cast_signed());
            }
            (1, Value::Bytes(dims)) => {
                let dims = packed(dims, MAX_RANK, "dimensions of a tensor")?;
                constant.dims = dims.into_iter().map(u64::cast_signed).collect();
            }
            (2, Value::Varint(found)) => kind = found,
            (7, Value::Varint(value)) if numbers.len() < MAX_RANK => numbers.push(value),
            (7, Value::Bytes(list)) if list.len() <= 10 * MAX_RANK => {
                numbers = packed(list, MAX_RANK, "numbers of a tensor").unwrap_or_default();
            }
            (8, Value::Bytes(found)) => name = found,
            (9, Value::Bytes(found)) => raw_data = Some(found),
            _ => {}
        }
    }
    if kind == INT64 && constant.dims.len() == 1 {
        let values: Vec<i64> = match raw_data {
            Some(bytes) if bytes.len() <= 8 * MAX_RANK => {
                let (chunks, _) = bytes.as_chunks::<8>();
                chunks
                    .iter()
                    .map(|chunk| i64::from_le_bytes(*chunk))
                    .collect()
            }
            Some(_) => Vec::new(),
            None => numbers.into_iter().map(u64::cast_signed).collect(),
        };
        let is_whole = i64::try_from(values.len()).is_ok_and(|count| count == constant.dims[0]);
        constant.shape = is_whole.then_some(values);
    }
    Ok((name, constant))
}

/// A constant list of fp32 values.
pub(super) fn float_tensor(name: &[u8], values: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(name, FLOAT, values.len(), &bytes)
}

/// A constant list of integers.
pub(super) fn int_tensor(name: &[u8], values: &[i64]) -> Vec<u8> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(name, INT64, values.len(), &bytes)
}

fn tensor(name: &[u8], kind: u64, count: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + name.len() + 32);
    put_varint(&mut out, 1, count as u64);
    put_varint(&mut out, 2, kind);
    put_bytes(&mut out, 8, name);
    put_bytes(&mut out, 9, bytes);
    out
}
