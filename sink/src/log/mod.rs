//! The log between edge and site: Apache Kafka.
//!
//! Edges send what their spools hold, in order, and acknowledge it there only when the log's brokers
//! have it safe. Indexers read the log into the store, and commit what they read only when the store
//! is durable. Both repeat after a fault, and a repeat changes nothing, so every event that reached a
//! spool is in the store once.
//!
//! # Layout
//!
//! - `options`: how the log is reached and what is expected of it
//! - `ear`: why brokers cannot be reached
//! - `topics`: the topics: made, and held against the promise
//! - `message`: events as Kafka messages, with CloudEvents headers, and back
//! - `forgotten`: what everybody who writes has to refuse
//! - `clock`: a machine's clock that is set back
//! - `window`, `producer`, `sender`, `publisher`: spool to log
//! - `lanes`, `look`, `goals`, `known`, `claim`, `group`, `heartbeats`, `held`, `clerk`, `session`, `receiver`: log to store
//! - `standing`: how threads stand that live at the log
//! - `partition`, `takeover`, `associating`, `associate`: tracks of all cameras of a site into persons, by one process at a time
//! - `decisions`: what these decide, read by those who keep tracks
//! - `measure`: what it costs against the bare clients
//! - `whole`: readers of a whole topic, outside any group
//! - `dead`: what could not be indexed, with the reason

mod associate;
mod associating;
mod claim;
mod clerk;
mod clock;
mod dead;
mod decisions;
mod ear;
mod forgotten;
mod goals;
mod group;
mod heartbeats;
mod held;
mod known;
mod lanes;
mod look;
mod measure;
mod message;
mod options;
mod partition;
mod producer;
mod publisher;
mod receiver;
mod sender;
mod session;
mod standing;
mod takeover;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod topics;
mod whole;
mod window;

pub use associate::{AssociateStatus, Associating, AssociatingOptions};
pub use dead::{DeadLetter, dead_letters, retry_dead_letters};
pub use known::is_filled_from_log;
pub use measure::{LogRates, measure_log};
pub use options::{
    Association, GroupProtocol, LogOptions, Password, Sasl, SaslMechanism, Tls, TopicOptions,
};
pub use publisher::{Publisher, PublisherOptions, PublisherStatus, SendStatus};
pub use receiver::{ReceiveStatus, Receiver, ReceiverOptions};
pub use topics::{Topic, TopicCheck, check_topics, create_topics, delete_topics, require_topics};
