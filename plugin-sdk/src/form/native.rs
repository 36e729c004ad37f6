//! The native forms: a library with an entry symbol, or a crate that registers itself.

pub use plugbay_abi::guest::vtable;
#[cfg(feature = "linked")]
pub use plugbay_abi::linked::{Linked, inventory};
pub use plugbay_abi::raw::Kind as NativeKind;
pub use plugbay_abi::{Header, Vtable};

use plugbay_abi::guest::{self, Exports};
use serde_json::json;

use crate::codecs::CodecInfo;
use crate::export::{Exported, Info};
use crate::log::Level;
use crate::plugin::Config;
use crate::{Error, Kind, Result};

/// A native library: a header in its own section, and the entry symbol.
#[cfg(not(feature = "linked"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    (($plugin:ident) $kinds:tt) => {
        $crate::__listed!($plugin $kinds);

        // SAFETY: nothing else defines this symbol, and the section holds nothing else.
        #[unsafe(export_name = "plugbay_abi")]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__plugbay"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".plugbay"))]
        pub static PLUGBAY_ABI: $crate::__private::Header = $crate::__private::Header::CURRENT;

        // SAFETY: nothing else defines this symbol.
        #[unsafe(export_name = "plugbay_entry_v2")]
        pub extern "C" fn plugbay_entry() -> *const $crate::__private::Vtable {
            static VTABLE: $crate::__private::Vtable =
                $crate::__private::vtable::<$crate::__private::Native<$plugin>>();
            &raw const VTABLE
        }
    };
}

/// A linked crate: found by the host at its start.
#[cfg(feature = "linked")]
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    (($plugin:ident) $kinds:tt) => {
        $crate::__listed!($plugin $kinds);

        $crate::__private::inventory::submit! {
            $crate::__private::Linked::new::<$crate::__private::Native<$plugin>>()
        }
    };
}

/// The list of a native plugin's kinds.
#[doc(hidden)]
#[macro_export]
macro_rules! __listed {
    ($plugin:ident [$($kind:ident)*]) => {
        impl $crate::__private::Listed for $plugin {
            const KINDS: &'static [$crate::__private::NativeKind] =
                &[$($crate::__kind!($kind native $plugin)),*];
        }
    };
}

/// What `export!` implements for a native plugin, next to [`Exported`].
pub trait Listed {
    /// The kinds of its capabilities, each once.
    const KINDS: &'static [NativeKind];
}

/// One instance of the plugin `P` behind the ABI.
pub struct Native<P>(pub(crate) P);

impl<P: Exported + Listed> Exports for Native<P> {
    const KINDS: &'static [NativeKind] = P::KINDS;

    fn describe() -> Result<Vec<u8>, plugbay_abi::Error> {
        let capabilities: Vec<_> = P::INFOS
            .iter()
            .map(|info| {
                let Info { kind, name, description, media_types, routes } = info();
                let routes: Vec<_> = routes
                    .iter()
                    .map(|route| json!({ "methods": route.methods(), "path": route.path() }))
                    .collect();
                json!({
                    "kind": kind,
                    "name": name,
                    "description": description,
                    "media_types": media_types,
                    "routes": routes,
                })
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
        P::Config::parse(config).and_then(P::new).map(Self).map_err(outward(Kind::Internal))
    }

    fn health(&self) -> Result<(), plugbay_abi::Error> {
        self.0.health().map_err(outward(Kind::Internal))
    }

    fn shutdown(&self) {
        self.0.shutdown();
    }
}

/// The plugin's error as the ABI's, where `surfacing` is what it is by default.
pub(crate) fn outward(surfacing: Kind) -> impl Fn(Error) -> plugbay_abi::Error {
    move |error| {
        let (kind, message) = error.into_parts(surfacing);
        let kind = match kind {
            Kind::InvalidInput => plugbay_abi::Kind::InvalidInput,
            Kind::Unsupported => plugbay_abi::Kind::Unsupported,
            Kind::Unavailable => plugbay_abi::Kind::Unavailable,
            Kind::Internal => plugbay_abi::Kind::Internal,
        };
        plugbay_abi::Error { kind, message }
    }
}

/// The host's error as the plugin's.
fn inward(error: plugbay_abi::Error) -> Error {
    let kind = match error.kind {
        plugbay_abi::Kind::InvalidInput => Kind::InvalidInput,
        plugbay_abi::Kind::Unsupported => Kind::Unsupported,
        plugbay_abi::Kind::Unavailable => Kind::Unavailable,
        plugbay_abi::Kind::Internal | plugbay_abi::Kind::Panicked | plugbay_abi::Kind::Contract => {
            Kind::Internal
        }
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

pub(crate) fn codecs() -> Vec<CodecInfo> {
    let info = |codec: plugbay_abi::CodecInfo| CodecInfo {
        name: codec.name,
        media_types: codec.media_types,
    };
    guest::codecs().into_iter().map(info).collect()
}

pub(crate) fn encode(name: &str, document: &[u8]) -> Result<Vec<u8>> {
    guest::encode(name, document).map(plugbay_abi::Buffer::into_vec).map_err(inward)
}

pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    guest::decode(name, bytes).map(plugbay_abi::Buffer::into_vec).map_err(inward)
}
