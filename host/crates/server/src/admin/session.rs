//! `GET /v1/session`: who the client is, for the dashboard and the command line.

use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Caller, Role};

/// `GET /v1/session`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Session {
    /// The name of the token, or `anonymous`.
    pub name: String,
    /// What the client may do.
    pub role: Role,
    /// Whether the plane needs no token.
    pub open: bool,
}

/// Who the client is, and what it may do.
#[utoipa::path(
    get, path = "/v1/session", tag = "state",
    responses((status = 200, description = "The answer", body = Session)),
)]
pub(super) async fn session(Extension(caller): Extension<Caller>) -> Json<Session> {
    let Caller { name, role, open } = caller;
    Json(Session { name: name.to_string(), role, open })
}
