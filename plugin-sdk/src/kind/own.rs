//! Kinds of applications: interfaces that the SDK does not know.
//!
//! `plugbay new --kind FILE.wit` writes a module for the interface, with a trait for the author and the bindings.
//! `export!(Type: own MODULE)` refers to the module's `info`, `Exports` and `bindings::export!`, and the module to the
//! functions here.

use crate::exported::Info;
use crate::{Error, ErrorKind};

/// The code that [`export!`](crate::export) writes for a capability of an application's kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __own {
    (info $plugin:ident $p:ident [$module:ident] $($place:tt)+) => {
        $module::info::<$plugin>
    };
    (functions $plugin:ident $p:ident [$module:ident] $($place:tt)+) => {
        $crate::__private::Functions::Own
    };
    // The entry functions of a component, and the world that has them.
    (exports $plugin:ident $p:ident [$module:ident] $($place:tt)+) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type PlugbayOwn = $module::Exports<$plugin>;
    $module::bindings::export!(PlugbayOwn with_types_in $module::bindings);
        };
    };
}

/// The description of a capability.
#[must_use]
pub fn info(kind: &'static str, name: &'static str, description: &'static str) -> Info {
    Info { kind, name, description, media_types: &[], routes: &[], nonblocking: false }
}

/// The kind of an error, and its message. An error without a kind is [`ErrorKind::Internal`].
#[must_use]
pub fn parts(error: Error) -> (ErrorKind, String) {
    error.into_parts(ErrorKind::Internal)
}

/// The instance that a call of this kind is for; `index` is the capability's, if the interface passes one.
#[cfg(target_family = "wasm")]
pub fn instance<P: crate::form::InstanceCell + 'static>(
    index: Option<u32>,
    kind: &str,
) -> crate::Result<&'static P> {
    if let Some(index) = index {
        let info = P::INFOS.get(index as usize).map(|info| info());
        if info.is_none_or(|info| info.kind != kind) {
            return Err(Error::internal(format_args!(
                "expected the index of a capability of the kind {kind}, found {index}"
            )));
        }
    }
    crate::form::instance::<P>()
}
