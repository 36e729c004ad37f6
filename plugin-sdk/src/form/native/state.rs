//! The C vtable has no functions for state.

use crate::state::keys::Keys;
use crate::{Error, Result};

/// There is none.
#[derive(Debug)]
pub(crate) enum Bucket {}

impl Bucket {
    pub(crate) fn open(_name: &str) -> Result<Self> {
        Err(Error::unsupported(
            "expected a plugin that runs as a component, found a native library, a linked crate or a test: \
             the host keeps state for components only",
        ))
    }

    pub(crate) fn get(&self, _key: &str) -> Result<Option<Vec<u8>>> {
        match *self {}
    }

    pub(crate) fn set(&self, _key: &str, _value: &[u8]) -> Result<()> {
        match *self {}
    }

    pub(crate) fn delete(&self, _key: &str) -> Result<()> {
        match *self {}
    }

    pub(crate) fn exists(&self, _key: &str) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn increment(&self, _key: &str, _delta: i64) -> Result<i64> {
        match *self {}
    }

    pub(crate) fn compare_and_set(
        &self,
        _key: &str,
        _expected: Option<&[u8]>,
        _value: &[u8],
    ) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn list(&self, _cursor: Option<&str>) -> Result<Keys> {
        match *self {}
    }
}
