//! Our measures against published evaluators and independent implementations, to 1e-6; in one binary, for the sake of linking.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod made;
mod retrieval;
mod tracking;
