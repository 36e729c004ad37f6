//! Named things that can be replaced while they are in use.
//!
//! A program looks a codec up by its name, thousands of times a second, from every thread. Now and
//! then an operator drops a new version of it into a folder. From then on every lookup must give
//! the new version, every call that began on the old one must end on it, and only then may the old
//! one be torn down. This crate does that and nothing else: it knows nothing of plugins, files or
//! WASM, and can be used without them.
//!
//! ```
//! use std::time::Duration;
//! use plugbay_registry::Registry;
//!
//! let codecs = Registry::new("codec");
//! codecs.register("json", "version 1")?;
//!
//! let call = codecs.get("json")?; // a lease: the right to use this version
//! let old = codecs.replace("json", "version 2")?; // a swap, while the call runs
//!
//! assert_eq!(*codecs.get("json")?, "version 2"); // new calls get the new one,
//! assert_eq!(*call, "version 1"); // the old call ends on the old one,
//! assert!(!old.is_drained());
//! drop(call);
//! assert!(old.wait_drained(Duration::from_secs(1))); // and then it can go
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The pieces, from the bottom
//! The [`cell`] is the base of everything, and can be used without the rest:
//!
//! - [`Swap`] holds one `Arc` that many read and few replace.
//! - [`Leased`] is a value with its *lease word*: it counts the users of the value, can be closed,
//!   and reports when the last user of a closed value has gone. Its file opens with the protocol,
//!   and why its orderings are enough.
//! - [`Table`] is an immutable set of names. A lookup that misses says which names
//!   there are, and which was probably meant ([`nearest`]).
//!
//! The registry puts the three together:
//!
//! - [`Generation`] is one numbered table of leased entries: what a reader sees.
//! - [`Registry`] swaps generations. [`Changes`] reports new ones.
//! - [`linked`] fills a registry with what was linked into the program; [`global`](fn@global) keeps
//!   one per type for the process, for programs that want that.
//!
//! # The forms
//! What is registered is a type parameter, so a form is a choice of type, and the compiler keeps
//! them apart:
//!
//! | form | from | to |
//! |---|---|---|
//! | `Registry<Arc<dyn Codec>>` | a name | an implementation |
//! | [`Factories`] | a name and an input | what its constructor makes from the input |
//! | `Registry<Handler>`, `Handler` a boxed closure | a name | code to be run |
//! | [`Types`] | a document that names its type | a value of that type |
//! | [`Router`] | a method and a path | what was registered for the pattern |
//! | [`Migrator`] | rules over the names of any registries | which of them a set would break |
//!
//! The last two are plain values, built whole and then only read: put one beside a
//! table, publish both by one [`Swap`], and they belong together.
//!
//! # Features
//!
//! Both are on unless `default-features = false` says otherwise: `router` brings
//! [`router`] with the crates matchit and percent-encoding, `serde` brings
//! [`Types::register_type`] and makes migration rules serializable.
//!
//! # What is never done here
//!
//! - A lookup never locks, never waits, and never sees half of a change.
//! - A caller's code never runs while a lock is held: neither a constructor, nor the
//!   closure of an update, nor a close hook.
//! - Nothing is retired because of an `Arc` count: snapshots, status pages and
//!   error reports hold `Arc`s too. Leases are what counts.
//! - No entry is closed before it was taken out of the running generation.
//! - No file or socket, no log line, no thread, no async runtime.
//! - No unsafe code, except where a [`Swap`] gives out a value without counting a reference to it
//!   (`cell/swap/slots.rs`).
//! - A reader executes no locked instruction between finding a value and giving it back, on systems
//!   that have `membarrier`.
//!
//! # How it is checked
//!
//! Besides the tests, which any `cargo test` runs, from the workspace's root:
//!
//! ```text
//! # every interleaving of the lease word, and the reorderings its orderings allow
//! RUSTFLAGS="--cfg loom" cargo test --release -p plugbay-registry --lib loom
//!
//! # data races; std is built too (component rust-src), so that the sanitizer sees
//! # what std orders
//! RUSTFLAGS="-Zsanitizer=thread" cargo +nightly test -p plugbay-registry --tests \
//!     -Zbuild-std --target x86_64-unknown-linux-gnu
//!
//! # use after free and leaks
//! RUSTFLAGS="-Zsanitizer=address" cargo +nightly test -p plugbay-registry --tests \
//!     --target x86_64-unknown-linux-gnu
//!
//! # what a lookup costs
//! cargo bench -p plugbay-registry --bench lookup
//! ```
#![deny(unsafe_code)]

pub mod cell;
pub mod migrate;
mod names;
mod not_found;
pub mod order;
mod registry;
#[cfg(feature = "router")]
pub mod router;
pub mod types;

pub use cell::{Closed, DuplicateName, Lease, Leased, Pass, Swap, Table};
pub use migrate::Migrator;
pub use names::nearest;
pub use not_found::NotFound;
pub use registry::{
    BuildError, ChangeError, Changes, Constructor, Factories, Generation, IntoEntry, Published,
    RegisterError, RegisterErrorKind, Registry, global, linked,
};
#[cfg(feature = "router")]
pub use router::Router;
pub use types::Types;
