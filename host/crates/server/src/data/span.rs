//! The span of a request, by OpenTelemetry's conventions for HTTP.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Request, StatusCode, Version, header};
use plugbay::trace::{ActiveSpan, SpanKind, attributes};
use plugbay::{Correlation, Host};

use crate::listener::Client;
use crate::problem::{MAX_PATH, shortened};

/// The most characters of a text of a client that is not a path.
const MAX_TEXT: usize = 256;

/// Begins the span of a request, if the request is recorded. `route` is the pattern of its path.
pub(super) fn begin<B>(
    host: &Host,
    correlation: &Correlation,
    request: &Request<B>,
    (client, scheme): (Client, Option<&'static str>),
    route: Option<&str>,
) -> Option<ActiveSpan> {
    let method = known(request.method());
    let name = || {
        let method = method.unwrap_or("HTTP");
        route.map_or_else(|| method.into(), |route| format!("{method} {route}").into())
    };
    let mut span = host.begin_span(correlation, SpanKind::Server, name)?;
    describe(&mut span, request, (client, scheme), method);
    if let Some(route) = route {
        span.set(attributes::HTTP_ROUTE, route.to_owned());
    }
    if let Some(id) = &correlation.request_id {
        span.set(attributes::REQUEST_ID, id.to_string());
    }
    Some(span)
}

fn describe<B>(
    span: &mut ActiveSpan,
    request: &Request<B>,
    (client, scheme): (Client, Option<&'static str>),
    method: Option<&'static str>,
) {
    span.set(attributes::HTTP_METHOD, method.unwrap_or("_OTHER"));
    if method.is_none() {
        let method = shortened(request.method().as_str(), MAX_TEXT).into_owned();
        span.set(attributes::HTTP_METHOD_ORIGINAL, method);
    }
    span.set(attributes::URL_PATH, shortened(request.uri().path(), MAX_PATH).into_owned());
    span.set(attributes::URL_SCHEME, scheme.unwrap_or("http"));
    if let Client::Address(address) = client {
        span.set(attributes::CLIENT_ADDRESS, address.to_string());
    }
    let version = if request.version() == Version::HTTP_10 { "1.0" } else { "1.1" };
    span.set(attributes::PROTOCOL_VERSION, version);
    if let Some(authority) = authority(request.headers()) {
        let host = authority.host().trim_matches(['[', ']']);
        span.set(attributes::SERVER_ADDRESS, shortened(host, MAX_TEXT).into_owned());
        if let Some(port) = authority.port_u16() {
            span.set(attributes::SERVER_PORT, port);
        }
    }
    let agent = request.headers().get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    if let Some(agent) = agent {
        span.set(attributes::USER_AGENT, shortened(agent, MAX_TEXT).into_owned());
    }
}

/// What the client calls this server.
fn authority(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

/// Ends the span of a request. Only a status of 500 or above is a failure of this server.
pub(super) fn end(mut span: ActiveSpan, status: StatusCode) {
    span.set(attributes::HTTP_STATUS, status.as_u16());
    if status.is_server_error() {
        span.fail(status.as_u16().to_string(), "");
    }
    span.end();
}

/// The methods that the conventions know.
fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 10] =
        ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}
