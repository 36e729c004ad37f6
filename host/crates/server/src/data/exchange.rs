//! Converts HTTP requests to handlers' requests, and handlers' responses to HTTP responses.

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, request};
use http_body_util::Full;

use super::budget::Share;
use super::forwarded::{self, Origin};
use crate::problem::{Problem, Response};

/// Fields of the connection, not of the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether the field is hop-by-hop, by itself or because `Connection` names it.
fn is_hop_by_hop(name: &str, connection: &[String]) -> bool {
    HOP_BY_HOP.contains(&name) || connection.iter().any(|named| named == name)
}

/// The number of fields that every answer gets beside those of its handler.
const MORE_FIELDS: usize = 4;

/// The field names that the values of `Connection` list, in lower case.
fn named_by<'a>(connection: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    connection
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// The request for a handler. The router sets its path parameters. What the client wrote about its own address is
/// dropped; with trusted proxies the handler is told the `origin`.
pub(super) fn request(
    parts: &request::Parts,
    body: Vec<u8>,
    origin: Option<&Origin>,
) -> plugbay::Request {
    let connection = parts.headers.get_all(header::CONNECTION);
    let connection = named_by(connection.iter().map(HeaderValue::as_bytes));
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| !is_hop_by_hop(name.as_str(), &connection))
        .filter(|(name, _)| !forwarded::FIELDS.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let told = origin.map(|it| ("forwarded".to_owned(), forwarded::written(it).into_bytes()));
    plugbay::Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        params: Vec::new(),
        headers: headers.chain(told).collect(),
        body,
    }
}

/// The response to a client, from an answer that the plugin's runtime has checked. If `as_get` is
/// set, a HEAD was served as a GET: the body is removed and its length is kept. `share` counts the
/// body until it is written.
pub(super) fn response(
    answer: plugbay::Response,
    method: &Method,
    as_get: bool,
    mut share: Share,
) -> Result<Response, Problem> {
    let status =
        StatusCode::from_u16(answer.status).map_err(|error| contract(&error.to_string()))?;
    let mut headers = fields(&answer.headers)?;
    let claimed = headers.remove(header::CONTENT_LENGTH);
    // RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5.
    let bodiless = matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    let body = if *method == Method::HEAD {
        // A handler that answers HEAD itself may know the length of a body that it does not send.
        let own = claimed.filter(|length| !as_get && is_number(length));
        let length = own.unwrap_or_else(|| answer.body.len().into());
        if !bodiless {
            headers.insert(header::CONTENT_LENGTH, length);
        }
        Full::default()
    } else if bodiless {
        Full::default()
    } else {
        share.resize(answer.body.len())?;
        Full::from(share.bytes(answer.body))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn fields(answer: &[(String, Vec<u8>)]) -> Result<HeaderMap, Problem> {
    let is_connection = |name: &str| name.eq_ignore_ascii_case("connection");
    let connection = answer.iter().filter(|(name, _)| is_connection(name));
    let connection = named_by(connection.map(|(_, value)| value.as_slice()));
    let mut headers = HeaderMap::with_capacity(answer.len() + MORE_FIELDS);
    for (name, value) in answer {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| contract("the name of a header field is not valid"))?;
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| contract("the value of a header field is not valid"))?;
        if is_hop_by_hop(name.as_str(), &connection) {
            continue;
        }
        // A message has one date (RFC 9110, section 6.6.1).
        if name == header::DATE {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn is_number(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

/// The problem for a handler's answer that cannot be sent.
fn contract(message: &str) -> Problem {
    tracing::warn!(reason = "contract", "the handler's answer cannot be sent: {message}");
    let detail = format!("the handler's answer cannot be sent: {message}");
    Problem::new(StatusCode::BAD_GATEWAY, "contract", detail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::HttpBody as _;

    use super::*;
    use crate::listener::Client;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> plugbay::Response {
        let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        plugbay::Response { status, headers, body: body.into() }
    }

    fn response(
        answer: plugbay::Response,
        method: &Method,
        as_get: bool,
    ) -> Result<Response, Problem> {
        let share = Share::new(&Arc::default(), Client::of([127, 0, 0, 1].into()), 0);
        super::response(answer, method, as_get, share)
    }

    fn sent(answer: plugbay::Response) -> Result<HeaderMap, &'static str> {
        let sent = response(answer, &Method::GET, false);
        sent.map(|response| response.headers().clone()).map_err(|problem| problem.code())
    }

    #[test]
    fn fields_of_the_connection_are_dropped() {
        let headers = [
            ("Connection", "close, X-Private"),
            ("x-private", "1"),
            ("Transfer-Encoding", "chunked"),
            ("content-length", "999"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("date", "Sun, 06 Nov 1994 08:49:36 GMT"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        let headers = sent(answer(200, &headers, "hi")).unwrap();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_handler_is_told_of_the_client_by_the_host_alone() {
        let request = axum::http::Request::get("/")
            .header("forwarded", "for=10.0.0.1")
            .header("x-forwarded-for", "10.0.0.1")
            .header("X-Real-IP", "10.0.0.1")
            .header("x-own", "1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let fields = |origin: Option<&Origin>| {
            let fields = super::request(&parts, Vec::new(), origin).headers.into_iter();
            let text = |(name, value): (String, Vec<u8>)| {
                format!("{name}: {}", String::from_utf8(value).unwrap())
            };
            fields.map(text).collect::<Vec<_>>()
        };
        assert_eq!(fields(None), ["x-own: 1"]);
        let origin = Origin { client: Client::of([192, 0, 2, 1].into()), scheme: Some("https") };
        assert_eq!(fields(Some(&origin)), ["x-own: 1", "forwarded: for=192.0.2.1;proto=https"]);
    }

    #[test]
    fn an_answer_that_cannot_be_sent_is_a_contract_error() {
        assert_eq!(sent(answer(200, &[("a b", "1")], "")), Err("contract"));
        assert_eq!(sent(answer(200, &[("a", "1\r\nb: 2")], "")), Err("contract"));
        assert_eq!(sent(answer(7, &[], "")), Err("contract"));
    }

    #[test]
    fn an_answer_without_content_has_no_body() {
        for status in [204, 205, 304] {
            let response = response(answer(status, &[], "hello"), &Method::GET, false).unwrap();
            assert_eq!(response.into_body().size_hint().exact(), Some(0), "{status}");
        }
    }

    #[test]
    fn head_keeps_the_length_of_the_get_response() {
        let length = |answer, as_get| {
            let response = response(answer, &Method::HEAD, as_get).unwrap();
            response.headers().get("content-length").map(|it| it.to_str().unwrap().to_owned())
        };
        assert_eq!(length(answer(200, &[], "hello"), true), Some("5".into()));
        let claims = [("content-length", "1000000")];
        assert_eq!(length(answer(200, &claims, ""), false), Some("1000000".into()));
        assert_eq!(length(answer(200, &[("content-length", "x")], ""), false), Some("0".into()));
        assert_eq!(length(answer(204, &claims, ""), false), None);
    }
}
