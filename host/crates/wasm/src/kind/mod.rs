//! The built-in kinds on WIT, written against [`WasmKind`](crate::WasmKind) as an
//! application's own are.
//!
//! A kind is one module here: the interface that a component exports, its functions in an instance, and
//! the object that callers call. What a new kind adds elsewhere in this crate is its line in the list
//! below.

pub(crate) mod codec;
mod handler;

use plugbay_core::codec::Codec;
use plugbay_core::handler::Handler;

use crate::call::erased::{AnyKind, Erased};

/// The built-in kinds.
pub(crate) fn built_in() -> Vec<Box<dyn AnyKind>> {
    vec![Box::new(Erased::<Codec>::default()), Box::new(Erased::<Handler>::default())]
}

#[cfg(test)]
mod tests {
    use plugbay_core::BUILT_IN;

    use super::*;

    #[test]
    fn every_built_in_kind_is_served() {
        let served: Vec<&str> = built_in().iter().map(|kind| kind.name()).collect();
        assert_eq!(served, BUILT_IN.map(|kind| kind.name));
    }
}
