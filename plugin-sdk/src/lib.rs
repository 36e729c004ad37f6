//! Write a Plugbay plugin: implement a trait, export it once.
//!
//! ```
//! use plugbay_sdk::prelude::*;
//!
//! /// JSON (RFC 8259).
//! struct Json;
//!
//! impl Plugin for Json {
//!     const NAME: &'static str = "json";
//!     const DESCRIPTION: &'static str = "JSON text (RFC 8259)";
//!     type Config = ();
//!     fn new((): ()) -> Result<Self> { Ok(Json) }
//! }
//!
//! impl Codec for Json {
//!     const NAME: &'static str = "json";
//!     const MEDIA_TYPES: &'static [&'static str] = &["application/json"];
//!     fn encode(&self, document: &Document) -> Result<Vec<u8>> { Ok(serde_json::to_vec(document)?) }
//!     fn decode(&self, bytes: &[u8]) -> Result<Document> { Ok(serde_json::from_slice(bytes)?) }
//! }
//!
//! export!(Json: codec);
//! # fn main() {}
//! ```
//!
//! That is the whole plugin. A plugin has one of three forms, which the build decides:
//!
//! | form | built by | what `export!` writes |
//! |---|---|---|
//! | component | a wasm target | the exports of the WIT world of each kind |
//! | native library | any other target, `crate-type = ["cdylib"]` | a header and an entry symbol |
//! | linked crate | any other target, the SDK's feature `linked` | a registration that the host finds |
//!
//! # Table of contents
//!
//! * [`Plugin`]: name, configuration, lifecycle; [`Config`]: the types that a configuration can have;
//! * [`Codec`] with [`Document`], and [`Handler`] with [`Request`], [`Response`] and [`Route`]:
//!   the two kinds;
//! * [`export!`]: makes the crate a plugin;
//! * [`Error`], [`ErrorKind`], [`bail!`], [`ensure!`]: failures, and whose fault they are;
//! * [`mod@log`], [`metrics`], [`codecs`], [`call`]: what the host offers during a call;
//! * [`state`]: what the host keeps for the plugin;
//! * [`prelude`]: what most plugins use.
//!
//! Inside, no module imports one above it: `export` (the macro, and what it writes for each form)
//! → `kind` (the list of kinds, and a module for each) → `form` (component and native) →
//! `exported` (the trait that the macro implements) → `plugin`, `route`, `error`.
//!
//! # The rules that matter
//!
//! * An error's kind says whose fault it is. An error without a kind gets one from the function
//!   that returns it.
//! * A panic never takes the host down: a component's instance is thrown away, a native one's
//!   call fails. The host logs the message in both cases.
//! * Nothing is granted that the operator does not grant. The plainest components ("pure": built
//!   for `wasm32-unknown-unknown`) have no clock, no files and no environment at all.
//!
//! # What it weighs
//!
//! Components of the release profile `opt-level = "s"`, `lto`, `strip`, built for
//! `wasm32-unknown-unknown`: 29 KB for a handler that answers with a text, 37 KB for a codec that
//! passes CBOR on, 108 KB for the JSON codec above (`serde_json` is the rest), 175 KB for both kinds
//! with a configuration of its own. A component imports `log`, for the message of a panic, and
//! `types`; `metrics`, `codecs`, `call` and `wasi:keyvalue` only if it calls them.
//!
//! With `default-features = false` the SDK of a component compiles neither `schemars` nor
//! `serde_json`; [`Plugin::Config`] is `()` then, and [`Response`] has no `json`.

pub mod call;
pub mod codecs;
mod error;
mod export;
mod exported;
mod form;
mod kind;
pub mod log;
pub mod metrics;
mod plugin;
mod route;
pub mod state;

pub use error::{Error, ErrorKind, Result};
pub use kind::api::*;
pub use plugbay_document as document;
pub use plugbay_document::Document;
pub use plugin::{Config, Plugin};
pub use route::Route;

/// What most plugins use: `use plugbay_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::kind::api::*;
    pub use crate::{
        Document, Error, ErrorKind, Plugin, Result, Route, bail, call, codecs, debug, ensure,
        error, export, info, metrics, trace, warn,
    };
}

/// What the code that [`export!`] writes refers to. Not for anything else.
#[doc(hidden)]
pub mod __private {
    pub use crate::exported::{Exported, Info};
    pub use crate::form::*;
    pub use crate::kind::*;
    pub use wit_bindgen::rt;
}

#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-a-plugin.md")]
mod guide {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/state.md")]
mod state_guide {}
