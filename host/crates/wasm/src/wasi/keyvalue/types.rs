//! The types of the interfaces, and what the host keeps of a guest's handles.

use std::collections::VecDeque;
use std::sync::Arc;

use plugbay_state::{Fingerprint, StateError};
use wasmtime::component::{ComponentType, Lower, Resource};

/// The most cursors of the first draft that one handle of a bucket remembers.
const CURSORS: usize = 8;

/// `error`
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
pub(super) enum Error {
    #[expect(dead_code, reason = "each name is that of a bucket")]
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        Self::Other(error.to_string())
    }
}

/// `key-response` of the first draft.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct KeysByNumber {
    pub(super) keys: Vec<String>,
    pub(super) cursor: Option<u64>,
}

/// `key-response` of the second draft.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct KeysByKey {
    pub(super) keys: Vec<String>,
    pub(super) cursor: Option<String>,
}

/// `cas-error`
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum CasError {
    #[component(name = "store-error")]
    Store(Error),
    #[component(name = "cas-failed")]
    Failed(Resource<Cas>),
}

/// The resource `bucket`.
pub(super) struct Bucket {
    pub(super) name: Arc<str>,
    /// The cursors of the first draft, which are numbers, and the keys that they stand for.
    cursors: VecDeque<(u64, String)>,
    next: u64,
}

impl Bucket {
    pub(super) fn of(name: Arc<str>) -> Self {
        Self { name, cursors: VecDeque::new(), next: 1 }
    }

    /// The number of a cursor after this key.
    pub(super) fn cursor_after(&mut self, key: String) -> u64 {
        let number = self.next;
        self.next += 1;
        if self.cursors.len() == CURSORS {
            self.cursors.pop_front();
        }
        self.cursors.push_back((number, key));
        number
    }

    /// The key of a cursor.
    pub(super) fn key_of(&self, cursor: u64) -> Option<String> {
        let found = self.cursors.iter().find(|(number, _)| *number == cursor);
        found.map(|(_, key)| key.clone())
    }
}

/// The resource `cas`: a key, and what the guest has seen of its value.
pub(super) struct Cas {
    pub(super) bucket: Arc<str>,
    pub(super) key: String,
    pub(super) seen: Option<Fingerprint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_knows_its_last_cursors_and_no_others() {
        let mut bucket = Bucket::of("x".into());
        let cursors: Vec<u64> =
            (0..=CURSORS).map(|n| bucket.cursor_after(format!("key {n}"))).collect();
        assert_eq!(bucket.key_of(cursors[0]), None);
        assert_eq!(bucket.key_of(cursors[1]).as_deref(), Some("key 1"));
        assert_eq!(bucket.key_of(cursors[CURSORS]).as_deref(), Some("key 8"));
        assert_eq!(bucket.key_of(0), None);
        assert_eq!(bucket.key_of(u64::MAX), None);
    }
}
