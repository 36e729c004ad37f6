//! [`export!`](crate::export), above the forms and the kinds. It expands to the macro of each of
//! the plugin's kinds, in `kind/`, and to `__form!`, of which there is one for each form below.
//! Nothing in `kind/` or `form/` refers to it.

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
mod native;

/// Makes the crate a plugin. Once per crate, at its top level.
///
/// The type before the colon implements [`Plugin`](crate::Plugin). After the colon stand its
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
/// `own MODULE` offers a capability of an application's own kind: `MODULE` is what `plugbay new --kind FILE.wit` wrote
/// of its interface, and the type before the colon implements the trait in it.
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

/// Reads the capabilities one by one, and collects an entry of the table and a kind for each.
#[doc(hidden)]
#[macro_export]
macro_rules! __capabilities {
    ($p:ident [$($e:tt)*] [$($k:ident)*] own $module:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { own p [$module] *p }] [$($k)* own] $($($rest)*)? }
    };
    ($p:ident [$($e:tt)*] [$($k:ident)*] $kind:ident $field:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! {
            $p [$($e)* { $kind p p.$field }] [$($k)* $kind] $($($rest)*)?
        }
    };
    ($p:ident [$($e:tt)*] [$($k:ident)*] $kind:ident $(, $($rest:tt)*)?) => {
        $crate::__capabilities! { $p [$($e)* { $kind p *p }] [$($k)* $kind] $($($rest)*)? }
    };
    ($p:ident $entries:tt $kinds:tt) => {
        $crate::__check_kinds! { $kinds $crate::__plugin! { $p $entries $kinds } }
    };
    ($p:ident $e:tt $k:tt $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `codec`, `handler`, `codec FIELD` or `handler FIELD`, found `",
            ::core::stringify!($($rest)+), "`"
        ));
    };
}

/// Implements what every form needs, then the form. All kinds have passed `__check_kinds!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin {
    ($p:ident [$({ $kind:ident $self:ident $($place:tt)+ })+] $kinds:tt) => {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, reason = "only its name matters")]
        struct __plugbay_export_must_appear_once_per_crate;

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
            $($crate::__kind!($kind exports $p $self $($place)+);)+
            $crate::__distinct_kinds! { __form ($p) $kinds }
        };
    };
}
