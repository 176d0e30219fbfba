//! Detectors on real and tiny networks, against references made by other implementations.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::print_stderr,
        reason = "a test fails by a panic that says where"
    )
)]

mod detr;
mod load;
mod real_frames;
mod support;
