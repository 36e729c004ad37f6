//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::directory::Actor;
use crate::server::access::{Access, Bearer, Denied, Right};
use crate::server::live::LiveDirectory;

/// How long a client should wait that sent too many wrong tokens, in seconds.
const RETRY_AFTER: &str = "6";

/// The settings of the API.
#[derive(Clone)]
#[non_exhaustive]
pub struct ApiSettings {
    /// The tokens. Without them everybody may do everything.
    pub access: Option<Arc<dyn Access>>,
    /// The most watches and blocking queries at the same time. Default 4,096.
    pub watchers: usize,
    /// The interval between two comments on an idle watch: proxies close idle connections, some of them
    /// after 30 s. Default 15 s.
    pub keep_alive: Duration,
    /// Ends all watches and blocking queries once it is cancelled.
    pub stopped: CancellationToken,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            access: None,
            watchers: 4096,
            keep_alive: Duration::from_secs(15),
            stopped: CancellationToken::new(),
        }
    }
}

impl std::fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiSettings")
            .field("access", &self.access.is_some())
            .field("watchers", &self.watchers)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) struct Api {
    pub(super) directory: LiveDirectory,
    pub(super) watchers: Arc<Semaphore>,
    pub(super) settings: ApiSettings,
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub(super) struct Caller(Option<Bearer>);

impl Caller {
    /// Whether it may do this to a service.
    pub(super) fn may(&self, right: Right, service: &str) -> bool {
        self.0.as_ref().is_none_or(|bearer| bearer.grants.allows(right, service))
    }

    /// Checks that it may.
    pub(super) fn need(&self, right: Right, service: &str) -> Result<(), Problem> {
        if self.may(right, service) {
            return Ok(());
        }
        let detail = format!(
            "expected a token with the right {} to {service}, found another one",
            right.as_str()
        );
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }

    /// Checks that it may do this to all services.
    pub(super) fn need_all(&self, right: Right) -> Result<(), Problem> {
        if self.0.as_ref().is_none_or(|bearer| bearer.grants.allows_all(right)) {
            return Ok(());
        }
        let detail = format!(
            "expected a token with the right {0} to all services, {0}:*, found another one",
            right.as_str()
        );
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }

    /// In whose name it changes endpoints of a service.
    pub(super) fn actor(&self, service: &str) -> Actor {
        match &self.0 {
            None => Actor::anyone(),
            Some(bearer) => Actor {
                name: Some(bearer.name.clone()),
                admin: bearer.grants.allows(Right::Admin, service),
            },
        }
    }

    /// Whether its token is still in force.
    pub(super) fn is_in_force(&self, api: &Api) -> bool {
        match (&self.0, &api.settings.access) {
            (Some(bearer), Some(access)) => access.is_in_force(bearer),
            _ => true,
        }
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Some(access) = &api.settings.access else { return Ok(Self(None)) };
        let token = token(&parts.headers)?;
        let unauthenticated = |detail, challenge| {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
            problem.field(header::WWW_AUTHENTICATE, challenge)
        };
        match access.authenticate(token, &parts.extensions) {
            Ok(bearer) => {
                let counted = access.count(&bearer, &parts.method, &parts.extensions);
                counted.map_err(Problem::too_early)?;
                Ok(Self(Some(bearer)))
            }
            Err(Denied::Missing) => Err(unauthenticated(
                "expected a token: Authorization: Bearer TOKEN",
                "Bearer realm=\"plugbay-directory\"",
            )),
            Err(Denied::Wrong) => Err(unauthenticated(
                "expected a token that is in force, found another one",
                "Bearer realm=\"plugbay-directory\", error=\"invalid_token\"",
            )),
            Err(Denied::TooMany) => {
                let detail = "too many wrong tokens from this address";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
                Err(problem.field(header::RETRY_AFTER, RETRY_AFTER))
            }
        }
    }
}

/// The token of a request, from one header field only.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let detail = "expected at most one header field authorization";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", detail));
    }
    let (scheme, token) = value.to_str().ok().and_then(|it| it.split_once(' ')).unwrap_or_default();
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_ascii()))
}
