//! What a plugin asks of its state.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::StateError;

/// The most bytes of a bucket's name.
pub const MAX_BUCKET: usize = 256;

/// The most bytes of a key.
pub const MAX_KEY: usize = 1024;

/// The most keys of one operation.
pub const MAX_ENTRIES: usize = 1000;

/// The most keys of one page of a list.
pub const PAGE: usize = 1000;

/// How much one plugin may keep, over all its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The most keys.
    pub keys: u64,
    /// The most bytes of one value.
    pub value: u64,
    /// The most bytes of all keys and values together.
    pub total: u64,
    /// The most bytes of values that one operation reads.
    pub answer: u64,
}

/// One operation on the state of one plugin.
#[derive(Clone, Debug)]
pub struct Request {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The bucket's name, which the plugin chose.
    pub bucket: Arc<str>,
    /// How much the plugin may keep.
    pub quota: Quota,
    /// What to do.
    pub operation: Operation,
}

/// What to do with the keys of a bucket.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Read the values of keys.
    Get(Vec<String>),
    /// Say whether there is a key.
    Exists(String),
    /// Set the values of keys, all or none. Of a key that is named twice the last value is kept.
    Set(Vec<(String, Vec<u8>)>),
    /// Delete keys, all or none. A key that there is not is no error.
    Delete(Vec<String>),
    /// Add to a number; a key that there is not counts as zero. Numbers are kept as decimal text, as Redis does.
    Increment {
        /// The key.
        key: String,
        /// What to add.
        delta: i128,
        /// The least and the largest sum.
        range: (i128, i128),
    },
    /// Set a value if the present one is that of this fingerprint; `None` is a key that there is not.
    Swap {
        /// The key.
        key: String,
        /// What the caller has seen.
        expected: Option<Fingerprint>,
        /// The new value.
        value: Vec<u8>,
    },
    /// List keys in ascending order of their bytes, from the first one after this one, at most [`PAGE`].
    List(Option<String>),
}

/// What an operation returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The values that were read, in the order of the keys.
    Values(Vec<Option<Vec<u8>>>),
    /// Whether there is the key; whether a swap took place.
    Bool(bool),
    /// The sum.
    Number(i128),
    /// Keys of a list.
    Keys(Keys),
    /// The operation returns nothing.
    Done,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The keys, ascending.
    pub keys: Vec<String>,
    /// Whether more keys follow.
    pub more: bool,
}

/// Stands for a value without keeping it: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a value.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        Self(Sha256::digest(value).into())
    }
}

impl Request {
    /// Checks the names, the number of keys and the sizes of values, which takes no store.
    ///
    /// # Errors
    ///
    /// If one of them is outside its limits.
    pub fn check(&self) -> Result<(), StateError> {
        if self.bucket.len() > MAX_BUCKET {
            return Err(StateError::BucketName { most: MAX_BUCKET, found: self.bucket.len() });
        }
        match &self.operation {
            Operation::Get(keys) | Operation::Delete(keys) => {
                check_count(keys.len())?;
                keys.iter().try_for_each(|key| check_key(key))
            }
            Operation::Set(entries) => {
                check_count(entries.len())?;
                entries.iter().try_for_each(|(key, value)| {
                    check_key(key)?;
                    self.quota.check_value(value)
                })
            }
            Operation::Swap { key, value, .. } => {
                check_key(key)?;
                self.quota.check_value(value)
            }
            Operation::Exists(key) | Operation::Increment { key, .. } => check_key(key),
            // Any text is a place in the order of keys; a long one would only be carried along.
            Operation::List(after) => match after {
                Some(after) if after.len() > MAX_KEY => check_key(after),
                _ => Ok(()),
            },
        }
    }
}

impl Quota {
    pub(crate) fn check_value(&self, value: &[u8]) -> Result<(), StateError> {
        let found = value.len() as u64;
        if found > self.value {
            return Err(StateError::ValueTooLarge { most: self.value, found });
        }
        Ok(())
    }
}

fn check_count(found: usize) -> Result<(), StateError> {
    if found > MAX_ENTRIES {
        return Err(StateError::TooManyEntries { most: MAX_ENTRIES, found });
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), StateError> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(StateError::Key { most: MAX_KEY, found: key.len() });
    }
    Ok(())
}
