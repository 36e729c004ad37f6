//! Plugins that are linked into the application.
//!
//! A plugin crate that is built with the SDK's feature `linked` registers itself here before
//! `main`; the application only has to mention the crate (`use my_plugin as _;`), so that the
//! linker keeps it.

pub use inventory;

use crate::Vtable;
use crate::guest::{Exports, vtable};

/// One linked plugin. Only [`Linked::new`] makes it, so that its vtable keeps the contract.
#[derive(Clone, Copy, Debug)]
pub struct Linked {
    vtable: &'static Vtable,
}

impl Linked {
    /// The plugin `E`.
    #[must_use]
    pub const fn new<E: Exports>() -> Self {
        Self { vtable: const { &vtable::<E>() } }
    }

    /// Its functions.
    #[must_use]
    pub const fn vtable(self) -> &'static Vtable {
        self.vtable
    }
}

inventory::collect!(Linked);

/// The plugins that the application was linked with, in no particular order.
pub fn plugins() -> impl Iterator<Item = Linked> {
    inventory::iter::<Linked>.into_iter().copied()
}
