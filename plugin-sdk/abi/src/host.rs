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

use crate::{CodecInfo, Error, Kind, Level};

/// What a host answers while a plugin's function runs, on the thread that called it.
///
/// A panic in any of these stops at the edge: the plugin sees an error, or nothing.
pub trait HostCalls {
    /// Writes a log line with fields.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// Whether lines of this level go anywhere.
    fn log_enabled(&self, level: Level) -> bool;

    /// Adds to a counter of the plugin.
    fn metric_add(&self, name: &str, delta: u64);

    /// Sets a gauge of the plugin.
    fn metric_set(&self, name: &str, value: f64);

    /// The codecs there are, sorted by name.
    fn codecs(&self) -> Vec<CodecInfo>;

    /// Writes `document` (one CBOR item) with the codec `name`.
    ///
    /// # Errors
    ///
    /// The codec's own; `Unsupported` if there is none of that name.
    fn encode(&self, name: &str, document: &[u8]) -> Result<Vec<u8>, Error>;

    /// Reads `bytes` with the codec `name` into one CBOR item.
    ///
    /// # Errors
    ///
    /// As for `encode`.
    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error>;
}

/// A host that grants nothing: for `describe`, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl HostCalls for NoHost {
    fn log(&self, _: Level, _: &str, _: &[(&str, &str)]) {}

    fn log_enabled(&self, _: Level) -> bool {
        false
    }

    fn metric_add(&self, _: &str, _: u64) {}

    fn metric_set(&self, _: &str, _: f64) {}

    fn codecs(&self) -> Vec<CodecInfo> {
        Vec::new()
    }

    fn encode(&self, name: &str, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::new(Kind::Unsupported, format!("no codec {name}: nothing is granted here")))
    }

    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.encode(name, bytes)
    }
}
