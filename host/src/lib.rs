//! Plugbay, an embeddable plugin runtime.
//!
//! A [`Host`] keeps a set of plugins: WASM components found in a folder, crates linked into
//! the program, bytes that the application gives. Callers ask for what plugins offer, by
//! kind and name, and never for plugins:
//!
//! ```
//! use plugbay::Host;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let host = Host::builder().plugins(folder).watch(false).build_blocking()?;
//! assert!(host.names("codec").is_empty());
//! let missed = host.codec("jsn").unwrap_err();
//! assert_eq!(missed.to_string(), r#"no codec "jsn"; known: none"#);
//! # Ok(())
//! # }
//! ```
//!
//! When a file or the configuration changes, one thread — the *reconciler* — looks again:
//! it lists the folder, reads and digests what it finds, and compares that with what runs.
//! What is new is checked, compiled, described and initialised off the request path; then
//! the whole new set, a [generation](Snapshot), is published by one atomic store. Plugins
//! that left are drained: no new call gets a lease, those under way finish, then comes
//! `shutdown`. What is refused leaves the last good version in place and is listed, with
//! the reason, in [`Status`].
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | `config.toml`, the environment and flags become one checked [`Config`] |
//! | `folder` | lists and reads the plugin folder; half-written files are "not yet" |
//! | `desired` | what the folder and the configuration ask for, clashes refused |
//! | `plan` | desired against running: unchanged, start, retire |
//! | `load` | prepares each digest once, and starts plugins, in parallel |
//! | `start` | what of each plugin is started, and what the next set is made of |
//! | `reconcile` | the only writer: looks, plans, loads |
//! | `publish` | one store makes the next set serve; what left is retired |
//! | `watch` | says "look again" when the folder or the configuration changes |
//! | `generation`, `handle`, `router` | what callers see: snapshots, typed handles, routes |
//! | `dispatch`, `spread` | a call past its plugin's guard, and on to other providers |
//! | `health`, `restarts` | plugins are asked whether they are well, and started anew |
//! | `canary`, `trials` | a new version on trial |
//! | `history` | the last generations, to go back to |
//! | `outcome` | every step ends in one closed [`Outcome`] |
//! | `status` | what runs, what was refused and why |
//!
//! # What is deliberately absent
//!
//! This library opens no socket, never reads the environment, never installs a global
//! subscriber or panic hook, and has no global state: two hosts in one process are two.

#![forbid(unsafe_code)]

mod apart;
mod assemble;
mod builder;
mod calling;
mod canary;
pub mod config;
mod desired;
mod dispatch;
mod error;
mod folder;
mod generation;
mod handle;
mod health;
mod history;
mod host;
mod hosted;
mod inspect;
mod load;
mod outcome;
mod plan;
mod publish;
mod reconcile;
mod restarts;
mod retire;
mod router;
mod services;
mod shared;
mod signal;
mod spread;
mod start;
mod status;
mod sticky;
mod stop;
mod tally;
mod trials;
mod tries;
mod watch;

pub use builder::{BuildError, Builder};
pub use calling::{CallFuture, Calling};
pub use canary::TrialStatus;
pub use config::Config;
pub use error::{Error, Numbers, RollbackError};
pub use generation::Snapshot;
pub use handle::{CodecHandle, Handle, HandlerHandle, Leased};
pub use health::HealthStatus;
pub use host::Host;
pub use inspect::{Inspection, Prospect};
pub use outcome::{Event, Events, Outcome};
pub use plugbay_core::codec::Codec;
pub use plugbay_core::handler::{Handler, Request, Response};
pub use plugbay_core::{
    CallError, CallErrorKind, Cancel, CapabilityKey, Context, Description, Digest, Environment,
    FolderGrant, Grant, Grants, HostPattern, Isolation, Kind, NetworkGrant, Notice, Plugin, Policy,
    Prepared, Protection, Provider, Reason, Refusal, Runtime, Source,
};
pub use plugbay_document::Document;
pub use plugbay_registry::NotFound;
pub use publish::Report;
pub use router::{RouteMatch, Routed};
pub use status::{
    CapabilityStatus, DrainingStatus, GenerationStatus, LibraryStatus, PluginState, PluginStatus,
    Rejected, RouteStatus, Status,
};
pub use tally::CallStatus;
pub use tries::SecondTryStatus;

/// What this program does in processes of their own: native plugins run there
/// ([`Builder::worker`]), and components are compiled there ([`Builder::compiler`]).
pub mod worker {
    use std::process::ExitCode;

    pub use plugbay_native::worker::{ARGUMENT, WorkerCommand, serve};
    pub use plugbay_wasm::compile::{ARGUMENT as COMPILER_ARGUMENT, Bounds, CompilerCommand};

    /// Does one of these if the program was started for it, as [`WorkerCommand::this_program`] and
    /// [`CompilerCommand::this_program`] do; else returns at once, with nothing.
    #[must_use = "the program should end with this code if there is one"]
    pub fn serve_if_asked() -> Option<ExitCode> {
        plugbay_native::worker::serve_if_asked().or_else(plugbay_wasm::compile::serve_if_asked)
    }
}

/// The seam for an application's own runtime: see [`Builder::runtime`].
pub mod runtime {
    pub use plugbay_core::codec::{CodecCall, CodecFuture};
    pub use plugbay_core::handler::{HandlerCall, HandlerFuture};
    pub use plugbay_core::{
        Artifact, CapabilityDescription, CodecInfo, Identity, Observer, OwnedContext, PluginStats,
        RouteDescription, Services, StartPlugin, WorkerStatus,
    };
}

/// The seam for an application's own kinds of plugin: see [`Builder::kind`].
pub mod wasm {
    pub use plugbay_wasm::{
        API_VERSIONS, AotCache, Builder, Calls, Engine, Exports, Resolve, State, WasmKind,
        WasmRuntime, codecs, log, metrics_import, scan, types, wasmtime,
    };
}
