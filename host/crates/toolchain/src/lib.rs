//! The one room that knows how a guest component is built.
//!
//! A plugin is ordinary Rust compiled for WebAssembly, and a fresh machine seldom has all that this
//! takes: a standard library for the target, and a linker that turns a core module into a component.
//! [`Toolchain::find`] settles where they come from; [`Build`] then drives cargo and says which files
//! it made. `cargo xtask`, `plugbay build` and the tests all go through here, so that they cannot
//! disagree.
//!
//! # The order in which ways are tried
//!
//! 1. The active Rust toolchain has the target: plain cargo.
//! 2. rustup may add the target: one bounded try a day, its failure remembered in the cache folder.
//!    With `RUSTUP_AUTO_INSTALL=0` the user has said no to installations, so this is left out.
//! 3. Debian's own Rust is there, with the source of its standard library: that library is built once
//!    into a folder of the cache, and plain cargo is pointed at it.
//! 4. We are root on a Debian-like system, and the user [consents](apt::Consent): its packages are
//!    installed, then as in 3.
//! 5. An error that names both remedies, command by command.
//!
//! The choice itself is a pure function of what was found ([`decide()`]), kept apart from the looking.
//!
//! # Which target
//!
//! [`Target::Pure`] is a component that imports nothing but Plugbay's own interfaces; [`Target::Wasi`]
//! is for plugins that need clocks, files or sockets. The plugin's manifest says which, under
//! `[package.metadata.plugbay] target = "pure" | "wasi"`; without a word it is pure.
//!
//! # What is deliberately absent
//!
//! No part of the environment of a surrounding cargo reaches the guest's build (see
//! [`environment`]), and guests never share a target folder, hence a lock, with the host.

#![forbid(unsafe_code)]

pub mod apt;
mod build;
mod debian;
mod decide;
pub mod environment;
mod error;
mod fresh;
mod lock;
mod manifest;
mod memo;
mod run;
mod rustup;
mod std_library;
mod target;
mod toolchain;

pub use build::{Build, Built};
pub use decide::{Debian, Found, MayAdd, Rustup, Step, decide};
pub use error::{BuildError, BuildErrorKind, NoWay, ToolchainError, ToolchainErrorKind};
pub use manifest::Plugin;
pub use target::Target;
pub use toolchain::{Options, Toolchain, Way};
