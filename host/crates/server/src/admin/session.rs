//! `GET /v1/session`: who the client is, for the dashboard and the command line.

use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::access::{Caller, Role};

/// `GET /v1/session`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// The name of the token, or `anonymous`.
    pub name: String,
    /// What the client may do.
    pub role: Role,
    /// Whether the plane needs no token.
    pub open: bool,
}

pub(super) async fn session(Extension(caller): Extension<Caller>) -> Json<Session> {
    let Caller { name, role, open } = caller;
    Json(Session { name: name.to_string(), role, open })
}
