//! The stages put together: frames in, sightings in the sink.
//!
//! Data moves one way. Each stage knows the type it takes and the type it gives; this module alone knows who is next.
//!
//! # Layout
//!
//! - `follow`: track and select for one camera
//! - `encoder`: the embed stage and the way to it; `encoders`: those of the configuration
//! - `joint`: the vectors that sentences are compared with
//! - `picture`: the JPEG of a crop
//! - `coverage`: what a camera has watched
//! - `outcome`: what one frame gave
//! - `record`: outcomes in order, to the sink and the reports
//! - `replay`: recordings through all of it
//! - `live`: cameras through all of it
//! - `observer`: what the stages tell about themselves; `telemetry`: the same as metrics
//! - `persons`: how tracks are joined; `store`: the sink of a configuration
//! - `outlet`: where sightings go: the store here, or the log; `site_store`: the store that is filled from the log
//! - `engines`: models and stages as the configuration wants them
//! - [`timing`]: what each stage costs

mod counting;
mod coverage;
mod encoder;
mod encoders;
mod engines;
mod follow;
mod joint;
mod live;
mod observer;
mod outcome;
mod outlet;
mod persons;
#[cfg(test)]
mod persons_oracle;
mod picture;
mod queue;
mod record;
mod replay;
mod site_store;
mod store;
mod telemetry;
pub mod timing;

pub use counting::Counting;
pub use encoder::{Batching, EmbedStage, Embedder};
pub use encoders::{
    EmbedStages, Embedders, Encoders, load_encoder, load_joint_encoder, load_named_encoder,
    load_text_encoder, reader_of, vectors_of,
};
pub use engines::{
    areas, follower_parts, gate_options, load_detector, recording_spec, session_threads,
};
pub use follow::{Follower, FollowerParts};
pub use live::{LiveFlow, LiveParts, Regions};
pub use observer::Observer;
pub use outcome::{Outcome, TrackBox, TrackEnd};
pub use outlet::{Log, Outlet, OutletStatus};
pub use persons::association;
pub use record::{EventWriter, Outputs, Record, Recorder, event_json};
pub use replay::{Play, Progress, Workers, replay};
pub use site_store::SiteStore;
pub use store::{Store, store_options, vector_spec};
pub use telemetry::Telemetry;
pub use timing::StageTimes;
