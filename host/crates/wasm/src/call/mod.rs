//! A call of a started plugin.
//!
//! [`calls`] is the way in: it takes an instance by [`checkout`] from the plugin's [`pool`], sets
//! its limits, calls its functions ([`guest`]), and puts it back. [`instances`] makes
//! and ends each [`instance`], and holds what the calls of a plugin share. [`plugin`] implements
//! the host's trait for a started plugin.
//!
//! How a kind is called is a [`calls::WasmKind`]. [`erased`] is how a runtime keeps kinds of different
//! types in one list.

pub(crate) mod calls;
pub(crate) mod checkout;
pub(crate) mod erased;
pub(crate) mod exports;
pub(crate) mod guest;
mod instance;
pub(crate) mod instances;
pub(crate) mod lifecycle;
pub(crate) mod plugin;
pub(crate) mod pool;
