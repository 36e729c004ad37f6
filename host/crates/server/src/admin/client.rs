//! The client of a request.

use axum::extract::Request;

use crate::listener::Client;

/// The client of a request; unknown if an application has its own server.
pub(super) fn client(request: &Request) -> Client {
    request.extensions().get().copied().unwrap_or(Client::Unknown)
}
