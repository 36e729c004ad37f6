//! What [`export!`](crate::export) writes, and the table of capabilities that it fills.

use crate::{Codec, Document, Error, Handler, Plugin, Request, Response, Result, Route};

/// Makes the crate a plugin. Once per crate, at its top level.
///
/// What stands before the colon is the type that implements [`Plugin`]. What follows are its
/// capabilities: `codec` or `handler` when the type itself is one, and `codec FIELD` or
/// `handler FIELD` when a field of it is.
///
/// ```
/// # use plugbay_sdk::prelude::*;
/// # struct Csv; struct Tsv; struct Stats;
/// # macro_rules! codec { ($($t:ident $n:literal),*) => { $(impl Codec for $t {
/// #     const NAME: &'static str = $n;
/// #     fn encode(&self, d: &Document) -> Result<Vec<u8>> { Ok(d.as_cbor().to_vec()) }
/// #     fn decode(&self, b: &[u8]) -> Result<Document> { Ok(Document::from_cbor(b)?) }
/// # })* } }
/// # codec!(Csv "csv", Tsv "tsv");
/// # impl Handler for Stats {
/// #     const NAME: &'static str = "stats";
/// #     fn handle(&self, _: Request) -> Result<Response> { Ok(Response::text("none")) }
/// # }
/// # impl Plugin for Tabular {
/// #     const NAME: &'static str = "tabular";
/// #     const DESCRIPTION: &'static str = "tables as text";
/// #     type Config = ();
/// #     fn new((): ()) -> Result<Self> { Ok(Tabular { csv: Csv, tsv: Tsv, stats: Stats }) }
/// # }
/// struct Tabular { csv: Csv, tsv: Tsv, stats: Stats }
///
/// export!(Tabular: codec csv, codec tsv, handler stats);
/// # fn main() {}
/// ```
///
/// The plugin's version is its crate's. In a component the macro exports the world that fits:
/// `codec-plugin`, `handler-plugin`, or `plugin` for both. In a native library it defines the
/// entry symbol; with the SDK's feature `linked` it registers the plugin instead.
#[macro_export]
macro_rules! export {
    ($plugin:ident : $($capabilities:tt)+) => {
        $crate::__capabilities! { $plugin [] [none] $($capabilities)+ }
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "write `export!(Type: codec)`, `export!(Type: handler)`, or name the fields: \
             `export!(Type: codec field, handler other)`"
        );
    };
}

/// Walks the capabilities; keeps the table's entries and the world that they need.
#[doc(hidden)]
#[macro_export]
macro_rules! __capabilities {
    ($p:ident [$($e:tt)*] [$w:ident] codec $field:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { codec p p.$field }] [$w codec] $($($rest)*)? }
    };
    ($p:ident [$($e:tt)*] [$w:ident] handler $field:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { handler p p.$field }] [$w handler] $($($rest)*)? }
    };
    ($p:ident [$($e:tt)*] [$w:ident] codec $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { codec p *p }] [$w codec] $($($rest)*)? }
    };
    ($p:ident [$($e:tt)*] [$w:ident] handler $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { handler p *p }] [$w handler] $($($rest)*)? }
    };
    ($p:ident $e:tt [none codec] $($rest:tt)*) => {
        $crate::__capabilities! { $p $e [codec] $($rest)* }
    };
    ($p:ident $e:tt [none handler] $($rest:tt)*) => {
        $crate::__capabilities! { $p $e [handler] $($rest)* }
    };
    ($p:ident $e:tt [codec codec] $($rest:tt)*) => {
        $crate::__capabilities! { $p $e [codec] $($rest)* }
    };
    ($p:ident $e:tt [handler handler] $($rest:tt)*) => {
        $crate::__capabilities! { $p $e [handler] $($rest)* }
    };
    ($p:ident $e:tt [$a:ident $b:ident] $($rest:tt)*) => {
        $crate::__capabilities! { $p $e [both] $($rest)* }
    };
    ($p:ident [$({ $kind:ident $self:ident $($place:tt)+ })+] [$world:ident]) => {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, reason = "only its name matters")]
        struct __plugbay_export_stands_once_in_a_crate;

        const _: () = {
            impl $crate::__private::Exported for $p {
                const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
                const CAPABILITIES: &'static [$crate::__private::Capability<Self>] =
                    &[$($crate::__capability!($kind $p $self $($place)+)),+];
            }
            $crate::__form!($p $world);
        };
    };
    ($p:ident $e:tt $w:tt $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `codec`, `handler`, `codec FIELD` or `handler FIELD`, found `",
            ::core::stringify!($($rest)+), "`"
        ));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __capability {
    (codec $plugin:ident $p:ident $($place:tt)+) => {
        $crate::__private::Capability::Codec {
            info: || $crate::__private::codec_info(|$p: &$plugin| &$($place)+),
            encode: |$p, document| $crate::Codec::encode(&$($place)+, document),
            decode: |$p, bytes| $crate::Codec::decode(&$($place)+, bytes),
        }
    };
    (handler $plugin:ident $p:ident $($place:tt)+) => {
        $crate::__private::Capability::Handler {
            info: || $crate::__private::handler_info(|$p: &$plugin| &$($place)+),
            handle: |$p, request| $crate::Handler::handle(&$($place)+, request),
        }
    };
}

/// What [`export!`](crate::export) implements for a plugin.
pub trait Exported: Plugin {
    /// The version of the plugin's crate.
    const VERSION: &'static str;
    /// What it offers. Calls name a capability by its index here.
    const CAPABILITIES: &'static [Capability<Self>];
}

/// One capability: what it says of itself, and its functions applied to where it lives.
pub enum Capability<P> {
    /// A codec.
    Codec {
        /// Its constants.
        info: fn() -> Info,
        /// [`Codec::encode`].
        encode: fn(&P, &Document) -> Result<Vec<u8>>,
        /// [`Codec::decode`].
        decode: fn(&P, &[u8]) -> Result<Document>,
    },
    /// A handler.
    Handler {
        /// Its constants.
        info: fn() -> Info,
        /// [`Handler::handle`].
        handle: fn(&P, Request) -> Result<Response>,
    },
}

/// The constants of a capability.
#[derive(Clone, Copy)]
pub struct Info {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) media_types: &'static [&'static str],
    pub(crate) routes: &'static [Route],
}

/// The constants of the codec that `_place` leads to; the macro cannot name a field's type.
pub fn codec_info<P, C: Codec>(_place: fn(&P) -> &C) -> Info {
    Info {
        kind: "codec",
        name: C::NAME,
        description: C::DESCRIPTION,
        media_types: C::MEDIA_TYPES,
        routes: &[],
    }
}

/// The constants of the handler that `_place` leads to.
pub fn handler_info<P, H: Handler>(_place: fn(&P) -> &H) -> Info {
    Info {
        kind: "handler",
        name: H::NAME,
        description: H::DESCRIPTION,
        media_types: &[],
        routes: H::ROUTES,
    }
}

impl<P> Capability<P> {
    pub(crate) fn info(&self) -> Info {
        match self {
            Self::Codec { info, .. } | Self::Handler { info, .. } => info(),
        }
    }
}

/// The capability that a call names.
fn find<P: Exported>(index: u32) -> Result<&'static Capability<P>> {
    let known = P::CAPABILITIES;
    known.get(index as usize).ok_or_else(|| {
        let count = known.len();
        Error::internal(format_args!("expected a capability below {count}, found {index}"))
    })
}

fn mismatch<T>(index: u32, expected: &str, found: Info) -> Result<T> {
    let Info { kind, name, .. } = found;
    Err(Error::internal(format_args!(
        "expected capability {index} to be a {expected}, found {kind}:{name}"
    )))
}

pub(crate) fn encode<P: Exported>(plugin: &P, index: u32, document: &Document) -> Result<Vec<u8>> {
    match find::<P>(index)? {
        Capability::Codec { encode, .. } => encode(plugin, document),
        other @ Capability::Handler { .. } => mismatch(index, "codec", other.info()),
    }
}

pub(crate) fn decode<P: Exported>(plugin: &P, index: u32, bytes: &[u8]) -> Result<Document> {
    match find::<P>(index)? {
        Capability::Codec { decode, .. } => decode(plugin, bytes),
        other @ Capability::Handler { .. } => mismatch(index, "codec", other.info()),
    }
}

pub(crate) fn handle<P: Exported>(plugin: &P, index: u32, request: Request) -> Result<Response> {
    match find::<P>(index)? {
        Capability::Handler { handle, .. } => handle(plugin, request),
        other @ Capability::Codec { .. } => mismatch(index, "handler", other.info()),
    }
}
