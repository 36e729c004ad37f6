//! The caller's side: a plugin and its instances, safe to use.
//!
//! ```no_run
//! # fn entry() -> *const plugbay_abi::Vtable { std::ptr::null() }
//! use plugbay_abi::host::{Guest, NoHost};
//!
//! // SAFETY: `entry` is the function `plugbay_entry_v2` of a library that stays loaded.
//! let guest = unsafe { Guest::from_raw(entry()) }?;
//! let description = guest.describe(&NoHost)?;
//! let instance = guest.create(&NoHost, "{}")?;
//! let text = instance.encode(&NoHost, 0, &[0xf6])?;
//! instance.shutdown(&NoHost);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod guest;
pub(crate) mod incompatible;
mod table;

pub use guest::{Guest, Instance};
pub use incompatible::Incompatible;
pub(crate) use table::host_ref;

use std::time::Instant;

use crate::{CodecInfo, Error, ErrorKind, Level, Metric};

/// The host's functions that a plugin can call during a call, on the thread of the call.
///
/// A panic in any of them is caught: the plugin gets an error if the function returns a result.
pub trait HostCalls {
    /// Writes a log line with fields.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// Whether the host records lines of this level.
    fn log_enabled(&self, level: Level) -> bool;

    /// Adds to a counter of the plugin.
    fn metric_add(&self, name: &str, delta: u64);

    /// Sets a gauge of the plugin.
    fn metric_set(&self, name: &str, value: f64);

    /// Counts a value in a histogram of the plugin.
    fn metric_observe(&self, name: &str, value: f64);

    /// Describes a metric of the plugin.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the description breaks a rule or differs from an earlier one; `Unsupported` if
    /// the plugin has too many metrics.
    fn metric_describe(&self, name: &str, metric: &Metric<'_>) -> Result<(), Error>;

    /// The host's codecs, sorted by name.
    fn codecs(&self) -> Vec<CodecInfo>;

    /// Writes `document` (one CBOR item) with the codec `name`.
    ///
    /// # Errors
    ///
    /// The codec's own; `Unsupported` if the host has no codec `name`.
    fn encode(&self, name: &str, document: &[u8]) -> Result<Vec<u8>, Error>;

    /// Reads `bytes` with the codec `name` into one CBOR item.
    ///
    /// # Errors
    ///
    /// As for `encode`.
    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error>;

    /// The call of a capability that the plugin serves; nothing is known of one outside of such a call.
    fn call(&self) -> CallInfo<'_>;
}

/// What a plugin can ask about the call that it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallInfo<'a> {
    /// The id of the request that the call belongs to.
    pub request_id: Option<&'a str>,
    /// The number of the generation with which the call began.
    pub generation: Option<u64>,
    /// The request's place in a trace, as the header field `traceparent` has it.
    pub trace_parent: Option<&'a str>,
    /// What other tracing systems added to the trace, as the header field `tracestate` has it.
    pub trace_state: Option<&'a str>,
    /// The deadline of the call.
    pub deadline: Option<Instant>,
}

/// A host that offers nothing: for `describe`, for `destroy`, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl HostCalls for NoHost {
    fn log(&self, _: Level, _: &str, _: &[(&str, &str)]) {}

    fn log_enabled(&self, _: Level) -> bool {
        false
    }

    fn metric_add(&self, _: &str, _: u64) {}

    fn metric_set(&self, _: &str, _: f64) {}

    fn metric_observe(&self, _: &str, _: f64) {}

    fn metric_describe(&self, _: &str, _: &Metric<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn codecs(&self) -> Vec<CodecInfo> {
        Vec::new()
    }

    fn encode(&self, name: &str, _: &[u8]) -> Result<Vec<u8>, Error> {
        let message = format!("expected no use of codecs here, found a call of the codec {name}");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.encode(name, bytes)
    }

    fn call(&self) -> CallInfo<'_> {
        CallInfo::default()
    }
}
