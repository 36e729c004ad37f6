//! Rejects requests of web pages to the admin plane.
//!
//! The plane listens on loopback, so that every client is on this machine. But a browser on this
//! machine runs pages from anywhere. Such a page can reach a loopback port in two ways:
//!
//! - *DNS rebinding*: the page's own name resolves to 127.0.0.1, and the browser takes the plane
//!   for the page's origin. `Host` then holds that name: names other than those of loopback are
//!   refused. Ports are not compared, so that an SSH tunnel may use another one.
//! - *Cross-site requests*: the page sends a request without being able to read the answer.
//!   Browsers mark it in `Origin` and `Sec-Fetch-Site`. Only following a link to the plane is
//!   allowed.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::client;
use crate::problem::Problem;

/// Which names of hosts are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Those of this machine.
    Loopback,
    /// All: the application checks who may use the plane.
    Any,
}

pub(crate) async fn refuse_foreign_pages(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    match check(hosts, request.method(), request.headers(), request.uri().authority()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            log(&request, &problem);
            problem.into_response()
        }
    }
}

/// The shortest time between two log lines about refused requests, so that many of them do not fill
/// the log.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// When the last line was written, and how many requests were refused since.
static LOGGED: Mutex<(Option<Instant>, u64)> = Mutex::new((None, 0));

pub(super) fn log(request: &Request, problem: &Problem) {
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let (last, unlogged) = &mut *logged;
    if last.is_some_and(|last| last.elapsed() < LOG_INTERVAL) {
        *unlogged += 1;
        return;
    }
    *last = Some(Instant::now());
    let unlogged = std::mem::take(unlogged);
    drop(logged);
    let host = shown(request.headers(), &header::HOST);
    let origin = shown(request.headers(), &header::ORIGIN);
    let (reason, method) = (problem.code(), request.method());
    let client = client(request);
    tracing::warn!(reason, %method, %client, host, origin, unlogged, "refused an admin request");
}

/// The beginning of the host in a field's value, without a user's name and password before it and without a path
/// or a query after it.
fn shown(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let value = value.unwrap_or_default();
    let (scheme, rest) = match value.find("://") {
        Some(at) => value.split_at(at + 3),
        None => ("", &*value),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    scheme.chars().chain(host.chars()).take(100).collect()
}

fn check(
    hosts: Hosts,
    method: &Method,
    headers: &HeaderMap,
    authority: Option<&axum::http::uri::Authority>,
) -> Result<(), Problem> {
    let host = only_one(headers, &header::HOST)?;
    // An absolute target overrides `Host` (RFC 9112, section 3.2.2).
    let host = authority.map(axum::http::uri::Authority::as_str).or(host);
    let local = host.is_some_and(is_loopback);
    if hosts == Hosts::Loopback && !local {
        let detail = "expected a loopback name in Host, such as localhost or 127.0.0.1";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail));
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    let site = text(headers, "sec-fetch-site");
    let follows_a_link = reads && text(headers, "sec-fetch-mode") == Some("navigate");
    let foreign_site = matches!(site, Some("cross-site" | "same-site")) && !follows_a_link;
    let origin = only_one(headers, &header::ORIGIN)?;
    let foreign_origin = origin.is_some_and(|origin| {
        let named = origin.split_once("://").map(|(_, named)| named);
        !named.zip(host).is_some_and(|(named, host)| named.eq_ignore_ascii_case(host))
    });
    if foreign_site || foreign_origin {
        let detail = "web pages of another origin may not use this plane";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The value of a field. Several values, or one that is not ASCII text, are refused.
fn only_one<'a>(
    headers: &'a HeaderMap,
    name: &header::HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(axum::http::HeaderValue::to_str).transpose();
    match (value, values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Problem::bad_request(format!(
            "expected at most one header field {name:?}, with an ASCII value"
        ))),
    }
}

/// Whether a host, with or without a port, is a name of this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((v6, port)) if port.is_empty() || is_port(port) => v6,
            _ => return false,
        },
        None => match host.find(':') {
            Some(colon) if is_port(&host[colon..]) => &host[..colon],
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

fn is_port(port: &str) -> bool {
    port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, fields: &[(&'static str, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        check(Hosts::Loopback, method, &headers, None)
            .map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn what_is_logged_of_a_refused_request_has_no_credentials() {
        for (value, logged) in [
            ("evil.example:7071", "evil.example:7071"),
            ("me:hunter2@evil.example", "evil.example"),
            ("https://me:hunter2@evil.example/a?token=hunter2", "https://evil.example"),
            ("https://evil.example?token=hunter2@x", "https://evil.example"),
            ("", ""),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, value.parse().unwrap())]);
            assert_eq!(shown(&headers, &header::ORIGIN), logged);
        }
        assert_eq!(shown(&HeaderMap::new(), &header::ORIGIN), "");
    }

    #[test]
    fn only_names_of_loopback_pass() {
        for good in ["localhost", "LOCALHOST:7071", "127.0.0.1:7071", "127.9.9.9", "[::1]:80"] {
            assert_eq!(status(&Method::GET, &[("host", good)]), 200, "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:7071",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0:7071",
            "[::1].evil.example",
            "localhost:7071:1",
            "localhost:99999",
            "user@localhost",
        ] {
            assert_eq!(status(&Method::GET, &[("host", bad)]), 421, "{bad}");
        }
        assert_eq!(status(&Method::GET, &[]), 421);
        assert_eq!(status(&Method::GET, &[("host", "localhost"), ("host", "evil.example")]), 400);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "127.0.0.1:7071");
        let post = |more: &[(&'static str, &str)]| status(&Method::POST, &[&[host], more].concat());
        assert_eq!(post(&[]), 200);
        assert_eq!(post(&[("origin", "http://127.0.0.1:7071")]), 200);
        for foreign in ["http://evil.example", "null", "http://127.0.0.1:3000", "http://localhost"]
        {
            assert_eq!(post(&[("origin", foreign)]), 403, "{foreign}");
        }
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200);
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(status(&Method::GET, &[host, cross, ("sec-fetch-mode", "no-cors")]), 403);
        assert_eq!(status(&Method::GET, &[host, cross, ("sec-fetch-mode", "navigate")]), 200);
        assert_eq!(post(&[cross, ("sec-fetch-mode", "navigate")]), 403);
    }
}
