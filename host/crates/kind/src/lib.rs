//! An application's own kind of plugin: from a WIT interface to the Rust code of both sides.
//!
//! [`OwnKind::read`] reads a WIT file and checks that its interface is one that a kind can have. From it
//! [`OwnKind::host_code`] writes what an application needs (the macro `plugbay::kind!` puts it into a module), and
//! [`OwnKind::guest_code`] what a plugin in Rust needs, beside the bindings of `wit-bindgen` (`plugbay new --kind`
//! writes both).
//!
//! # Table of contents
//!
//! * `read`: from text to an [`OwnKind`], or a [`KindError`];
//! * `types`: the Rust type of a WIT type, and values of it for examples and tests;
//! * `host`: the code of the application;
//! * `guest`: the code of a plugin.
//!
//! # What an interface of a kind can have
//!
//! Functions whose parameters and results are values: numbers, texts, lists, options, results, tuples, records, variants
//! and enums. Resources, streams and futures are refused, because they would outlive the call that a host bounds; flags
//! and maps, because not every language has them. A first parameter `capability: u32` gets the index of the capability in
//! the plugin's description, by which a plugin with several capabilities of the kind tells which is called. An error type
//! `use plugbay:plugin/types@1.0.0.{error}` becomes the error of the call.

#![forbid(unsafe_code)]
#![expect(
    clippy::format_collect,
    reason = "the texts of a generator are short, and read better whole"
)]

mod guest;
mod host;
mod read;
mod types;

pub use read::{KindError, OwnKind};
pub use types::Sample;
