//! Protobuf fields, read without copying and written back.

use super::Error;

/// One field of a message: its number, its value, and its bytes with the tag, to be copied as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
    pub(super) raw: &'a [u8],
}

/// The value of a field by wire type; groups are not in use in ONNX.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Field<'a> {
    /// The bytes of field `number`, if this is it.
    pub(super) fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) if self.number == number => Some(bytes),
            _ => None,
        }
    }

    /// The number in field `number`, if this is it.
    pub(super) fn varint(&self, number: u64) -> Option<u64> {
        match self.value {
            Value::Varint(value) if self.number == number => Some(value),
            _ => None,
        }
    }
}

/// Reads the fields of one message in order; stops at the first fault.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    message: &'static str,
}

impl<'a> Fields<'a> {
    /// `message` names what is read, for the error.
    pub(super) fn new(bytes: &'a [u8], message: &'static str) -> Self {
        Self {
            rest: bytes,
            message,
        }
    }

    fn read(&mut self) -> Result<Field<'a>, &'static str> {
        let start = self.rest;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return Err("a field number out of range");
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length =
                    usize::try_from(self.varint()?).map_err(|_| "a length out of range")?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            _ => return Err("an unknown wire type"),
        };
        let raw = &start[..start.len() - self.rest.len()];
        Ok(Field { number, value, raw })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or("a field longer than what is left")?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let (value, length) = decode_varint(self.rest)?;
        self.rest = &self.rest[length..];
        Ok(value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        let message = self.message;
        Some(read.map_err(|reason| Error::Wire { message, reason }))
    }
}

/// The number at the start of `bytes` and how many bytes it takes.
fn decode_varint(bytes: &[u8]) -> Result<(u64, usize), &'static str> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return Err("a number of more than 64 bits");
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    Err("a number without an end")
}

/// All numbers of a packed field, at most `max` of them.
pub(super) fn packed(
    mut bytes: &[u8],
    max: usize,
    message: &'static str,
) -> Result<Vec<u64>, Error> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let (value, length) =
            decode_varint(bytes).map_err(|reason| Error::Wire { message, reason })?;
        if values.len() == max {
            return Err(Error::Wire {
                message,
                reason: "too many numbers",
            });
        }
        values.push(value);
        bytes = &bytes[length..];
    }
    Ok(values)
}

/// Appends a number to `out` as protobuf writes it.
fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends field `number` with a number in it.
pub(super) fn put_varint(out: &mut Vec<u8>, number: u64, value: u64) {
    put_number(out, number << 3);
    put_number(out, value);
}

/// Appends field `number` with bytes in it.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_number(out, number << 3 | 2);
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends field `number` with an fp32 value in it.
pub(super) fn put_float(out: &mut Vec<u8>, number: u64, value: f32) {
    put_number(out, number << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_of_too_many_bits_is_refused() {
        assert_eq!(decode_varint(&[0xff; 9]), Err("a number without an end"));
        assert_eq!(
            decode_varint(&[0xff; 11]),
            Err("a number of more than 64 bits")
        );
        let mut largest = vec![0xff; 9];
        largest.push(1);
        assert_eq!(decode_varint(&largest), Ok((u64::MAX, 10)));
    }

    proptest! {
        #[test]
        fn written_fields_are_read_back(number in 1_u64..0x1fff_ffff, value: u64, bytes: Vec<u8>, float: f32) {
            let mut out = Vec::new();
            put_varint(&mut out, number, value);
            put_bytes(&mut out, number, &bytes);
            put_float(&mut out, number, float);
            let fields: Vec<_> = Fields::new(&out, "test").collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(fields[0].varint(number), Some(value));
            prop_assert_eq!(fields[1].bytes(number), Some(&bytes[..]));
            prop_assert!(matches!(fields[2].value, Value::Fixed32));
            prop_assert_eq!(fields.iter().flat_map(|field| field.raw).copied().collect::<Vec<_>>(), out);
        }

        #[test]
        fn any_bytes_end_in_fields_or_one_error(bytes: Vec<u8>) {
            let mut read = 0;
            for field in Fields::new(&bytes, "test") {
                match field {
                    Ok(field) => read += field.raw.len(),
                    Err(_) => read = bytes.len(),
                }
            }
            prop_assert_eq!(read, bytes.len());
        }
    }
}
