//! Errors as `application/problem+json` (RFC 9457).
//!
//! `instance` is the path of the request and, as its fragment, the request's id (`x-request-id`): a reference that names
//! this occurrence, and that the log has. It cannot be fetched. `errors` lists the fields of the request that are wrong,
//! each by its place in the body or the name of the parameter.
//!
//! `code` is stable, and the same word as in logs and metrics; `detail` is for people. A plugin's
//! message for its caller (`invalid-input`, `unsupported`, `unavailable`) is passed on. Messages
//! about its inner failures are not: the log has them, with the request's id.
//!
//! | code | status | when |
//! |---|---|---|
//! | `bad-request` | 400 | the request is not valid HTTP, or its body is incomplete |
//! | `forwarded` | 400 | `Forwarded` and `X-Forwarded-For` of a trusted proxy name different clients |
//! | `invalid-input`, `serialize`, `deserialize` | 400 | the plugin rejects the input |
//! | `unauthenticated` | 401 | the admin plane needs a token, or another one |
//! | `role` | 403 | the token is a viewer's, and the request changes something |
//! | `forbidden` | 403 | a web page of another origin called the admin plane, or `allow` or `deny` excludes the client |
//! | `not-found` | 404 | no such route, codec, plugin or kind |
//! | `weights` | 409 | the weights do not fit the section of the capability |
//! | `unknown-generation` | 404 | the generation is not in the history |
//! | `method-not-allowed` | 405 | the path exists, but only for the methods in `Allow` |
//! | `not-acceptable` | 406 | `Accept` allows neither JSON nor CBOR |
//! | `request-timeout` | 408 | the header or the body did not arrive in time |
//! | `not-upgraded` | 409 | the new process does not serve; the one before does |
//! | `not-running` | 409 | the plugin does not run, so that it cannot be restarted or drained |
//! | `refused` | 409 | a plugin of an earlier generation no longer starts |
//! | `busy` | 409 | another profile is being recorded; `Retry-After` is set |
//! | `in-progress` | 409 | a request with the same `Idempotency-Key` is still acted on |
//! | `uri-too-long` | 414 | the target of the request is longer than 64 KiB |
//! | `body-too-large` | 413 | the body is larger than `server.max_body`, or than 64 KiB on the admin plane |
//! | `content-coding` | 415 | the body has a content coding, such as gzip |
//! | `unsupported` | 415 | the plugin does not support the input, or the media type of the body is not supported |
//! | `expectation` | 417 | `Expect` is not `100-continue` |
//! | `misdirected` | 421 | `Host` does not name this machine |
//! | `key-reused` | 422 | the `Idempotency-Key` was used for another request |
//! | `rate-limited` | 429 | too many requests of one client or with one token, or wrong tokens from one address; `Retry-After` is set |
//! | `header-too-large` | 431 | the header is larger than `server.max_header`, or has more fields than `server.max_header_fields` |
//! | `internal` | 500 | the plugin reports an internal error, or the server failed |
//! | `not-implemented` | 501 | profiles cannot be recorded on this system; the program cannot replace itself |
//! | `transfer-coding` | 501 | the request has a transfer coding that is not `chunked` |
//! | `trap`, `panic`, `crashed`, `cpu`, `memory`, `output`, `contract`, `host-calls` | 502 | the plugin failed |
//! | `audit` | 503 | the admin plane cannot write to its audit log |
//! | `unavailable`, `retired`, `stopped`, `overloaded`, `breaker-open`, `unhealthy`, `starting` | 503 | temporarily unavailable; `Retry-After` is set |
//! | `disabled`, `draining`, `rejected` | 503 | the plugin of the route does not serve, and none does in its place; `Retry-After` is set |
//! | `deadline` | 504 | no answer within the deadline |

use std::borrow::Cow;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::IntoResponse;
use http_body_util::Full;
use plugbay::{Absence, Blame, CallError, CallErrorKind, Error, NotServing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field_error::FieldError;
pub(crate) use crate::repeated::{MAX_PATH, MAX_REPEATED, shortened};
use crate::request_id::{self, REQUEST_ID};

/// An error for a client. It is boxed, because every handler returns a `Result` with it.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    plugin: Option<String>,
    instance: Option<String>,
    errors: Vec<FieldError>,
    headers: HeaderMap,
}

/// The default `Retry-After`, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

impl Problem {
    /// A problem with this status and stable code; `detail` is for people.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            plugin: None,
            instance: None,
            errors: Vec::new(),
            headers,
        }))
    }

    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// No generation is published yet.
    pub(crate) fn starting() -> Self {
        let detail = "nothing is served before the first generation";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "starting", detail)
    }

    /// The plugin of a route is known and does not serve, and none does in its place.
    pub(crate) fn not_serving(plugin: NotServing) -> Self {
        let NotServing { plugin, why, .. } = plugin;
        let detail = format!("{plugin}, the plugin of this route, {why}");
        // By how soon it may serve: a plugin starts by itself, and others wait for an operator.
        let seconds = match why {
            Absence::Starting => "1",
            Absence::Draining => "5",
            _ => "60",
        };
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, why.as_str(), detail);
        problem.0.plugin = Some(plugin);
        problem.header(header::RETRY_AFTER, seconds)
    }

    /// Names the request that the problem occurred in, by its path and its id.
    pub(crate) fn in_request(mut self, path: &str, id: &HeaderValue) -> Self {
        // A path that is not ASCII is no part of a URI, and a long one is not repeated.
        let path = if path.len() <= MAX_PATH && path.is_ascii() { path } else { "" };
        self.0.instance = id.to_str().ok().map(|id| format!("{path}#{id}"));
        self
    }

    /// Says what is wrong with one field of the request.
    pub(crate) fn error(mut self, error: FieldError) -> Self {
        self.0.errors.push(error);
        self
    }

    pub(crate) fn method_not_allowed(method: &str, allow: &str) -> Self {
        let method = shortened(method, MAX_REPEATED);
        let detail = format!("expected one of the methods {allow}, found {method}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
            .header(header::ALLOW, allow)
    }

    /// Adds a header field, if its value is valid.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }

    /// The fields of the answer.
    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.0.headers
    }

    /// Closes the connection after this answer: what the client still sends is not read.
    pub(crate) fn closing(self) -> Self {
        self.header(header::CONNECTION, "close")
    }

    /// The answer as HTTP/1.1 writes it, which ends its connection: for requests that hyper does not pass on.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let id = request_id::of(&HeaderMap::new());
        let problem = self.closing().in_request("", &id);
        let (status, mut headers, body) = problem.into_parts();
        headers.insert(REQUEST_ID, id);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
            headers.insert(header::DATE, date);
        }
        let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (name, value) in &headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend(body);
        bytes
    }

    /// The status, the fields and the body of the answer.
    pub(crate) fn into_parts(self) -> (StatusCode, HeaderMap, Vec<u8>) {
        let Parts { status, code, detail, plugin, instance, errors, mut headers } = *self.0;
        let body = ProblemDetails {
            r#type: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            code: code.into(),
            detail,
            instance: instance.map(Cow::Owned),
            plugin: plugin.map(Cow::Owned),
            errors,
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (status, headers, serde_json::to_vec(&body).unwrap_or_default())
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    fn of_call(error: &CallError) -> Self {
        use CallErrorKind::{
            BreakerOpen, Contract, Cpu, Crashed, Deadline, HostCalls, Internal, InvalidInput,
            Memory, Output, Overloaded, Panic, Retired, Trap, Unavailable, Unhealthy, Unsupported,
        };
        let message = || Cow::Owned(error.message().to_owned());
        if error.blame() == Blame::Input {
            let (what, key) = match error.kind() {
                Cpu => ("CPU time", "cpu"),
                Output => ("room for its answer", "output"),
                _ => ("memory", "memory"),
            };
            // No plugin is named: it did not fail.
            let detail = format!(
                "the request takes more {what} than a call may use; the operator may raise the \
                 plugin's limit `{key}`"
            );
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.reason(), detail);
        }
        let (status, detail) = match error.kind() {
            InvalidInput => (StatusCode::BAD_REQUEST, message()),
            Unsupported => (StatusCode::UNSUPPORTED_MEDIA_TYPE, message()),
            Unavailable => (StatusCode::SERVICE_UNAVAILABLE, message()),
            Retired => (StatusCode::SERVICE_UNAVAILABLE, "the plugin was retired".into()),
            Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "the plugin's queue is full".into()),
            BreakerOpen => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the plugin failed repeatedly and gets no calls for a while".into(),
            ),
            Unhealthy => (StatusCode::SERVICE_UNAVAILABLE, "the plugin is unhealthy".into()),
            Deadline => (StatusCode::GATEWAY_TIMEOUT, "no answer within the deadline".into()),
            Cpu => (StatusCode::BAD_GATEWAY, "the plugin used up its CPU time".into()),
            Trap => (StatusCode::BAD_GATEWAY, "the plugin trapped".into()),
            Panic => (StatusCode::BAD_GATEWAY, "the plugin panicked".into()),
            Crashed => (StatusCode::BAD_GATEWAY, "the plugin's process ended".into()),
            HostCalls => {
                (StatusCode::BAD_GATEWAY, "the plugin exceeded its limit of host calls".into())
            }
            Memory => (StatusCode::BAD_GATEWAY, "the plugin ran out of memory".into()),
            Output => (StatusCode::BAD_GATEWAY, "the plugin's answer was too large".into()),
            // The message only describes the answer, which the client would have seen.
            Contract => (StatusCode::BAD_GATEWAY, message()),
            Internal => (StatusCode::INTERNAL_SERVER_ERROR, "the plugin failed".into()),
            // The kinds are not exhaustive.
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "the call failed".into()),
        };
        let mut problem = Self::new(status, error.reason(), detail);
        if let Some(wait) = error.wait() {
            // Whole seconds (RFC 9110, section 10.2.3), never early.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            problem = problem.header(header::RETRY_AFTER, &seconds.to_string());
        }
        problem.0.plugin = error.plugin().map(str::to_owned);
        problem
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::Call(error) => Self::of_call(error),
            Error::NotFound(missed) => Self::not_found(missed.to_string()),
            other => Self::new(StatusCode::BAD_REQUEST, other.reason(), other.to_string()),
        }
    }
}

/// The body of a problem (RFC 9457), for the server and for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ProblemDetails<'a> {
    /// Always `about:blank`; see `code`.
    pub r#type: Cow<'a, str>,
    /// The HTTP status in words.
    #[schema(value_type = String)]
    pub title: Cow<'a, str>,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    #[schema(value_type = String)]
    pub code: Cow<'a, str>,
    /// The description of the error, for people.
    #[schema(value_type = String)]
    pub detail: Cow<'a, str>,
    /// The occurrence: the path of the request, and its id as the fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub instance: Option<Cow<'a, str>>,
    /// The plugin that failed, as `name@version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub plugin: Option<Cow<'a, str>>,
    /// What is wrong with fields of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// A response whose body is there as a whole.
pub(crate) type Response = axum::http::Response<Full<Bytes>>;

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let (status, headers, body) = problem.into_parts();
        let mut response = Self::new(body.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        // The layer that knows the request's id writes the answer again.
        let problem = self.clone();
        let mut response = Response::from(self).into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// Answers `OPTIONS` with the allowed methods, and rejects any other method.
pub(crate) fn other_method(method: &Method, allow: &str) -> Result<Response, Problem> {
    if *method != Method::OPTIONS {
        return Err(Problem::method_not_allowed(method.as_str(), allow));
    }
    let mut response = no_content();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Ok(response)
}

/// An answer without content.
pub(crate) fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Answers a request that panicked with a 500, and logs the message. The connection stays open.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Problem {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = message.unwrap_or("not a string"), "a request panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_clients_text_is_repeated() {
        assert_eq!(shortened("ä€🦀", 3), "ä€🦀");
        assert_eq!(shortened("ä€🦀!", 3), "ä€🦀…");
        let problem = Problem::method_not_allowed(&"M".repeat(20_000), "GET");
        assert!(problem.0.detail.len() < 200, "{}", problem.0.detail);
    }

    #[test]
    fn inner_failures_of_a_plugin_are_not_sent_to_clients() {
        let trap = CallError::new(CallErrorKind::Trap, "wasm trap: out of bounds at 0x1234")
            .of(&"json@1.0.0".into())
            .with_backtrace("0: secret_function");
        let body = serde_json::to_string(&Problem::from(&Error::Call(trap)).0.detail).unwrap();
        assert_eq!(body, r#""the plugin trapped""#);
    }

    #[test]
    fn details_are_read_back_and_unknown_fields_are_ignored() {
        let details = ProblemDetails {
            r#type: "about:blank".into(),
            title: "Not Found".into(),
            status: 404,
            code: "not-found".into(),
            detail: "no route has this path".into(),
            instance: Some("/a#1".into()),
            plugin: Some("a@1.0.0".into()),
            errors: vec![FieldError::at("#/a", "expected 1, found 2")],
        };
        let mut json = serde_json::to_value(&details).unwrap();
        json["added_later"] = "/a".into();
        assert_eq!(serde_json::from_value::<ProblemDetails<'_>>(json).unwrap(), details);
    }

    #[test]
    fn every_kind_has_a_status() {
        let status =
            |kind| Problem::from(&Error::Call(CallError::new(kind, "x"))).status().as_u16();
        assert_eq!(status(CallErrorKind::InvalidInput), 400);
        assert_eq!(status(CallErrorKind::Unsupported), 415);
        assert_eq!(status(CallErrorKind::Internal), 500);
        assert_eq!(status(CallErrorKind::Cpu), 502);
        let by_input = CallError::new(CallErrorKind::Memory, "too much").by_input(true);
        let problem = Problem::from(&Error::Call(by_input));
        assert_eq!((problem.status(), problem.code()), (StatusCode::PAYLOAD_TOO_LARGE, "memory"));
        assert!(problem.0.detail.contains("limit `memory`"), "{}", problem.0.detail);
        assert_eq!(status(CallErrorKind::Contract), 502);
        assert_eq!(status(CallErrorKind::Retired), 503);
        assert_eq!(status(CallErrorKind::Deadline), 504);
        let retired = Problem::from(&Error::Call(CallError::new(CallErrorKind::Retired, "x")));
        assert!(retired.into_response().headers().contains_key(header::RETRY_AFTER));
    }
}
