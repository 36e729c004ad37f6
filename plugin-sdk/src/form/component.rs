//! The component form: the exports of a WIT world, by bindings that are generated once and
//! checked in, so that authors compile no generator.
//!
//! # How a component gets its world
//!
//! A component's type comes from `component-type` sections that the linker finds in the core
//! module, and merges: an export that two of them list is one. `bindings.rs`, generated for the
//! world of all kinds, `plugin`, holds one that lists the imports only; whatever of them the code
//! does not call, the linker leaves out. The exports of each kind, and the lifecycle's, are listed
//! by one more, of which there is one for each kind in `worlds.rs`, as macros:
//! [`export!`](crate::export) expands those of the plugin's kinds, and the entry functions of their
//! interfaces, into the plugin's own crate.
//!
//! `tests/bindings.rs` generates both files again and compares.

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

use bindings::exports::plugbay::plugin::lifecycle;
use bindings::plugbay::plugin as wit;

use crate::codecs::CodecInfo;
use crate::export::{Exported, Info};
use crate::log::Level;
use crate::plugin::Config;
use crate::{Error, Kind, Result};

/// The exports of a component: the lifecycle, and what each kind has.
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    (($plugin:ident) [$($kind:ident)*]) => {
        impl $crate::__private::Kept for $plugin {
            fn cell() -> &'static ::std::sync::OnceLock<Self> {
                static CELL: ::std::sync::OnceLock<$plugin> = ::std::sync::OnceLock::new();
                &CELL
            }
        }
        type PlugbayComponent = $crate::__private::Component<$plugin>;
        $crate::__export_plugbay_plugin_lifecycle_1_0_0_cabi!(PlugbayComponent with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::lifecycle);
        $($crate::__kind!($kind component PlugbayComponent);)*
    };
}

/// Where the one instance is, which `init` makes.
pub trait Kept: Exported {
    /// The place; `export!` makes it, as there are no generic statics.
    fn cell() -> &'static OnceLock<Self>;
}

/// The plugin `P` behind the WIT world.
pub struct Component<P>(PhantomData<P>);

pub(crate) fn instance<P: Kept>() -> Result<&'static P> {
    P::cell().get().ok_or_else(|| Error::internal("expected a call of init first"))
}

impl<P: Kept> lifecycle::Guest for Component<P> {
    fn describe() -> wit::types::Description {
        report_panics();
        let capabilities = P::INFOS.iter().map(|info| {
            let Info { kind, name, description, media_types, routes } = info();
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
pub(crate) fn outward(surfacing: Kind) -> impl Fn(Error) -> wit::types::Error {
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
