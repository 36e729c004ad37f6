//! From the bytes of a component to a plugin that can be started.
//!
//! [`scan`] reads a component's imports and exports without running it, and [`world`] refuses
//! components that this host cannot run. [`code`] gets the machine code from the [`cache`] or from
//! [`compile`]. [`prepared`] is the linked component: it is described, then started any number of
//! times.

pub(crate) mod cache;
pub(crate) mod code;
#[cfg(feature = "compile")]
pub mod compile;
pub(crate) mod prepared;
pub mod scan;
pub(crate) mod world;
