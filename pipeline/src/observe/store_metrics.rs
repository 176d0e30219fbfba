//! What the store says of itself, wherever it is filled: on a box, or from the log.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sightline_sink::StoreStatus;

use super::metrics::put;
use super::names;

/// Counts of the store.
#[derive(Debug, Default)]
pub struct StoreMetrics {
    forgotten: Gauge,
    expired: Counter,
    retries: Counter,
    resent: Counter,
}

/// Which counts were taken over before.
#[derive(Debug, Default)]
pub struct ToldOfStore {
    expired: u64,
    retries: u64,
    resent: u64,
}

impl StoreMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        put(registry, names::STORE_FORGOTTEN, &self.forgotten);
        put(registry, names::STORE_EXPIRED, &self.expired);
        put(registry, names::STORE_RETRIES, &self.retries);
        put(registry, names::STORE_RESENT, &self.resent);
    }

    /// Takes over how the store stands; the first `told` of each count were taken over before.
    pub fn take_over(&self, now: &StoreStatus, told: &mut ToldOfStore) {
        let forgotten = i64::try_from(now.forgotten).unwrap_or(i64::MAX);
        self.forgotten.set(forgotten);
        for (counter, now, told) in [
            (&self.expired, now.expired, &mut told.expired),
            (&self.retries, now.retries, &mut told.retries),
            (&self.resent, now.lost, &mut told.resent),
        ] {
            counter.inc_by(now.saturating_sub(*told));
            *told = now;
        }
    }
}
