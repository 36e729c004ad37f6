//! Makes the folder of a new plugin.
//!
//! [`Scaffold::write`] makes a folder that builds and passes its own test at once: sources, cases, a
//! manifest, settings of editors, a CI workflow. The SDK is in it, as the folder `sdk`: it is not on a registry
//! yet, and a folder that names a place on its author's machine would build nowhere else (ADR 40).
//!
//! # Table of contents
//!
//! * [`Scaffold`]: what to make, of which [`Kind`] and in which [`Language`], and makes it;
//! * [`OwnPlugin`]: the same for a kind that an application defines, from its WIT;
//! * [`write_kind`]: the files of a new kind in an application;
//! * [`write_sdk`]: writes the SDK of this program into a folder that exists, over an older one.
//!
//! Everything it writes is in the program: nothing is fetched, no other program is started.

#![forbid(unsafe_code)]

mod choices;
mod files;
mod name;
mod own;
mod scaffold;
mod sdk;
mod templates;

pub use choices::{Kind, Language};
pub use files::ScaffoldError;
pub use own::{OwnPlugin, write_kind};
pub use scaffold::{Scaffold, write_sdk};
