//! The native forms: a library with an entry symbol, or a crate that registers itself.

mod state;

pub(crate) use state::Bucket;

pub use plugbay_abi::guest::vtable;
pub(crate) use plugbay_abi::guest::{generation, request_id, time_left, trace_parent, trace_state};
#[cfg(feature = "linked")]
pub use plugbay_abi::linked::{Linked, inventory};
pub use plugbay_abi::raw::Kind as NativeKind;
pub use plugbay_abi::{Header, Vtable};

use plugbay_abi::guest::{self, Exports};
use serde_json::json;

use crate::codecs::CodecInfo;
use crate::exported::{Exported, Info};
use crate::log::Level;
use crate::metrics::{Metric, MetricKind};
use crate::plugin::{Config, Plugin};
use crate::{Error, ErrorKind, Result};

/// The kinds that a native plugin offers. `export!` implements it, next to [`Exported`].
pub trait NativeKinds {
    /// The kinds of its capabilities, each once.
    const KINDS: &'static [NativeKind];
}

/// One instance of the plugin `P` behind the ABI.
pub struct Native<P>(pub(crate) P);

impl<P: Plugin + Exported + NativeKinds> Exports for Native<P> {
    const KINDS: &'static [NativeKind] = P::KINDS;

    fn describe() -> Result<Vec<u8>, plugbay_abi::Error> {
        let capabilities: Vec<_> = P::INFOS
            .iter()
            .map(|info| {
                let Info { kind, name, description, media_types, routes, nonblocking } = info();
                let routes: Vec<_> = routes
                    .iter()
                    .map(|route| json!({ "methods": route.methods(), "path": route.path() }))
                    .collect();
                let mut described = json!({
                    "kind": kind,
                    "name": name,
                    "description": description,
                    "media_types": media_types,
                    "routes": routes,
                });
                if nonblocking {
                    described["nonblocking"] = true.into();
                }
                described
            })
            .collect();
        // The derived schema is JSON; `null` stands for none.
        let schema = P::Config::schema().and_then(|schema| serde_json::from_str(&schema).ok());
        let description = json!({
            "name": P::NAME,
            "version": P::VERSION,
            "description": P::DESCRIPTION,
            "capabilities": capabilities,
            "config_schema": schema.unwrap_or(serde_json::Value::Null),
        });
        Ok(description.to_string().into_bytes())
    }

    fn create(config: &str) -> Result<Self, plugbay_abi::Error> {
        P::Config::parse(config).and_then(P::new).map(Self).map_err(to_host(ErrorKind::Internal))
    }

    fn health(&self) -> Result<(), plugbay_abi::Error> {
        self.0.health().map_err(to_host(ErrorKind::Internal))
    }

    fn shutdown(&self) {
        self.0.shutdown();
    }
}

/// Converts an error of the plugin for the host; `default` is the kind of an error without one.
pub(crate) fn to_host(default: ErrorKind) -> impl Fn(Error) -> plugbay_abi::Error {
    move |error| {
        let (kind, message) = error.into_parts(default);
        let kind = match kind {
            ErrorKind::InvalidInput => plugbay_abi::ErrorKind::InvalidInput,
            ErrorKind::Unsupported => plugbay_abi::ErrorKind::Unsupported,
            ErrorKind::Unavailable => plugbay_abi::ErrorKind::Unavailable,
            ErrorKind::Internal => plugbay_abi::ErrorKind::Internal,
        };
        plugbay_abi::Error { kind, message }
    }
}

/// Converts an error that the host returned.
fn from_host(error: plugbay_abi::Error) -> Error {
    let kind = match error.kind {
        plugbay_abi::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        plugbay_abi::ErrorKind::Unsupported => ErrorKind::Unsupported,
        plugbay_abi::ErrorKind::Unavailable => ErrorKind::Unavailable,
        plugbay_abi::ErrorKind::Internal
        | plugbay_abi::ErrorKind::Panicked
        | plugbay_abi::ErrorKind::Contract => ErrorKind::Internal,
    };
    Error::new(kind, error.message)
}

fn level(level: Level) -> plugbay_abi::Level {
    match level {
        Level::Error => plugbay_abi::Level::Error,
        Level::Warn => plugbay_abi::Level::Warn,
        Level::Info => plugbay_abi::Level::Info,
        Level::Debug => plugbay_abi::Level::Debug,
        Level::Trace => plugbay_abi::Level::Trace,
    }
}

pub(crate) fn log(at: Level, message: &str, fields: &[(&str, &str)]) {
    guest::log(level(at), message, fields);
}

pub(crate) fn log_enabled(at: Level) -> bool {
    guest::log_enabled(level(at))
}

pub(crate) fn metric_add(name: &str, delta: u64) {
    guest::metric_add(name, delta);
}

pub(crate) fn metric_set(name: &str, value: f64) {
    guest::metric_set(name, value);
}

pub(crate) fn metric_observe(name: &str, value: f64) {
    guest::metric_observe(name, value);
}

pub(crate) fn metric_describe(name: &str, metric: &Metric<'_>) -> Result<()> {
    let kind = match metric.kind {
        MetricKind::Counter => plugbay_abi::MetricKind::Counter,
        MetricKind::Gauge => plugbay_abi::MetricKind::Gauge,
        MetricKind::Histogram => plugbay_abi::MetricKind::Histogram,
    };
    let Metric { help, unit, buckets, .. } = *metric;
    let metric = plugbay_abi::Metric { kind, help, unit, buckets };
    guest::metric_describe(name, &metric).map_err(from_host)
}

pub(crate) fn codecs() -> Vec<CodecInfo> {
    let info = |codec: plugbay_abi::CodecInfo| CodecInfo {
        name: codec.name,
        media_types: codec.media_types,
    };
    guest::codecs().into_iter().map(info).collect()
}

pub(crate) fn encode(name: &str, document: &[u8]) -> Result<Vec<u8>> {
    guest::encode(name, document).map(plugbay_abi::Buffer::into_vec).map_err(from_host)
}

pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    guest::decode(name, bytes).map(plugbay_abi::Buffer::into_vec).map_err(from_host)
}
