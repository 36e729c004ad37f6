//! Sends the spans of a host to a collector, by the OpenTelemetry protocol (OTLP) over gRPC or HTTP.
//!
//! An [`Exporter`] has one thread. Calls put their spans into a bounded queue and go on; the thread takes them in
//! batches and sends each, with further attempts, within a time limit. What does not fit into the queue, and what
//! cannot be sent in time, is dropped and counted. So a collector that is absent, hangs or refuses costs its own
//! spans, and delays neither a call nor the end of the process.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use plugbay_otlp::{Exporter, Protocol, Settings};
//!
//! let settings = Settings {
//!     endpoint: "http://127.0.0.1:4317".into(),
//!     protocol: Protocol::Grpc,
//!     service_name: "shop".into(),
//!     headers: Vec::new(),
//!     timeout: Duration::from_secs(10),
//! };
//! let exporter = Exporter::start(&settings)?;
//! let sink = exporter.sink(); // for plugbay::Builder::spans
//! // …
//! exporter.stop(Duration::from_secs(2));
//! # drop(sink);
//! # Ok::<(), plugbay_otlp::StartError>(())
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `exporter` | starts and stops the thread |
//! | `queue` | where calls leave their spans |
//! | `batches` | the thread: takes batches, and sends each in time |
//! | `transport`, `grpc`, `http` | sends one batch once, by either protocol |
//! | `send_error` | why a batch was not accepted, and whether it may be sent again |
//! | `message` | spans as messages of the protocol |
//! | `figures` | how many spans were sent and dropped, for metrics |
//! | `settings`, `error` | what an operator sets; why an exporter does not start |
//!
//! # What is deliberately absent
//!
//! TLS: a collector beside the host sends spans on. The SDK of OpenTelemetry: it reads the environment, does not say
//! how many spans it lost, and does not end an attempt that hangs (`docs/adr/0028-traces.md`). Metrics and logs.

#![forbid(unsafe_code)]

mod batches;
mod error;
mod exporter;
mod figures;
mod grpc;
mod http;
mod message;
mod queue;
mod retry_info;
mod send_error;
mod settings;
mod transport;

pub use error::StartError;
pub use exporter::Exporter;
pub use figures::{DropReason, SpanCounts};
pub use settings::{Protocol, Settings};
