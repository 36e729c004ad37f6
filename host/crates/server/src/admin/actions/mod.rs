//! The actions of operators over HTTP: each is one function of the library.
//!
//! | path | body | action |
//! |---|---|---|
//! | `POST /v1/plugins/{name}/disable`, `enable`, `restart` | | [`Host::disable`], [`Host::enable`], [`Host::restart`] |
//! | `POST /v1/plugins/{name}/drain` | | [`Host::drain`]; waits as long as `Prefer: wait=SECONDS` says |
//! | `POST /v1/plugins/{name}/breaker` | `{"state":"open"}`, `{"state":"closed"}` | [`Host::open_breaker`], [`Host::reset_breaker`] |
//! | `POST /v1/capabilities/{KIND:NAME}/weights` | `{"weights":{"PLUGIN":N}}` | [`Host::set_weights`] |
//! | `POST /v1/reload` | | [`Host::reload`] |
//! | `POST /v1/generations/{number}/rollback` | | [`Host::roll_back`] |
//! | `POST /v1/resume` | | [`Host::resume`] |
//!
//! With `?dry_run=true` they say what would change and change nothing. Another parameter is refused: a mistyped one must
//! not lead to the change that it was to prevent.
//!
//! [`Host::disable`]: plugbay::Host::disable
//! [`Host::enable`]: plugbay::Host::enable
//! [`Host::restart`]: plugbay::Host::restart
//! [`Host::drain`]: plugbay::Host::drain
//! [`Host::open_breaker`]: plugbay::Host::open_breaker
//! [`Host::reset_breaker`]: plugbay::Host::reset_breaker
//! [`Host::set_weights`]: plugbay::Host::set_weights
//! [`Host::reload`]: plugbay::Host::reload
//! [`Host::roll_back`]: plugbay::Host::roll_back
//! [`Host::resume`]: plugbay::Host::resume

mod asked;
mod changes;
mod plugins;

pub(super) use self::changes::Changed;
pub(super) use self::changes::{
    __path_diff, __path_reload, __path_resume, __path_rollback, diff, reload, resume, rollback,
};
pub use self::changes::{Diff, Preparing};
pub use self::plugins::Accepted;
pub(super) use self::plugins::Unfinished;
pub(super) use self::plugins::{
    __path_breaker, __path_disable, __path_drain, __path_enable, __path_restart, __path_weights,
    breaker, disable, drain, enable, restart, weights,
};
