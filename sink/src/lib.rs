//! Where sightings go: a durable spool, an embedded vector store, and the questions put to it.
//!
//! An edge writes [`Event`]s. They are safe once the spool has synced them; an indexer then takes them,
//! in order, into the vector store, the folder of crops and the record of what each camera watched,
//! and acknowledges them when all of that is durable. A repeat changes nothing, since every id is
//! computed from what it names. Searches run at the same time, and say how far they can be trusted.
//!
//! # Layout
//!
//! - [`ids`]: ids of tracks and sightings
//! - [`event`]: sightings and heartbeats, and their Protobuf form
//! - [`spool`]: the durable, bounded queue
//! - [`coverage`]: what each camera watched
//! - [`store`]: points, crops and coverage on disk
//! - [`search`]: questions and answers
//! - [`persons`]: tracks of all cameras into persons
//! - [`flow`]: spool, indexer and store as one [`Sink`]
//! - [`log`]: the same over Apache Kafka: spool to log, log to store
//! - [`error`]: everything that can go wrong

mod clock;
pub mod coverage;
pub mod error;
pub mod event;
pub mod flow;
pub mod ids;
pub mod log;
mod made_up;
pub mod persons;
pub mod search;
pub mod spool;
pub mod store;
mod threads;

pub use bytes::Bytes;
pub use half::f16;

pub use coverage::{CameraCoverage, Interval};
pub use error::{Error, Reaction, Result};
pub use event::{Coverage, Event, Forgotten, NamedVector, Sighting, Stretch, TrackState};
pub use flow::{IndexingTime, Searchable, Sink, SinkOptions, SinkStatus, Writer};
pub use ids::{PersonId, SightingId, TrackId};
pub use log::{LogOptions, Publisher, PublisherOptions, Receiver, ReceiverOptions};
pub use persons::{AssociationOptions, PersonEvent, PersonRecord, SiteMap};
pub use search::{Answer, Direction, Filter, Hit, Query, QueryKind};
pub use spool::{Spool, SpoolStatus};
pub use store::{
    Backup, CropLimits, Embed, Forget, ForgetReport, IndexNews, Migration, Restored, Retention,
    ServerLimits, ServerOptions, Store, StoreOptions, StoreStatus, VectorSpec, Verified, When,
};
