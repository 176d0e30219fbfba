//! The networks on this box: found, fetched, checked, timed and warmed.
//!
//! # Layout
//!
//! - [`folders`]: where cards and installed models lie
//! - [`manifest`]: which models may be fetched, from where, with which digests
//! - [`card`]: the whole of a model card
//! - `mirror`: a folder on this machine, looked in before any address
//! - `download`: one file from its address, bounded in size and time
//! - [`fetch`]: a model into its folder
//! - [`list`]: what there is
//! - [`runtime`]: ONNX Runtime, once a process
//! - `network`: any model, loaded by its task
//! - [`verify`]: card, file and session held together
//! - [`bench`]: pictures a second
//! - [`warm`]: sessions built before they are needed
//! - [`error`]: what can go wrong

pub mod bench;
pub mod card;
mod download;
pub mod error;
pub mod fetch;
pub mod folders;
pub mod list;
pub mod manifest;
mod mirror;
mod network;
pub mod runtime;
#[cfg(test)]
mod trial;
pub mod verify;
pub mod warm;

pub use error::Error;
pub use folders::ModelFolders;

use crate::config::Provider;

/// The configuration's providers as the encoder knows them.
#[must_use]
pub fn encoder_providers(providers: &[Provider]) -> Vec<sightline_reid::Provider> {
    use sightline_reid::Provider as Theirs;
    let translate = |provider: &Provider| match provider {
        Provider::Tensorrt => Theirs::TensorRt,
        Provider::Cuda => Theirs::Cuda,
        Provider::Openvino => Theirs::OpenVino,
        Provider::Cpu => Theirs::Cpu,
        Provider::Auto => Theirs::Auto,
    };
    providers.iter().map(translate).collect()
}

/// The configuration's providers as the detector knows them.
#[must_use]
pub fn detector_providers(providers: &[Provider]) -> Vec<sightline_detector::Provider> {
    use sightline_detector::Provider as Theirs;
    let translate = |provider: &Provider| match provider {
        Provider::Tensorrt => Theirs::TensorRt,
        Provider::Cuda => Theirs::Cuda,
        Provider::Openvino => Theirs::OpenVino,
        Provider::Cpu => Theirs::Cpu,
        Provider::Auto => Theirs::Auto,
    };
    providers.iter().map(translate).collect()
}
