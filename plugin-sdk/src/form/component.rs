//! The component form: the exports of a WIT world, by bindings that are generated once and
//! checked in, so that authors compile no generator.
//!
//! # How a component gets its world
//!
//! A component's type comes from `component-type` sections that the linker finds in the core
//! module, and merges: an export that two of them list is one. `bindings.rs`, generated for the
//! world of all kinds, `plugin`, holds one that lists the imports only; the linker leaves out those
//! that the code does not call. `worlds.rs` has one section for each kind, which lists the exports
//! of the kind and of the lifecycle. Each is a macro: [`export!`](crate::export) expands those of
//! the plugin's kinds, and the entry functions of their interfaces, into the plugin's own crate.
//!
//! `keyvalue.rs` is of a world of its own, `wit/keyvalue.wit`, so that the imports of `state` are no part of ours.
//!
//! `tests/bindings.rs` generates these files again and compares.

#[rustfmt::skip]
#[allow(
    warnings, clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks,
    reason = "generated"
)]
pub mod bindings;
#[rustfmt::skip]
#[allow(
    warnings, clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks,
    reason = "generated"
)]
mod keyvalue;
mod state;
#[rustfmt::skip]
mod worlds;

pub(crate) use state::Bucket;

use std::marker::PhantomData;
use std::sync::{Once, OnceLock};
use std::time::Duration;

use bindings::exports::plugbay::plugin::lifecycle;
use bindings::plugbay::plugin as wit;

use super::advice;
use crate::codecs::CodecInfo;
use crate::exported::{Exported, Info};
use crate::log::Level;
use crate::metrics::{Metric, MetricKind};
use crate::plugin::{Config, Plugin};
use crate::{Error, ErrorKind, Result};

/// A plugin with a place for its one instance, which `init` makes. `export!` implements it, as
/// there are no generic statics.
pub trait InstanceCell: Exported + Sized {
    /// The place.
    fn cell() -> &'static OnceLock<Self>;
}

/// The plugin `P` behind the WIT world.
pub struct Component<P>(PhantomData<P>);

pub(crate) fn instance<P: InstanceCell + 'static>() -> Result<&'static P> {
    P::cell()
        .get()
        .ok_or_else(|| Error::internal("expected init to be called first, found no instance"))
}

impl<P: Plugin + InstanceCell> lifecycle::Guest for Component<P> {
    fn describe() -> wit::types::Description {
        report_panics();
        let capabilities = P::INFOS.iter().map(|info| {
            let Info { kind, name, description, media_types, routes, .. } = info();
            wit::types::Capability {
                kind: kind.into(),
                name: name.into(),
                description: description.into(),
                media_types: media_types.iter().copied().map(String::from).collect(),
                routes: (routes.iter())
                    .map(|route| wit::types::Route {
                        methods: route.methods().iter().copied().map(String::from).collect(),
                        path: route.path().into(),
                    })
                    .collect(),
            }
        });
        wit::types::Description {
            name: P::NAME.into(),
            version: P::VERSION.into(),
            description: P::DESCRIPTION.into(),
            capabilities: capabilities.collect(),
            config_schema: P::Config::schema(),
        }
    }

    fn init(config: String) -> Result<(), wit::types::Error> {
        report_panics();
        let plugin =
            P::Config::parse(&config).and_then(P::new).map_err(to_host(ErrorKind::Internal))?;
        P::cell().set(plugin).map_err(|_| {
            wit::types::Error::Internal("expected one call of init, found a second".into())
        })
    }

    fn health() -> Result<(), wit::types::Error> {
        instance::<P>().and_then(P::health).map_err(to_host(ErrorKind::Internal))
    }

    fn shutdown() {
        if let Ok(plugin) = instance::<P>() {
            plugin.shutdown();
        }
    }
}

/// Sends the message of a panic to the host, which otherwise sees only a trap. The host makes it the
/// message of the call's error.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let mut message = panic.to_string();
            if let Some(advice) = advice::of_panic(&message) {
                message.push_str(" (");
                message.push_str(advice);
                message.push(')');
            }
            log(Level::Error, &message, &[("panic", "true")])
        }));
    });
}

/// Converts an error of the plugin for the host; `default` is the kind of an error without one.
pub(crate) fn to_host(default: ErrorKind) -> impl Fn(Error) -> wit::types::Error {
    move |error| {
        let (kind, message) = error.into_parts(default);
        match kind {
            ErrorKind::InvalidInput => wit::types::Error::InvalidInput(message),
            ErrorKind::Unsupported => wit::types::Error::Unsupported(message),
            ErrorKind::Unavailable => wit::types::Error::Unavailable(message),
            ErrorKind::Internal => wit::types::Error::Internal(message),
        }
    }
}

/// Converts an error that the host returned.
fn from_host(error: wit::types::Error) -> Error {
    match error {
        wit::types::Error::InvalidInput(message) => Error::invalid_input(message),
        wit::types::Error::Unsupported(message) => Error::unsupported(message),
        wit::types::Error::Unavailable(message) => Error::unavailable(message),
        wit::types::Error::Internal(message) => Error::internal(message),
    }
}

fn level(level: Level) -> wit::log::Level {
    match level {
        Level::Error => wit::log::Level::Error,
        Level::Warn => wit::log::Level::Warn,
        Level::Info => wit::log::Level::Info,
        Level::Debug => wit::log::Level::Debug,
        Level::Trace => wit::log::Level::Trace,
    }
}

pub(crate) fn log(at: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> =
        fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    wit::log::write(level(at), message, &fields);
}

pub(crate) fn log_enabled(at: Level) -> bool {
    wit::log::enabled(level(at))
}

pub(crate) fn metric_add(name: &str, delta: u64) {
    wit::metrics::add(name, delta);
}

pub(crate) fn metric_set(name: &str, value: f64) {
    wit::metrics::set(name, value);
}

pub(crate) fn metric_observe(name: &str, value: f64) {
    wit::metrics::observe(name, value);
}

pub(crate) fn metric_describe(name: &str, metric: &Metric<'_>) -> Result<()> {
    let kind = match metric.kind {
        MetricKind::Counter => wit::metrics::Kind::Counter,
        MetricKind::Gauge => wit::metrics::Kind::Gauge,
        MetricKind::Histogram => wit::metrics::Kind::Histogram,
    };
    let Metric { help, unit, buckets, .. } = *metric;
    wit::metrics::describe(name, kind, help, unit, buckets).map_err(from_host)
}

pub(crate) fn request_id() -> Option<String> {
    wit::call::request_id()
}

pub(crate) fn generation() -> Option<u64> {
    wit::call::generation()
}

pub(crate) fn trace_parent() -> Option<String> {
    wit::call::trace_parent()
}

pub(crate) fn trace_state() -> Option<String> {
    wit::call::trace_state()
}

pub(crate) fn time_left() -> Option<Duration> {
    wit::call::time_left().map(Duration::from_nanos)
}

pub(crate) fn codecs() -> Vec<CodecInfo> {
    wit::codecs::available()
        .into_iter()
        .map(|codec| CodecInfo { name: codec.name, media_types: codec.media_types })
        .collect()
}

pub(crate) fn encode(name: &str, document: &[u8]) -> Result<Vec<u8>> {
    wit::codecs::encode(name, document).map_err(from_host)
}

pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    wit::codecs::decode(name, bytes).map_err(from_host)
}
