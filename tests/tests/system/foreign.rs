//! Mutated good inputs through every reader of foreign bytes; `tests/fuzz/` looks further.

use sightline_tests::foreign::READERS;

/// Inputs a reader; those that write to disk get fewer.
const ROUNDS: u64 = 3_000;
const ROUNDS_ON_DISK: u64 = 150;

/// Numbers without a pattern, the same in every run (xorshift64*, Marsaglia 2003, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound.max(1)
    }
}

/// Bits flipped, bytes replaced, cut out, doubled, cut off, numbers pushed to their ends.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const ENDS: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
    for _ in 0..=numbers.below(4) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let at = numbers.below(bytes.len());
        let length = numbers.below((bytes.len() - at).min(32)) + 1;
        let upto = (at + length).min(bytes.len());
        match numbers.below(7) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.next().to_be_bytes()[0],
            2 => bytes[at..upto].fill(ENDS[numbers.below(ENDS.len())]),
            3 => drop(bytes.drain(at..upto)),
            4 => {
                let again = bytes[at..upto].to_vec();
                bytes.splice(at..at, again);
            }
            5 => bytes.truncate(at),
            _ => bytes.insert(at, b"0-9.e,\n\"{[ \t=#"[numbers.below(14)]),
        }
    }
}

#[test]
fn no_bytes_from_outside_make_a_reader_panic() {
    for (number, reader) in (1_u64..).zip(READERS) {
        let seeds = (reader.seeds)().unwrap();
        for seed in &seeds {
            (reader.read)(seed);
        }
        (reader.read)(&[]);
        let rounds = match reader.name {
            "spool" => ROUNDS_ON_DISK,
            _ => ROUNDS,
        };
        let mut numbers = Numbers(number);
        for round in 0..rounds {
            let mut bytes = seeds[numbers.below(seeds.len())].clone();
            mutate(&mut bytes, &mut numbers);
            let outcome = std::panic::catch_unwind(|| (reader.read)(&bytes));
            assert!(
                outcome.is_ok(),
                "reader {} panicked in round {round} on {:?}",
                reader.name,
                String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)])
            );
        }
    }
}
