//! Builds plugins.
//!
//! A plugin is ordinary Rust compiled for WebAssembly. That needs a standard library for the target,
//! and a linker that turns a core module into a component; a fresh machine may lack both.
//! [`Toolchain::find`] finds or installs them; [`Build`] then runs cargo and returns the files that it
//! built. `cargo xtask`, `plugbay build` and the tests all use this crate, so that they build in the
//! same way.
//!
//! # The order in which toolchains are tried
//!
//! 1. The active Rust toolchain, if it has the target.
//! 2. The same, after rustup has added the target. It is tried at most once a day, with a time limit;
//!    a failure is recorded in the cache folder. With `RUSTUP_AUTO_INSTALL=0` it is not tried.
//! 3. Debian's own Rust, if it is installed with the source of its standard library. The library is
//!    built once, into the cache folder.
//! 4. The same, after its packages have been installed, if the process runs as root on a Debian-like
//!    system and the user [consents](apt::Consent).
//! 5. Else there is an error with both remedies, command by command.
//!
//! The choice is a pure function of what was found on the machine ([`decide()`]).
//!
//! # Which target
//!
//! [`Target::Pure`] is a component that imports nothing but Plugbay's own interfaces; [`Target::Wasi`]
//! is for plugins that need clocks, files or sockets; [`Target::Native`] is a shared library for this machine.
//! The plugin's manifest says which, under `[package.metadata.plugbay] target = "pure" | "wasi" | "native"`; the
//! default is pure.
//!
//! # Which language
//!
//! [`Project`] is the folder of one plugin, and knows its language by its manifest: `Cargo.toml` for Rust,
//! `plugbay.toml` for the others.
//!
//! # What is deliberately absent
//!
//! The environment of a surrounding cargo does not reach the guest's build (see [`environment`]), and
//! guests never share a target folder, and so a lock, with the host.

#![forbid(unsafe_code)]

pub mod apt;
mod build;
mod c;
mod compiler;
mod debian;
mod decide;
pub mod environment;
mod error;
mod fresh;
mod js;
mod lock;
mod manifest;
mod memo;
mod project;
mod run;
mod rustup;
mod std_library;
mod target;
mod toolchain;

pub use build::{Build, Built};
pub use decide::{Debian, Found, MayAdd, Rustup, Step, decide};
pub use error::{BuildError, BuildErrorKind, NoToolchain, ToolchainError, ToolchainErrorKind};
pub use manifest::Plugin;
pub use project::{Artifact, Language, Project, install};
pub use target::Target;
pub use toolchain::{Options, Toolchain, ToolchainSource};
