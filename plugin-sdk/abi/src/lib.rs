//! The C ABI between a Plugbay host and its native plugins.
//!
//! It mirrors the WIT package `plugbay:plugin` one to one, so that a plugin's functions do not
//! depend on its form. A plugin, as a library, is three things:
//!
//! 1. a [`Header`] in a section of its own, which a host reads from the file before any code of
//!    it runs;
//! 2. one symbol, [`ENTRY`], whose function returns
//! 3. a [`Vtable`]: describe, create an instance, shut it down, destroy it, and for each [`kind`] of
//!    capability that the plugin offers a table of the functions that call it.
//!
//! A plugin that is linked into the application has only the third, and registers it (module
//! `linked`, behind the feature of that name).
//!
//! # The rules
//!
//! * **Nothing of Rust crosses.** Only the `repr(C)` types of [`raw`] do; a plugin can be C.
//! * **The side that allocates a buffer frees it.** A returned buffer carries its own `free`; an
//!   argument is borrowed until the call returns.
//! * **No panic crosses.** Each side catches its own panics and reports [`Status::PANICKED`].
//! * **The host comes with every call.** Each function takes a [`HostRef`], valid until it
//!   returns, on the thread that it is called on. The plugin's side keeps it in a thread-local,
//!   so that logging works anywhere below; a nested call restores the host of the outer one.
//! * **An instance is shared between threads.** All its functions but `destroy` may run at once.
//! * **Growth is at the end.** Within one [`VERSION`], fields are only added behind the last; a
//!   table's `size` says how far it reaches. Anything else is a new version and a new [`ENTRY`].
//!   A kind's table has a version of its own, and a kind that a host does not know is no error.
//!
//! # Table of contents
//!
//! * [`raw`]: the types that cross, with the contract of each pointer;
//! * [`kind`]: the kinds of capabilities, each with its table and both of its sides;
//! * [`guest`]: the plugin's side; turns an implementation of the safe trait [`guest::Exports`]
//!   into a [`Vtable`];
//! * `host` (feature `host`): the caller's side; `Guest` and `Instance` are safe to use, their
//!   constructor is the one place where the host vouches for the library;
//! * `linked` (feature `linked`): the plugins that the application was linked with.

mod convert;
pub mod guest;
#[cfg(feature = "host")]
pub mod host;
pub mod kind;
#[cfg(feature = "linked")]
pub mod linked;
mod panics;
pub mod raw;

pub use convert::Buffer;
pub use kind::handler::{Request, Response};
pub use raw::{
    ENTRY, HEADER, Header, HostRef, HostVtable, MAGIC, SECTION, Status, VERSION, Vtable,
};

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's input is wrong: it will fail again, with any provider.
    InvalidInput,
    /// The input is valid, but the other side cannot do what it asks for.
    Unsupported,
    /// The other side cannot answer now: another provider, or a later try, may.
    Unavailable,
    /// The other side itself failed.
    Internal,
    /// The other side panicked: like `Internal`, but its state may be inconsistent. An instance
    /// that panicked should serve no more calls.
    Panicked,
    /// The other side broke the contract of this ABI: it returned a pointer that cannot be read, or
    /// does not list the kind that is called. Only the caller's side reports it.
    Contract,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// What went wrong, for people: a lowercase fragment.
    pub message: String,
}

impl Error {
    /// An error of the kind `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The level of a log line, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A failure.
    Error,
    /// A problem that failed nothing yet.
    Warn,
    /// An event of normal operation.
    Info,
    /// Details for finding a fault.
    Debug,
    /// Every step, for finding a fault.
    Trace,
}

impl Level {
    /// Every level, in the order of their numbers in the ABI.
    pub const ALL: [Level; 5] =
        [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
}

/// The kind of a plugin's metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A value that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// How observed values are distributed.
    Histogram,
}

impl MetricKind {
    /// Every kind, in the order of their numbers in the ABI.
    pub const ALL: [MetricKind; 3] =
        [MetricKind::Counter, MetricKind::Gauge, MetricKind::Histogram];
}

/// What a plugin says about one of its metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric<'a> {
    /// Its kind.
    pub kind: MetricKind,
    /// What it measures, in words for people.
    pub help: &'a str,
    /// The unit of its values; empty for none.
    pub unit: &'a str,
    /// The upper bounds of a histogram's buckets; empty for the host's own.
    pub buckets: &'a [f64],
}

/// A codec of the host, as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecInfo {
    /// The capability's name.
    pub name: String,
    /// Its media types, the preferred one first.
    pub media_types: Vec<String>,
}
