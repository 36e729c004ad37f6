//! State that outlives an instance, a version and the host: keys and values that the host keeps for the plugin's name.
//!
//! ```
//! use plugbay_sdk::prelude::*;
//! use plugbay_sdk::state::Bucket;
//!
//! fn count(page: &str) -> Result<i64> {
//!     let hits = Bucket::open("hits")?;
//!     hits.increment(page, 1)
//! }
//!
//! fn rename(old: &str, new: &str) -> Result<bool> {
//!     let names = Bucket::open("names")?;
//!     // Another instance may have changed it meanwhile: then nothing is set.
//!     names.compare_and_set("name", Some(old.as_bytes()), new.as_bytes())
//! }
//! # assert!(count("/").is_err()); // outside of a host
//! ```
//!
//! All instances of the plugin share its state, and a version finds what the ones before it have kept. When a function
//! returns `Ok`, the host has kept the change: it survives a trap, a swap, and, if the host keeps state in a file, the
//! end of the host. If the call ends before the function returns, the change was made or not.
//!
//! Values are bytes, at most as long as the grant `state` says; a key has 1 to 1,024 bytes, the name of a bucket up to
//! 256. Each function waits for the host's store, which may be a disk, and counts as a call of the host for the limit
//! `host_calls`.
//!
//! Only components have state: in a native library or a linked crate each function returns
//! [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).

pub(crate) mod keys;

pub use keys::Keys;

use crate::{Result, form};

/// A named set of keys. Opening one costs no access to the store, and there is nothing to create.
#[derive(Debug)]
pub struct Bucket(form::Bucket);

impl Bucket {
    /// Opens a bucket of the plugin. No other plugin has access to it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the plugin has not the grant `state`, or is no
    /// component; [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the name is too long.
    pub fn open(name: &str) -> Result<Self> {
        form::Bucket::open(name).map(Self)
    }

    /// The value of a key; `None` if there is no such key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the key is empty or too long, or the store failed. The
    /// same holds for all functions below.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.get(key)
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// As for [`Bucket::get`], or if the value or what the plugin would keep then is larger than the grant allows.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.set(key, value)
    }

    /// Deletes a key, if there is one.
    ///
    /// # Errors
    ///
    /// As for [`Bucket::get`].
    pub fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key)
    }

    /// Whether there is this key.
    ///
    /// # Errors
    ///
    /// As for [`Bucket::get`].
    pub fn exists(&self, key: &str) -> Result<bool> {
        self.0.exists(key)
    }

    /// Adds to a number, in one step, and returns the sum. A key that there is not counts as 0. The value is the
    /// number's decimal text.
    ///
    /// # Errors
    ///
    /// As for [`Bucket::set`], or if the value is no number, or the sum no `i64`.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        self.0.increment(key, delta)
    }

    /// Sets the value of a key if its present value is `expected`, in one step; `None` is a key that there is not.
    /// Returns whether it was set.
    ///
    /// # Errors
    ///
    /// As for [`Bucket::set`].
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool> {
        self.0.compare_and_set(key, expected, value)
    }

    /// The keys of the bucket, a page at a time: from the first one, or from a page's [`cursor`](Keys::cursor) on. Keys
    /// that come and go meanwhile are on a page or not; all others are on one page.
    ///
    /// # Errors
    ///
    /// As for [`Bucket::get`].
    pub fn list(&self, cursor: Option<&str>) -> Result<Keys> {
        self.0.list(cursor)
    }
}
