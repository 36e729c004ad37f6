//! The types that all parts of Plugbay share, and the parts that both runtimes need.
//!
//! A file or a linked crate is an [`Artifact`], identified by its [`Digest`]. A [`Runtime`]
//! recognizes it and makes it [`Prepared`]: compiled, with its version checked, able to
//! [describe](Description) itself. Started with a [`Policy`] and a configuration it is a
//! [`Plugin`], which has a [`Provider`] for each [capability](CapabilityKey) that it described. A
//! [`Kind`] defines the interface of a capability. Some are [built in](BUILT_IN), and an application
//! defines its own in the same way.
//!
//! In both runtimes, calls that need an instance or another limited resource wait in a
//! [`WaitQueue`]; a [`Bulkhead`] is such a queue and the number of calls that run at once.
//!
//! There are two types of errors. A [`Refusal`] says why an artifact does not run; a [`CallError`]
//! says why a call got no answer. Both have a stable `reason()`.
//!
//! # What is deliberately absent
//!
//! This crate has no engine, no dynamic loading, no async runtime and no I/O: it does not depend on
//! wasmtime, libloading or tokio, and a runtime can be written against it alone.

#![forbid(unsafe_code)]

mod artifact;
mod bulkhead;
mod call;
mod context;
mod correlation;
mod cut;
mod description;
mod digest;
mod durations;
mod escaped;
mod grants;
mod guest_log;
pub mod kind;
mod machine_code;
mod metrics;
mod name;
mod notice;
#[cfg(feature = "openapi")]
mod openapi;
mod plugin;
mod policy;
mod private;
mod refusal;
mod rounded;
pub mod trace;
mod upstream;
mod wait_queue;

pub use artifact::{Artifact, Source};
pub use bulkhead::{Bulkhead, Place};
pub use call::{Blame, CallError, CallErrorKind};
pub use context::{Cancel, CodecInfo, Context, MAX_DEPTH, NoServices, OwnedContext, Services};
pub use correlation::{Correlation, RequestId, RequestIdError};
pub use cut::cut;
pub use description::{CapabilityDescription, Description, DescriptionError, RouteDescription};
pub use digest::{Digest, ParseDigestError};
pub use durations::{DurationStats, Durations};
pub use escaped::{escaped, push_json_string};
pub use grants::{Environment, FolderGrant, Grant, Grants, HostPattern, NetworkGrant, StateGrant};
pub use guest_log::{LineOrigin, LogLevel, MAX_LOG_FIELDS, MAX_LOG_TEXT, write_log, write_output};
pub use kind::built_in::*;
pub use kind::{BUILT_IN, BuiltIn, CapabilityKey, Kind, Provider};
pub use machine_code::{MachineCode, MachineFunction};
pub use metrics::{
    Bucket, GuestMetric, GuestMetrics, MAX_BUCKETS, MAX_METRIC_HELP, MetricDescription,
    MetricError, MetricKind, MetricValue,
};
pub use name::{MAX_NAME, NameError, check_name, key_part};
pub use notice::{Notice, Observer, Unobserved};
pub use plugbay_document as document;
pub use plugin::{
    Identity, Plugin, PluginStats, Prepared, Runtime, StartPlugin, WorkerStatus, split_label,
};
pub use policy::{Isolation, Policy, Protection, Reuse};
pub use private::private_folder;
pub use refusal::{Reason, Refusal};
pub use rounded::rounded;
pub use trace::{TraceParent, TraceParentError};
pub use upstream::UpstreamRejection;
pub use wait_queue::{CANCEL_CHECK, WaitError, WaitQueue, overloaded};
