//! The words that every room of Plugbay shares, and what both runtimes need.
//!
//! A file or a linked crate is an [`Artifact`], known by its [`Digest`]. A [`Runtime`]
//! recognises it and turns it into something [`Prepared`]: compiled, its version checked,
//! able to [describe](Description) itself. Started under a [`Policy`] and a configuration
//! it is a [`Plugin`], which hands out a [`Provider`] for each [capability](CapabilityKey)
//! that it described. What a caller calls is typed by a [`Kind`]. Some are
//! [built in](BUILT_IN), an application defines its own the same way.
//!
//! Calls for which something is not free wait in a [`WaitQueue`], in either runtime; a [`Bulkhead`]
//! is such a queue and the number of calls that run at once.
//!
//! What goes wrong has two shapes. A [`Refusal`] says why an artifact does not run; a
//! [`CallError`] says why a call got no answer. Both carry a stable `reason()`.
//!
//! # What is deliberately absent
//!
//! No engine, no dynamic loading, no async runtime, no I/O: this crate never names
//! wasmtime, libloading or tokio, and a runtime may be written against it alone.

#![forbid(unsafe_code)]

mod artifact;
mod bulkhead;
mod call;
mod context;
mod cut;
mod description;
mod digest;
mod grants;
mod guest_log;
pub mod kind;
mod metrics;
mod name;
mod notice;
mod plugin;
mod policy;
mod private;
mod refusal;
mod upstream;
mod wait_queue;

pub use artifact::{Artifact, Source};
pub use bulkhead::{Bulkhead, Place};
pub use call::{Blame, CallError, CallErrorKind};
pub use context::{Cancel, CodecInfo, Context, MAX_DEPTH, OwnedContext, Services};
pub use cut::cut;
pub use description::{CapabilityDescription, Description, DescriptionError, RouteDescription};
pub use digest::{Digest, ParseDigestError};
pub use grants::{Environment, FolderGrant, Grant, Grants, HostPattern, NetworkGrant};
pub use guest_log::{LogLevel, write_log};
pub use kind::built_in::*;
pub use kind::{BUILT_IN, BuiltIn, CapabilityKey, Kind, Provider};
pub use metrics::GuestMetrics;
pub use name::{MAX_NAME, NameError, check_name};
pub use notice::{Notice, Observer, Unobserved};
pub use plugbay_document as document;
pub use plugin::{
    GuestMetric, Identity, Plugin, PluginStats, Prepared, Runtime, StartPlugin, WorkerStatus,
};
pub use policy::{Isolation, Policy, Protection, Reuse};
pub use private::private_folder;
pub use refusal::{Reason, Refusal};
pub use upstream::UpstreamRejection;
pub use wait_queue::{CANCEL_CHECK, WaitError, WaitQueue, overloaded};
