//! A store that ends with its process.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::apply::{Place, Tables, Usage, apply};
use crate::{Answer, Request, StateError, Store, StoreError};

/// Keeps states in memory: they survive a swap and a trap, and end with the host.
#[derive(Debug, Default)]
pub struct MemoryStore {
    plugins: BTreeMap<String, State>,
}

/// One plugin's state.
#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    usage: Usage,
}

impl MemoryStore {
    fn bucket(&self, place: Place<'_>) -> Option<&BTreeMap<String, Vec<u8>>> {
        self.plugins.get(place.plugin)?.buckets.get(place.bucket)
    }

    fn state(&mut self, plugin: &str) -> &mut State {
        self.plugins.entry(plugin.to_owned()).or_default()
    }
}

impl Tables for MemoryStore {
    fn get(&mut self, place: Place<'_>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.bucket(place).and_then(|it| it.get(key)).cloned())
    }

    fn length(&mut self, place: Place<'_>, key: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.bucket(place).and_then(|it| it.get(key)).map(|value| value.len() as u64))
    }

    fn set(&mut self, place: Place<'_>, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let buckets = &mut self.state(place.plugin).buckets;
        let bucket = buckets.entry(place.bucket.to_owned()).or_default();
        bucket.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn delete(&mut self, place: Place<'_>, key: &str) -> Result<(), StoreError> {
        let state = self.state(place.plugin);
        if let Some(bucket) = state.buckets.get_mut(place.bucket) {
            bucket.remove(key);
            // No quota counts names of buckets without keys.
            if bucket.is_empty() {
                state.buckets.remove(place.bucket);
            }
        }
        Ok(())
    }

    fn list(
        &mut self,
        place: Place<'_>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self
            .bucket(place)
            .into_iter()
            .flat_map(|it| it.range::<str, _>((from, Bound::Unbounded)));
        Ok(keys.map(|(key, _)| key.clone()).take(most).collect())
    }

    fn usage(&mut self, plugin: &str) -> Result<Usage, StoreError> {
        Ok(self.plugins.get(plugin).map(|it| it.usage).unwrap_or_default())
    }

    fn set_usage(&mut self, plugin: &str, usage: Usage) -> Result<(), StoreError> {
        self.state(plugin).usage = usage;
        Ok(())
    }
}

impl Store for MemoryStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn run(&mut self, request: &Request) -> Result<Answer, StateError> {
        apply(self, request)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Nothing fails here after its first write.
    fn roll_back(&mut self) {}
}
