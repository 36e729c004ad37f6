//! From the bytes of a component to a plugin that can be started.
//!
//! [`scan`] reads a component's imports and exports without running it, and [`world`] refuses what
//! is no plugin of this host. [`code`] is its machine code: [`cache`] has it, or [`compile`] makes it
//! within bounds. [`prepared`] is the linked component: it describes itself, and starts as often as it is asked to.

pub(crate) mod cache;
pub(crate) mod code;
#[cfg(feature = "compile")]
pub mod compile;
pub(crate) mod prepared;
pub mod scan;
pub(crate) mod world;
