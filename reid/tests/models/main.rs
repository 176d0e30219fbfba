//! Tests that run models through ONNX Runtime, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what tests share fails by panic and says aloud what it skips, as tests do"
)]

mod faults;
mod golden;
mod memory;
mod mending;
mod pair;
mod preprocessing;
mod support;
