//! Preprocessing and decoding on their own.
fn main() {}
