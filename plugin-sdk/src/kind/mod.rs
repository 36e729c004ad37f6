//! The kinds of capabilities that [`export!`](crate::export) knows.
//!
//! A kind is one module here: its trait, what `export!` writes for it, and how each form of a
//! plugin calls it. What a new kind adds elsewhere in this crate is its line in each of the lists
//! below; its world, `KIND-plugin` in `wit/`, and its table in `plugbay-abi` are found by
//! their names.

pub mod codec;
pub mod handler;

/// What authors write against.
pub mod api {
    pub use super::codec::Codec;
    pub use super::handler::{Handler, Request, Response};
}

use crate::export::{Exported, Info};
use crate::{Error, Result};

/// The functions of one capability, applied to where it lives.
pub enum Functions<P> {
    /// Of a codec.
    Codec(codec::Functions<P>),
    /// Of a handler.
    Handler(handler::Functions<P>),
}

/// What [`export!`](crate::export) implements for a plugin, next to [`Exported`].
pub trait Callable: Sized + 'static {
    /// The functions of its capabilities, in the order of [`Exported::INFOS`].
    const FUNCTIONS: &'static [Functions<Self>];
}

/// The functions of the capability that a call names by its index, if it is of the kind that
/// `pick` picks.
fn find<P: Exported + Callable, F>(
    index: u32,
    kind: &str,
    pick: impl FnOnce(&'static Functions<P>) -> Option<&'static F>,
) -> Result<&'static F> {
    let Some(functions) = P::FUNCTIONS.get(index as usize) else {
        let count = P::FUNCTIONS.len();
        let message = format_args!("expected a capability below {count}, found {index}");
        return Err(Error::internal(message));
    };
    pick(functions).ok_or_else(|| {
        let Info { kind: found, name, .. } = P::INFOS[index as usize]();
        Error::internal(format_args!(
            "expected capability {index} to be a {kind}, found {found}:{name}"
        ))
    })
}

/// What a kind's own macro writes.
#[doc(hidden)]
#[macro_export]
macro_rules! __kind {
    (codec $($what:tt)+) => { $crate::__codec!($($what)+) };
    (handler $($what:tt)+) => { $crate::__handler!($($what)+) };
}

/// Checks that each of the kinds is known, and writes what follows them.
#[doc(hidden)]
#[macro_export]
macro_rules! __known {
    ([] $($then:tt)+) => { $($then)+ };
    ([codec $($kinds:ident)*] $($then:tt)+) => { $crate::__known! { [$($kinds)*] $($then)+ } };
    ([handler $($kinds:ident)*] $($then:tt)+) => { $crate::__known! { [$($kinds)*] $($then)+ } };
    ([$other:ident $($kinds:ident)*] $($then:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `codec`, `handler`, `codec FIELD` or `handler FIELD`, found `",
            ::core::stringify!($other), "`"
        ));
    };
}

/// Writes `$then! { $args KINDS }`, where each kind stands once, however many capabilities are of
/// it. Entry functions and tables exist once for a kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __distinct {
    ($then:ident $args:tt $all:tt) => {
        $crate::__distinct! { $then $args [codec handler] $all $all [] }
    };
    // The first of the kinds that are left is found in what is left of all.
    ($t:ident $a:tt [codec $($k:ident)*] [codec $($rest:ident)*] $all:tt [$($found:ident)*]) => {
        $crate::__distinct! { $t $a [$($k)*] $all $all [$($found)* codec] }
    };
    ($t:ident $a:tt [handler $($k:ident)*] [handler $($rest:ident)*] $all:tt [$($found:ident)*]) => {
        $crate::__distinct! { $t $a [$($k)*] $all $all [$($found)* handler] }
    };
    // None is left.
    ($then:ident $args:tt [] $rest:tt $all:tt $found:tt) => {
        $crate::$then! { $args $found }
    };
    // It is in none of them.
    ($then:ident $args:tt [$absent:ident $($kinds:ident)*] [] $all:tt $found:tt) => {
        $crate::__distinct! { $then $args [$($kinds)*] $all $all $found }
    };
    // It is not the next.
    ($then:ident $args:tt $kinds:tt [$other:ident $($rest:ident)*] $all:tt $found:tt) => {
        $crate::__distinct! { $then $args $kinds [$($rest)*] $all $found }
    };
}
