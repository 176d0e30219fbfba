//! How a record lies in a segment, and how the next good one is found after a broken one.
//!
//! `magic u32 | length u32 | sequence u64 | time_ns i64 | crc32c u32 | payload`, little endian. The
//! checksum covers everything but the magic and itself.

use crate::event::MAX_EVENT_BYTES;

/// Bytes before a record's payload.
pub(crate) const HEADER_BYTES: usize = 28;

/// Stands before each record, so that the next one can be found behind a broken one.
const MAGIC: [u8; 4] = [0xf5, b'S', b'L', 0xb1];

/// A record found in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sequence: u64,
    pub(crate) time_ns: i64,
    /// Where the payload starts in the buffer.
    pub(crate) payload_at: usize,
    /// Where the record ends in the buffer.
    pub(crate) end: usize,
}

/// What lies at a place in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    Good(Record),
    /// A record may begin here, and the buffer ends before it does; it needs this many bytes.
    Short(usize),
    Broken,
}

/// Appends a record to `out`.
pub(crate) fn write(out: &mut Vec<u8>, sequence: u64, time_ns: i64, payload: &[u8]) {
    // The encoder refuses larger events, so the length always fits.
    let length = (payload.len() as u32).to_le_bytes();
    let checksum = checksum(length, sequence, time_ns, payload);
    out.reserve(HEADER_BYTES + payload.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&time_ns.to_le_bytes());
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(length: [u8; 4], sequence: u64, time_ns: i64, payload: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&length);
    crc = crc32c::crc32c_append(crc, &sequence.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &time_ns.to_le_bytes());
    crc32c::crc32c_append(crc, payload)
}

/// Says what lies at `at`.
pub(crate) fn parse(buffer: &[u8], at: usize) -> Parsed {
    let rest = &buffer[at.min(buffer.len())..];
    let known = rest.len().min(MAGIC.len());
    if rest[..known] != MAGIC[..known] {
        return Parsed::Broken;
    }
    let Some(header) = rest.first_chunk::<HEADER_BYTES>() else {
        return Parsed::Short(HEADER_BYTES);
    };
    let [
        _,
        _,
        _,
        _,
        l0,
        l1,
        l2,
        l3,
        s0,
        s1,
        s2,
        s3,
        s4,
        s5,
        s6,
        s7,
        time @ ..,
        c0,
        c1,
        c2,
        c3,
    ] = *header;
    let length_bytes = [l0, l1, l2, l3];
    let length = u32::from_le_bytes(length_bytes) as usize;
    if length == 0 || length > MAX_EVENT_BYTES {
        return Parsed::Broken;
    }
    let total = HEADER_BYTES + length;
    if rest.len() < total {
        return Parsed::Short(total);
    }
    let sequence = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
    let time_ns = i64::from_le_bytes(time);
    let expected = u32::from_le_bytes([c0, c1, c2, c3]);
    if checksum(length_bytes, sequence, time_ns, &rest[HEADER_BYTES..total]) != expected {
        return Parsed::Broken;
    }
    Parsed::Good(Record {
        sequence,
        time_ns,
        payload_at: at + HEADER_BYTES,
        end: at + total,
    })
}

/// Finds the first place at or after `from` where a whole good record lies.
pub(crate) fn resync(buffer: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(rest) = buffer.get(at..) {
        let found = rest
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)?;
        at += found;
        if matches!(parse(buffer, at), Parsed::Good(_)) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_found_again_behind_rubbish() {
        let mut buffer = vec![0xf5, b'S', b'L', 0xb1, 1, 2, 3];
        let at = buffer.len();
        write(&mut buffer, 7, -9, b"hello");
        assert_eq!(parse(&buffer, 0), Parsed::Broken);
        assert_eq!(resync(&buffer, 0), Some(at));
        let Parsed::Good(record) = parse(&buffer, at) else {
            panic!()
        };
        assert_eq!((record.sequence, record.time_ns), (7, -9));
        assert_eq!(&buffer[record.payload_at..record.end], b"hello");
    }

    #[test]
    fn a_record_of_length_zero_is_broken() {
        let mut buffer = Vec::new();
        write(&mut buffer, 7, 0, b"");
        assert_eq!(parse(&buffer, 0), Parsed::Broken);
    }

    proptest! {
        #[test]
        fn any_flipped_byte_is_noticed(
            payload in proptest::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(), mask in 1_u8..
        ) {
            let mut buffer = Vec::new();
            write(&mut buffer, 1, 2, &payload);
            let at = at.index(buffer.len());
            buffer[at] ^= mask;
            prop_assert!(!matches!(parse(&buffer, 0), Parsed::Good(_)));
        }

        #[test]
        fn any_bytes_can_be_parsed(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..250) {
            let _parsed = parse(&bytes, at);
            prop_assert!(resync(&bytes, at).is_none());
        }
    }
}
