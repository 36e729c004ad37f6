//! State that outlives a plugin's version: key-value stores, one for each plugin *name*.
//!
//! A [`States`] is the set of all plugins' states. It is one thread that owns a [`Store`]: callers send it requests,
//! and wait for the answers without blocking their own threads. The thread takes all requests that wait, carries them
//! out in one transaction, and answers once the store has kept them. So a disk is waited for once for many changes,
//! and nothing is acknowledged before it is kept.
//!
//! An [`Operation`] is atomic: all of it happens, or nothing. Operations on one store happen one after another, in the
//! order of their arrival, so that an increment or a [`Swap`](Operation::Swap) never loses the change of another
//! instance. [`Quota`]s bound what one plugin keeps.
//!
//! Names are data: a plugin names its buckets and keys, and no name of one plugin reaches what another keeps, however
//! it is spelled, because the host alone says of which plugin a request is.
//!
//! # What is deliberately absent
//!
//! This crate knows no plugins, no wasmtime and no other crate of Plugbay. It opens no socket, and without the feature
//! `sqlite` no file. Nothing here ends by time: a caller that waits no longer drops its future, and a request that
//! nobody waits for and that has not begun is left out.

#![forbid(unsafe_code)]

mod apply;
mod error;
mod memory;
mod request;
#[cfg(feature = "sqlite")]
mod sqlite;
mod states;

pub use error::{StateError, StoreError};
pub use memory::MemoryStore;
pub use request::{
    Answer, Fingerprint, Keys, MAX_BUCKET, MAX_ENTRIES, MAX_KEY, Operation, PAGE, Quota, Request,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use states::{Figures, States};

/// Where states are kept. One thread calls it, and it may block on I/O.
pub trait Store: Send + 'static {
    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// If the store cannot be used now. No transaction has begun.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Carries out one request within the transaction, all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`StateError::Store`] if the store failed: the transaction is then rolled back. All other errors are of this
    /// request alone.
    fn run(&mut self, request: &Request) -> Result<Answer, StateError>;

    /// Ends the transaction. When it returns `Ok`, the changes survive whatever this store survives.
    ///
    /// # Errors
    ///
    /// If the changes are not kept. The transaction is rolled back.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Ends the transaction without its changes.
    fn roll_back(&mut self);
}
