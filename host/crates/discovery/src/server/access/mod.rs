//! Who may do what to which services.
//!
//! A directory without tokens lets everybody do everything, and must be reachable by this machine only.
//! With tokens, each has *grants*: a right to the services with a name or a prefix. A directory server
//! gets its tokens from the program that embeds it, by the trait [`Access`].

mod grants;

pub use grants::{Grants, GrantsError, Right};

use std::time::Duration;

use axum::http::{Extensions, Method};

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The name of the token. It owns what it registers.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
}

/// Why a request has no bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It has no token.
    Missing,
    /// It has one that is not in force.
    Wrong,
    /// Its client sent too many wrong ones.
    TooMany,
}

/// The tokens of a directory.
pub trait Access: Send + Sync + 'static {
    /// Whose token this is. `extensions` are the request's, in which a server may have put what it knows
    /// of the client.
    ///
    /// # Errors
    ///
    /// If it is nobody's.
    fn authenticate(&self, token: Option<&str>, extensions: &Extensions) -> Result<Bearer, Denied>;

    /// Counts a request of this bearer. The default counts none.
    ///
    /// # Errors
    ///
    /// If it comes too early: how long the bearer should wait.
    fn count(&self, _: &Bearer, _: &Method, _: &Extensions) -> Result<(), Duration> {
        Ok(())
    }

    /// Whether the token of this bearer has not been revoked since. Asked before each event of a watch.
    fn is_in_force(&self, bearer: &Bearer) -> bool;
}
