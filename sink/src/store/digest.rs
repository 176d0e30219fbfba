//! One number for everything in a store, to tell whether two stores are the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Store;
use super::engine::{Engine, Where};
use crate::Result;

/// Points read at once.
const PAGE: usize = 500;

impl Store {
    /// A sha256 in hex over all points (ids, payloads, vectors bit by bit) and the names of all crops.
    /// The same input gives the same digest, whatever the order, the batches and the timing.
    ///
    /// # Errors
    ///
    /// When the engine cannot be read.
    pub fn digest(&self) -> Result<String> {
        let index = self.index();
        let mut hash = Sha256::new();
        for engine in [&index.exemplars, &index.tracklets] {
            digest_points(engine.as_ref(), &mut hash)?;
        }
        for name in self.crops.names() {
            hash.update(name.as_bytes());
        }
        let digest = hash.finalize();
        let mut text = String::with_capacity(64);
        for byte in &digest {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
        }
        Ok(text)
    }
}

fn digest_points(engine: &dyn Engine, hash: &mut Sha256) -> Result<()> {
    let mut from = None;
    loop {
        let (records, next) = engine.page(&Where::default(), from, PAGE, true)?;
        for record in records {
            hash.update(record.id.to_string().as_bytes());
            // Sorted, whatever order the engine keeps them in.
            let payload: BTreeMap<_, _> = record.payload.into_iter().collect();
            for (key, value) in payload {
                hash.update(format!("{key}={};", sorted(value)).as_bytes());
            }
            let vectors: BTreeMap<_, _> = record.vectors.into_iter().collect();
            for (name, values) in vectors {
                hash.update(name.as_bytes());
                for value in &values {
                    hash.update(value.to_bits().to_le_bytes());
                }
            }
        }
        match next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// A value whose fields stand in order: a server does not keep the order in which they came.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().collect();
            let fields = fields.into_iter();
            Value::Object(fields.map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}
