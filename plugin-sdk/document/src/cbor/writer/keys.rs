//! The keys of open maps: equal keys are refused, and pairs are sorted.

use super::{Level, Order, Writer, offset};
use crate::Error;
use crate::cbor::Reader;
use crate::cbor::keys::{self, FEW, Key};

impl Writer {
    /// The number of complete pairs in the innermost map.
    #[must_use]
    pub fn pair_count(&self) -> usize {
        self.levels.last().map_or(0, |level| self.keys.len() - level.keys)
    }

    /// Adds the key that begins at `start` and has just ended. Few keys are compared at once, more
    /// at certain numbers of keys and when the map is closed.
    pub(super) fn add_key(&mut self, level: Level, start: usize) -> Result<(), Error> {
        let key = &self.out[start..];
        let known = &self.keys[level.keys..];
        let bytes = |range: &(u32, u32)| &self.out[range.0 as usize..range.1 as usize];
        if known.len() < FEW && known.iter().any(|range| bytes(range) == key) {
            return Err(self.duplicate(start, self.out.len()));
        }
        self.keys.push((offset(start), offset(self.out.len())));
        if keys::is_due(self.keys.len() - level.keys) {
            self.sorted_keys(level)?;
        }
        Ok(())
    }

    /// The indices of the map's keys in the order of their bytes; an error if two are equal.
    pub(super) fn sorted_keys(&self, level: Level) -> Result<Vec<u32>, Error> {
        let known = &self.keys[level.keys..];
        let bytes = |index: usize| &self.out[known[index].0 as usize..known[index].1 as usize];
        keys::sorted(known.len(), bytes).map_err(|repeated| {
            let (from, to) = known[repeated];
            self.duplicate(from as usize, to as usize)
        })
    }

    /// Checks the keys of a map that has all its pairs, and sorts the pairs if that is required.
    pub(super) fn finish_map(&mut self, level: Level) -> Result<(), Error> {
        let count = self.keys.len() - level.keys;
        if count <= FEW && (self.order == Order::Insertion || count < 2) {
            return Ok(());
        }
        let sorted = self.sorted_keys(level)?;
        if self.order == Order::Sorted {
            let keys = &self.keys[level.keys..];
            let start = |index: usize| keys.get(index).map(|key| key.0 as usize);
            let mut pairs = Vec::with_capacity(self.out.len() - level.start);
            for index in sorted.iter().map(|&index| index as usize) {
                let end = start(index + 1).unwrap_or(self.out.len());
                pairs.extend_from_slice(&self.out[keys[index].0 as usize..end]);
            }
            self.out.truncate(level.start + 1);
            self.out.extend_from_slice(&pairs);
        }
        Ok(())
    }

    #[cold]
    fn duplicate(&self, from: usize, to: usize) -> Error {
        let key = Reader::new(&self.out[from..to]);
        self.error(format_args!("duplicate key {}", Key(&key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few keys are compared as they are written, many when the map is closed.
    #[test]
    fn equal_keys_are_named_with_their_place() {
        for count in [2, 40] {
            let mut writer = Writer::default();
            writer.open_map().unwrap();
            writer.text("inner").unwrap();
            writer.open_map().unwrap();
            let mut result = Ok(());
            for key in (0..count).chain([1]) {
                result = result.and_then(|()| writer.integer(key)).and_then(|()| writer.null());
            }
            let error = result.and_then(|()| writer.close()).unwrap_err();
            assert_eq!(error.to_string(), "duplicate key 1 in inner");
        }
    }
}
