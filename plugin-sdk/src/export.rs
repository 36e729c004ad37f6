//! What [`export!`](crate::export) writes, and the table of capabilities that it fills.

use crate::plugin::Plugin;
use crate::route::Route;

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
/// The plugin's version is its crate's. In a component the macro exports the world of each kind,
/// `codec-plugin` and `handler-plugin`, which the linker merges. In a native library it defines the
/// entry symbol; with the SDK's feature `linked` it registers the plugin instead.
#[macro_export]
macro_rules! export {
    ($plugin:ident : $($capabilities:tt)+) => {
        $crate::__capabilities! { $plugin [] [] $($capabilities)+ }
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "write `export!(Type: codec)`, `export!(Type: handler)`, or name the fields: \
             `export!(Type: codec field, handler other)`"
        );
    };
}

/// Walks the capabilities; keeps the table's entries and their kinds.
#[doc(hidden)]
#[macro_export]
macro_rules! __capabilities {
    ($p:ident [$($e:tt)*] [$($k:ident)*] $kind:ident $field:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! {
            $p [$($e)* { $kind p p.$field }] [$($k)* $kind] $($($rest)*)?
        }
    };
    ($p:ident [$($e:tt)*] [$($k:ident)*] $kind:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { $kind p *p }] [$($k)* $kind] $($($rest)*)? }
    };
    ($p:ident $entries:tt $kinds:tt) => {
        $crate::__known! { $kinds $crate::__plugin! { $p $entries $kinds } }
    };
    ($p:ident $e:tt $k:tt $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `codec`, `handler`, `codec FIELD` or `handler FIELD`, found `",
            ::core::stringify!($($rest)+), "`"
        ));
    };
}

/// Writes the plugin. Its kinds are known ones.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin {
    ($p:ident [$({ $kind:ident $self:ident $($place:tt)+ })+] $kinds:tt) => {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, reason = "only its name matters")]
        struct __plugbay_export_stands_once_in_a_crate;

        const _: () = {
            impl $crate::__private::Exported for $p {
                const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
                const INFOS: &'static [fn() -> $crate::__private::Info] =
                    &[$($crate::__kind!($kind info $p $self $($place)+)),+];
            }
            impl $crate::__private::Callable for $p {
                const FUNCTIONS: &'static [$crate::__private::Functions<Self>] =
                    &[$($crate::__kind!($kind functions $p $self $($place)+)),+];
            }
            $crate::__distinct! { __form ($p) $kinds }
        };
    };
}

/// What [`export!`](crate::export) implements for a plugin.
pub trait Exported: Plugin {
    /// The version of the plugin's crate.
    const VERSION: &'static str;
    /// What each of its capabilities says of itself. Calls name a capability by its index here.
    const INFOS: &'static [fn() -> Info];
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
