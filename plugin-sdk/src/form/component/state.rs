//! State by the imports of `wasi:keyvalue`.

use super::keyvalue::wasi::keyvalue::{atomics, store};
use crate::state::keys::Keys;
use crate::{Error, Result};

#[derive(Debug)]
pub(crate) struct Bucket(store::Bucket);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self> {
        store::open(name).map(Self).map_err(from_host)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.get(key).map_err(from_host)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.set(key, value).map_err(from_host)
    }

    pub(crate) fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).map_err(from_host)
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool> {
        self.0.exists(key).map_err(from_host)
    }

    pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        atomics::increment(&self.0, key, delta).map_err(from_host)
    }

    pub(crate) fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool> {
        let cas = atomics::Cas::new(&self.0, key).map_err(from_host)?;
        if cas.current().map_err(from_host)?.as_deref() != expected {
            return Ok(false);
        }
        match atomics::swap(cas, value) {
            Ok(()) => Ok(true),
            Err(atomics::CasError::CasFailed(_)) => Ok(false),
            Err(atomics::CasError::StoreError(error)) => Err(from_host(error)),
        }
    }

    pub(crate) fn list(&self, cursor: Option<&str>) -> Result<Keys> {
        let store::KeyResponse { keys, cursor } = self.0.list_keys(cursor).map_err(from_host)?;
        Ok(Keys { keys, cursor })
    }
}

fn from_host(error: store::Error) -> Error {
    match error {
        store::Error::AccessDenied => Error::unsupported(
            "expected the grant of state, found none: the operator grants it by `state = true` in \
             [plugins.NAME.grants]",
        ),
        store::Error::NoSuchStore => Error::internal("the host has no such bucket"),
        store::Error::Other(message) => Error::internal(message),
    }
}
