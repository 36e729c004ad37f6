//! A store in memory, for tests: it survives a directory, not the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Loaded, Record, Store, StoreError};
use crate::wire::{Endpoint, EndpointId, Sequence};

/// A store in memory. Its clones share what they keep, so a second directory can load what a first one
/// wrote. A directory that should keep nothing needs no store at all.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    endpoints: BTreeMap<EndpointId, Endpoint>,
    ceiling: Option<Sequence>,
    failing: bool,
}

impl MemoryStore {
    /// Lets all later appends fail, or succeed again.
    pub fn set_failing(&self, failing: bool) {
        self.kept().failing = failing;
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let kept = self.kept();
        let endpoints = kept.endpoints.values().cloned().collect();
        Ok(Loaded { endpoints, ceiling: kept.ceiling })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.failing {
            let reason = "told-to-fail";
            let action = "cannot write to the store in memory".into();
            return Err(StoreError { reason, action, source: "it was told to fail".into() });
        }
        for record in records {
            match record {
                Record::Put { endpoint } => {
                    kept.endpoints.insert(endpoint.id, endpoint.clone());
                }
                Record::Remove { id, .. } => {
                    kept.endpoints.remove(id);
                }
                Record::Ceiling { sequence } => kept.ceiling = Some(*sequence),
            }
        }
        Ok(())
    }
}
