//! The C ABI between a Plugbay host and its native plugins.
//!
//! It mirrors the WIT package `plugbay:plugin` one to one, so that what a plugin can say and be
//! asked does not depend on its form. A plugin, as a library, is three things:
//!
//! 1. a [`Header`] in a section of its own, which a host reads from the file before any code of
//!    it runs;
//! 2. one symbol, [`ENTRY`], whose function returns
//! 3. a [`Vtable`]: describe, create an instance, end it, and for each [`kind`] of capability
//!    that the plugin offers a table of the functions that call it.
//!
//! A plugin that is linked into the application has only the third, and registers it (module
//! `linked`, behind the feature of that name).
//!
//! # The rules
//!
//! * **Nothing of Rust crosses.** Only the `repr(C)` types of [`raw`] do; a plugin can be C.
//! * **Who makes a buffer frees it.** What is handed out carries its own `free`; what is handed
//!   in is borrowed until the call returns.
//! * **No panic crosses.** Both sides catch theirs at the edge and report [`Status::PANICKED`].
//! * **The host comes with every call.** Each function takes a [`HostRef`], valid until it
//!   returns, on the thread that it is called on. The plugin's side keeps it in a thread-local,
//!   so that logging works anywhere below; a nested call puts back what it found.
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

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller's input is wrong; it will fail again, with any provider.
    InvalidInput,
    /// The input is understood, but it cannot be done.
    Unsupported,
    /// Not now; another provider, or a later try, may answer.
    Unavailable,
    /// The other side itself failed.
    Internal,
    /// The other side panicked, which it must not: like `Internal`, but what it left half done
    /// may stay so. An instance that panicked should serve no more calls.
    Panicked,
    /// The other side handed out what cannot be read: a null pointer to some bytes, more bytes
    /// than memory has. It never says so itself.
    Contract,
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is.
    pub kind: Kind,
    /// What went wrong, for people: a lowercase fragment.
    pub message: String,
}

impl Error {
    /// An error of the kind `kind`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// How much a log line matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is off.
    Warn,
    /// Something worth knowing happened.
    Info,
    /// For those who look for a fault.
    Debug,
    /// For those who look very closely.
    Trace,
}

impl Level {
    /// Every level, in the order of their numbers in the ABI.
    pub const ALL: [Level; 5] =
        [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
}

/// What a codec of the host says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecInfo {
    /// The capability's name.
    pub name: String,
    /// Its media types, the preferred one first.
    pub media_types: Vec<String>,
}
