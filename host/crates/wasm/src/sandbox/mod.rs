//! What stands between a guest and the host, whatever the guest imports.
//!
//! [`state`] is the data of every store: the plugin's sandbox ([`grants`]: what it may reach, how
//! often, and how often it was refused), the instance's memory ([`limits`]) and the time of its call
//! ([`clock`], which has CPU time from [`meter`]). [`imports`] is the host's side of our own
//! interfaces. [`fault`] says what a failed call was: a trap, a panic, or which limit.

pub(crate) mod clock;
pub(crate) mod fault;
#[cfg(feature = "wasi")]
pub(crate) mod folders;
#[cfg(not(feature = "wasi"))]
#[path = "without_folders.rs"]
pub(crate) mod folders;
#[cfg_attr(
    not(feature = "wasi"),
    expect(
        dead_code,
        reason = "only WASI asks for grants; a condition at each place would hide more"
    )
)]
pub(crate) mod grants;
mod imports;
pub(crate) mod limits;
pub(crate) mod meter;
pub(crate) mod state;
