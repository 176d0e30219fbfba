//! The store as one search sees it.

use std::ops::Deref;
use std::sync::Arc;

use crate::store::engine::Engine;
use crate::store::{Generation, Store, VectorSpec};

/// A store whose points are by the same models from a search's first step to its last, whatever the store moves to meanwhile.
pub(super) struct Moment<'s> {
    store: &'s Store,
    index: Arc<Generation>,
}

impl<'s> Moment<'s> {
    pub(super) fn of(store: &'s Store) -> Self {
        Self {
            index: store.index(),
            store,
        }
    }

    pub(super) fn vectors(&self) -> &[VectorSpec] {
        &self.index.vectors
    }

    pub(super) fn exemplars(&self) -> &dyn Engine {
        self.index.exemplars.as_ref()
    }

    pub(super) fn tracklets(&self) -> &dyn Engine {
        self.index.tracklets.as_ref()
    }
}

/// Pictures, coverage and the like have nothing to do with models.
impl Deref for Moment<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}
