//! The component form: the exports of a WIT world, by bindings that are generated once and
//! checked in, so that authors compile no generator.
//!
//! # How a component gets its world
//!
//! A component's type comes from `component-type` sections that the linker finds in the core
//! module, merged. `bindings.rs`, generated for the world `plugin`, holds one that lists the
//! imports only; whatever of them the code does not call, the linker leaves out. The exports are
//! listed by a second section, of which there is one per world in `worlds.rs`, as macros:
//! [`export!`](crate::export) expands the one that fits, and the entry functions of its
//! interfaces, into the plugin's own crate.
//!
//! `tests/bindings.rs` generates both files anew and compares.

#[rustfmt::skip]
#[allow(
    warnings, clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks,
    reason = "generated"
)]
pub mod bindings;
#[rustfmt::skip]
mod worlds;

use std::marker::PhantomData;
use std::sync::{Once, OnceLock};

use bindings::exports::plugbay::plugin::{codec, handler, lifecycle};
use bindings::plugbay::plugin as wit;

use crate::codecs::CodecInfo;
use crate::export::{self, Exported, Info};
use crate::log::Level;
use crate::plugin::Config;
use crate::{Document, Error, Kind, Request, Response, Result};

/// The exports of the world that fits the capabilities.
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    ($plugin:ident codec) => {
        $crate::__form!($plugin: lifecycle codec);
        $crate::__world_codec_plugin!();
    };
    ($plugin:ident handler) => {
        $crate::__form!($plugin: lifecycle handler);
        $crate::__world_handler_plugin!();
    };
    ($plugin:ident both) => {
        $crate::__form!($plugin: lifecycle codec handler);
        $crate::__world_plugin!();
    };
    ($plugin:ident: $($interface:ident)+) => {
        impl $crate::__private::Kept for $plugin {
            fn cell() -> &'static ::std::sync::OnceLock<Self> {
                static CELL: ::std::sync::OnceLock<$plugin> = ::std::sync::OnceLock::new();
                &CELL
            }
        }
        type PlugbayComponent = $crate::__private::Component<$plugin>;
        $($crate::__interface!($interface PlugbayComponent);)+
    };
}

/// The entry functions of one interface.
#[doc(hidden)]
#[macro_export]
macro_rules! __interface {
    (lifecycle $component:ident) => {
        $crate::__export_plugbay_plugin_lifecycle_1_0_0_cabi!($component with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::lifecycle);
    };
    (codec $component:ident) => {
        $crate::__export_plugbay_plugin_codec_1_0_0_cabi!($component with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::codec);
    };
    (handler $component:ident) => {
        $crate::__export_plugbay_plugin_handler_1_0_0_cabi!($component with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::handler);
    };
}

/// Where the one instance is, which `init` makes.
pub trait Kept: Exported {
    /// The place; `export!` makes it, as there are no generic statics.
    fn cell() -> &'static OnceLock<Self>;
}

/// The plugin `P` behind the WIT world.
pub struct Component<P>(PhantomData<P>);

fn instance<P: Kept>() -> Result<&'static P> {
    P::cell().get().ok_or_else(|| Error::internal("expected a call of init first"))
}

impl<P: Kept> lifecycle::Guest for Component<P> {
    fn describe() -> wit::types::Description {
        report_panics();
        let capabilities = P::CAPABILITIES.iter().map(|capability| {
            let Info { kind, name, description, media_types, routes } = capability.info();
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
        let plugin = P::Config::parse(&config).and_then(P::new).map_err(outward(Kind::Internal))?;
        P::cell()
            .set(plugin)
            .map_err(|_| wit::types::Error::Internal("expected one call of init, found two".into()))
    }

    fn health() -> Result<(), wit::types::Error> {
        instance::<P>().and_then(P::health).map_err(outward(Kind::Internal))
    }

    fn shutdown() {
        if let Ok(plugin) = instance::<P>() {
            plugin.shutdown();
        }
    }
}

impl<P: Kept> codec::Guest for Component<P> {
    fn encode(index: u32, document: Vec<u8>) -> Result<Vec<u8>, wit::types::Error> {
        // The host has checked it, and the document takes the bytes as they are.
        let document = Document::from_trusted_cbor(document);
        instance::<P>()
            .and_then(|plugin| export::encode(plugin, index, &document))
            .map_err(outward(Kind::Unsupported))
    }

    fn decode(index: u32, bytes: Vec<u8>) -> Result<Vec<u8>, wit::types::Error> {
        instance::<P>()
            .and_then(|plugin| export::decode(plugin, index, &bytes))
            .map(Document::into_cbor)
            .map_err(outward(Kind::InvalidInput))
    }
}

impl<P: Kept> handler::Guest for Component<P> {
    fn handle(
        index: u32,
        request: handler::Request,
    ) -> Result<handler::Response, wit::types::Error> {
        let handler::Request { method, path, query, params, headers, body } = request;
        let request = Request { method, path, query, params, headers, body };
        let Response { status, headers, body } = instance::<P>()
            .and_then(|plugin| export::handle(plugin, index, request))
            .map_err(outward(Kind::Internal))?;
        Ok(handler::Response { status, headers, body })
    }
}

/// Lets the host see the message of a panic, which otherwise is a bare trap.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            log(Level::Error, &panic.to_string(), &[("panic", "true")])
        }));
    });
}

/// The plugin's error as the host's, where `surfacing` is what it is by default.
fn outward(surfacing: Kind) -> impl Fn(Error) -> wit::types::Error {
    move |error| {
        let (kind, message) = error.into_parts(surfacing);
        match kind {
            Kind::InvalidInput => wit::types::Error::InvalidInput(message),
            Kind::Unsupported => wit::types::Error::Unsupported(message),
            Kind::Unavailable => wit::types::Error::Unavailable(message),
            Kind::Internal => wit::types::Error::Internal(message),
        }
    }
}

/// The host's error as the plugin's.
fn inward(error: wit::types::Error) -> Error {
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

pub(crate) fn codecs() -> Vec<CodecInfo> {
    wit::codecs::available()
        .into_iter()
        .map(|codec| CodecInfo { name: codec.name, media_types: codec.media_types })
        .collect()
}

pub(crate) fn encode(name: &str, document: &[u8]) -> Result<Vec<u8>> {
    wit::codecs::encode(name, document).map_err(inward)
}

pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    wit::codecs::decode(name, bytes).map_err(inward)
}
