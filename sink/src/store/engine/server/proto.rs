//! The part of Qdrant's interface that is used here; see `proto/qdrant/qdrant.proto`.

#![expect(
    clippy::all,
    reason = "generated; the interface's own manual describes it"
)]

include!(concat!(env!("OUT_DIR"), "/qdrant.rs"));
