//! The limits and grants of a guest, and the interfaces that it imports.
//!
//! [`state`] is the data of every store: the plugin's sandbox ([`grants`]: grants, rate limits, and
//! counts of denied uses), the instance's memory ([`limits`]) and the time of its call ([`clock`],
//! which gets CPU time from [`meter`]). [`imports`] is the host's side of the interfaces of
//! `plugbay:plugin`. [`fault`] maps a failed call to an error: a trap, a panic, or a limit.

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
        reason = "only WASI uses grants; a condition at each item would be harder to read"
    )
)]
pub(crate) mod grants;
pub(crate) mod imports;
pub(crate) mod limits;
pub(crate) mod meter;
pub(crate) mod state;
