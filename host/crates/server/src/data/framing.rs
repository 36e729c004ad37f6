//! Checks of a request's header that hyper does not make, and features that this server does not have.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version};

use crate::problem::{MAX_REPEATED, Problem, shortened};

/// Checks that a request with these header fields can be served.
pub(super) fn check(headers: &HeaderMap, version: Version) -> Result<(), Problem> {
    host(headers, version)?;
    transfer_coding(headers)?;
    expectation(headers)?;
    content_coding(headers)
}

/// Checks that there is one `Host`, and that it is a host (RFC 9112, section 3.2).
fn host(headers: &HeaderMap, version: Version) -> Result<(), Problem> {
    let hosts = headers.get_all(header::HOST);
    match hosts.iter().count() {
        0 if version < Version::HTTP_11 => return Ok(()),
        1 => {}
        found => {
            let detail = format!("expected one header field `Host`, found {found}");
            return Err(Problem::bad_request(detail).closing());
        }
    }
    // `Host` is empty if the request's target has no host.
    let is_host =
        |host: &str| host.is_empty() || (host.parse::<Authority>().is_ok() && !host.contains('@'));
    if hosts.iter().all(|host| host.to_str().is_ok_and(is_host)) {
        return Ok(());
    }
    Err(Problem::bad_request("expected `Host` to be a host and perhaps a port").closing())
}

/// Rejects unknown transfer codings (RFC 9112, section 6.1).
fn transfer_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(found) = unlike(headers, &header::TRANSFER_ENCODING, "chunked") else {
        return chunked_once(headers);
    };
    let detail = format!("expected no transfer coding but chunked, found {found}");
    Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "transfer-coding", detail).closing())
}

/// No body is chunked twice (RFC 9112, section 6.1).
fn chunked_once(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_list = |value: &HeaderValue| value.as_bytes().contains(&b',');
    if values.next().is_some_and(is_list) || values.next().is_some() {
        return Err(Problem::bad_request("expected the transfer coding chunked once").closing());
    }
    Ok(())
}

/// Rejects unknown expectations (RFC 9110, section 10.1.1).
fn expectation(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(found) = unlike(headers, &header::EXPECT, "100-continue") else { return Ok(()) };
    let detail = format!("expected no expectation but 100-continue, found {found}");
    Err(Problem::new(StatusCode::EXPECTATION_FAILED, "expectation", detail).closing())
}

/// Rejects content codings; `Accept-Encoding` lists the supported ones (RFC 9110, section 15.5.16).
fn content_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(found) = unlike(headers, &header::CONTENT_ENCODING, "identity") else { return Ok(()) };
    let detail = format!("expected a body without content coding, found {found}");
    let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-coding", detail);
    Err(problem.header(header::ACCEPT_ENCODING, "identity").closing())
}

/// The first member of a list field that is not `known`.
fn unlike(headers: &HeaderMap, name: &HeaderName, known: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let members = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let mut members = members.map(<[u8]>::trim_ascii);
    members
        .find(|member| !member.is_empty() && !member.eq_ignore_ascii_case(known.as_bytes()))
        .map(|member| shortened(&String::from_utf8_lossy(member), MAX_REPEATED).into_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn status(fields: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder();
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let checked = check(request.headers(), request.version());
        checked.map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn exactly_one_valid_host_is_accepted() {
        for host in ["a", "a:80", "[::1]:80", "127.0.0.1", ""] {
            assert_eq!(status(&[("host", host)]), 200, "{host}");
        }
        for host in ["a b/@c", "a@b", "a/b", "a b", "a,b c"] {
            assert_eq!(status(&[("host", host)]), 400, "{host}");
        }
        assert_eq!(status(&[]), 400);
        assert_eq!(status(&[("host", "a"), ("host", "a")]), 400);
    }

    #[test]
    fn codings_that_are_not_decoded_are_refused() {
        let status = |name, value| status(&[("host", "a"), (name, value)]);
        assert_eq!(status("transfer-encoding", "Chunked"), 200);
        assert_eq!(status("transfer-encoding", "gzip, chunked"), 501);
        assert_eq!(status("transfer-encoding", "identity"), 501);
        assert_eq!(status("transfer-encoding", "chunked, chunked"), 400);
        assert_eq!(status("content-encoding", "identity"), 200);
        assert_eq!(status("content-encoding", "gzip"), 415);
        assert_eq!(status("content-encoding", "identity, br"), 415);
        assert_eq!(status("expect", "100-Continue"), 200);
        assert_eq!(status("expect", "the-best"), 417);
    }
}
