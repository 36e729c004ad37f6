//! Lets those pass who may use the admin plane.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plugbay::config::MetricsAccess;

use super::client::client;
use super::guard;
use crate::access::{Caller, Role, Tokens};
use crate::listener::Client;
use crate::problem::Problem;
use crate::shared::Shared;

/// How long a client should wait that sent too many wrong tokens, in seconds: until one more is answered.
const RETRY_AFTER: &str = "6";

/// Adds the [`Caller`] to a request, or refuses it.
pub(super) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&shared, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            if problem.status() != StatusCode::TOO_MANY_REQUESTS {
                guard::log(&request, &problem);
            }
            problem.into_response()
        }
    }
}

fn caller(shared: &Shared, request: &Request) -> Result<Caller, Problem> {
    let Some(tokens) = &shared.tokens else { return Ok(Caller::anonymous()) };
    if is_open(shared, request) {
        return Ok(Caller::anonymous());
    }
    let caller = bearer(tokens, client(request), request.headers())?;
    if caller.role == Role::Operator
        || needed(request.method(), request.uri().path()) == Role::Viewer
    {
        return Ok(caller);
    }
    let detail =
        format!("expected the role operator, found that {} is a {}", caller.name, caller.role);
    let challenge = "Bearer realm=\"plugbay\", error=\"insufficient_scope\", scope=\"operator\"";
    let problem = Problem::new(StatusCode::FORBIDDEN, "role", detail);
    Err(problem.header(header::WWW_AUTHENTICATE, challenge))
}

/// The role that a request needs. A profile changes nothing, but takes processor time, and shows how the host is built.
pub(super) fn needed(method: &Method, path: &str) -> Role {
    let is_profile = path.starts_with("/debug/pprof/");
    if !is_profile && Role::Viewer.allows(method) { Role::Viewer } else { Role::Operator }
}

/// Whether a request needs no token though others do.
fn is_open(shared: &Shared, request: &Request) -> bool {
    // Below a prefix of an application, this is the path after the prefix.
    request.uri().path() == "/metrics"
        && shared.host.get().map(|host| host.config().admin.metrics) == Some(MetricsAccess::Open)
}

fn bearer(tokens: &Tokens, client: Client, headers: &HeaderMap) -> Result<Caller, Problem> {
    let Some(token) = token(headers)? else {
        let detail = "expected a token: Authorization: Bearer TOKEN";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
        return Err(problem.header(header::WWW_AUTHENTICATE, "Bearer realm=\"plugbay\""));
    };
    if let Some(caller) = tokens.find(token) {
        return Ok(caller);
    }
    if tokens.attempts.is_one_too_many(client) {
        let detail = "too many wrong tokens from this address";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
        return Err(problem.header(header::RETRY_AFTER, RETRY_AFTER));
    }
    let detail = "expected a token that is in force, found another one";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
    let challenge = "Bearer realm=\"plugbay\", error=\"invalid_token\"";
    Err(problem.header(header::WWW_AUTHENTICATE, challenge))
}

/// The token of a request, if it has one. A token in the query or in a cookie is none.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request("expected at most one header field authorization"));
    }
    let text = value.to_str().ok();
    let (scheme, token) = text.and_then(|text| text.split_once(' ')).unwrap_or_default();
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_one_field_only() {
        let token = |values: &[&str]| {
            let field = |value: &&str| (header::AUTHORIZATION, value.parse().unwrap());
            let headers = values.iter().map(field).collect::<Vec<_>>();
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, value);
            }
            token(&map).map(|token| token.map(str::to_owned)).map_err(|it| it.status().as_u16())
        };
        assert_eq!(token(&[]), Ok(None));
        assert_eq!(token(&["Bearer abc"]), Ok(Some("abc".into())));
        assert_eq!(token(&["bEARER  abc "]), Ok(Some("abc".into())));
        for other in ["Basic abc", "Bearer", "abc", "", "\u{e9} a"] {
            assert_eq!(token(&[other]), Ok(None), "{other:?}");
        }
        assert_eq!(token(&["Bearer a", "Bearer a"]), Err(400));
    }
}
