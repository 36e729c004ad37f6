//! The kinds of capabilities that [`export!`](crate::export) knows.
//!
//! A kind is one module here: its trait, the code that `export!` writes for it, and the functions
//! by which each form of a plugin calls it. The only other thing that a new kind adds to this crate
//! is a line in each of the lists below; its world, `KIND-plugin` in `wit/`, and its table in
//! `plugbay-abi` are found by their names.

pub mod codec;
pub mod handler;
pub mod own;

/// The public names of the kinds: their traits, and the types of these.
pub mod api {
    pub use super::codec::Codec;
    pub use super::handler::{Handler, Request, Response};
}

use crate::exported::{Exported, Info};
use crate::{Error, Result};

/// The functions of one capability of a plugin `P`.
pub enum Functions<P> {
    /// Of a codec.
    Codec(codec::Functions<P>),
    /// Of a handler.
    Handler(handler::Functions<P>),
    /// Of a kind of an application: the code of its module calls the plugin itself.
    Own,
}

/// A plugin whose capabilities can be called. [`export!`](crate::export) implements it, next to
/// [`Exported`].
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
        let message = format_args!("expected a capability index below {count}, found {index}");
        return Err(Error::internal(message));
    };
    pick(functions).ok_or_else(|| {
        let Info { kind: found, name, .. } = P::INFOS[index as usize]();
        Error::internal(format_args!(
            "expected capability {index} to be a {kind}, found {found}:{name}"
        ))
    })
}

/// Calls the kind's own macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __kind {
    (codec $($what:tt)+) => { $crate::__codec!($($what)+) };
    (handler $($what:tt)+) => { $crate::__handler!($($what)+) };
    (own $($what:tt)+) => { $crate::__own!($($what)+) };
}

/// Checks that each of the kinds is in the list, and writes the tokens that follow them.
#[doc(hidden)]
#[macro_export]
macro_rules! __check_kinds {
    ([] $($then:tt)+) => { $($then)+ };
    ([codec $($kinds:ident)*] $($then:tt)+) => { $crate::__check_kinds! { [$($kinds)*] $($then)+ } };
    ([handler $($kinds:ident)*] $($then:tt)+) => { $crate::__check_kinds! { [$($kinds)*] $($then)+ } };
    ([own $($kinds:ident)*] $($then:tt)+) => { $crate::__check_kinds! { [$($kinds)*] $($then)+ } };
    ([$other:ident $($kinds:ident)*] $($then:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `codec`, `handler`, `codec FIELD` or `handler FIELD`, found `",
            ::core::stringify!($other), "`"
        ));
    };
}

/// Writes `$then! { $args KINDS }`, where KINDS has each kind once, however many capabilities are
/// of it: entry functions and tables exist once for a kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __distinct_kinds {
    ($then:ident $args:tt $all:tt) => {
        $crate::__distinct_kinds! { $then $args [codec handler] $all $all [] }
    };
    // The first of the kinds still to look for is the first of those still to compare with: found.
    ($t:ident $a:tt [codec $($k:ident)*] [codec $($rest:ident)*] $all:tt [$($found:ident)*]) => {
        $crate::__distinct_kinds! { $t $a [$($k)*] $all $all [$($found)* codec] }
    };
    ($t:ident $a:tt [handler $($k:ident)*] [handler $($rest:ident)*] $all:tt [$($found:ident)*]) => {
        $crate::__distinct_kinds! { $t $a [$($k)*] $all $all [$($found)* handler] }
    };
    // No kind is left to look for.
    ($then:ident $args:tt [] $rest:tt $all:tt $found:tt) => {
        $crate::$then! { $args $found }
    };
    // The first kind is none of the plugin's.
    ($then:ident $args:tt [$absent:ident $($kinds:ident)*] [] $all:tt $found:tt) => {
        $crate::__distinct_kinds! { $then $args [$($kinds)*] $all $all $found }
    };
    // The first kind is not this one: compare it with the next.
    ($then:ident $args:tt $kinds:tt [$other:ident $($rest:ident)*] $all:tt $found:tt) => {
        $crate::__distinct_kinds! { $then $args $kinds [$($rest)*] $all $found }
    };
}
