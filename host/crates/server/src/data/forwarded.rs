//! For whom a trusted proxy asks: `Forwarded` (RFC 7239), or `X-Forwarded-For` and `X-Forwarded-Proto`.
//!
//! Each proxy adds the address of its own client at the end of a list that it got from that client, who may have
//! written anything. So the list is read from its end, for as long as the address that wrote a member is trusted. The
//! first address that is not trusted is the client.
//!
//! A proxy that writes one of the two fields passes on the other as its client wrote it. So if both are there, and do
//! not name the same client, the request is refused.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use plugbay::config::Peer;

use crate::listener::Client;
use crate::problem::Problem;

/// The fields that say for whom a proxy asks. Handlers get none of them from a client.
pub(super) const FIELDS: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The most proxies that a request passes. More are not looked at.
const MAX_HOPS: usize = 32;

/// For whom a proxy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) client: Client,
    /// The protocol between the client and its proxy, if that says it.
    pub(super) scheme: Option<&'static str>,
}

/// A member of the list that proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hop {
    /// `None` if it is hidden, unknown, or no address.
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
}

/// The client of a request that came from `peer`.
///
/// # Errors
///
/// If two fields name different clients.
pub(super) fn origin(
    headers: &HeaderMap,
    peer: Client,
    trusted: &[Peer],
) -> Result<Origin, Problem> {
    let itself = Origin { client: peer, scheme: None };
    let is_trusted = |client: Client| trusted.iter().any(|it| it.holds(client.address()));
    if !is_trusted(peer) {
        return Ok(itself);
    }
    let walked = |hops: Vec<Hop>| {
        let mut at = itself;
        for hop in hops.into_iter().rev() {
            let Some(address) = hop.address.filter(|_| is_trusted(at.client)) else { break };
            at = Origin { client: Client::of(address), scheme: hop.scheme };
        }
        at
    };
    let standard = headers.contains_key(FORWARDED).then(|| walked(forwarded(headers)));
    let usual = headers.contains_key(FOR).then(|| walked(forwarded_for(headers)));
    match (standard, usual) {
        (Some(standard), Some(usual)) if standard.client != usual.client => {
            let detail = "expected `Forwarded` and `X-Forwarded-For` to name the same client: a proxy must remove the \
                          one that it does not write";
            Err(Problem::new(StatusCode::BAD_REQUEST, "forwarded", detail).closing())
        }
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) => Ok(itself),
    }
}

/// The last members of all fields of a name, split at commas outside of quotes.
fn members(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let mut members = Vec::new();
    for value in headers.get_all(name) {
        let value = String::from_utf8_lossy(value.as_bytes());
        members.extend(split(&value, ',').map(str::to_owned));
    }
    let more = members.len().saturating_sub(MAX_HOPS);
    members.split_off(more)
}

/// Splits a text at a separator that does not stand in quotes (RFC 9110, section 5.6.4).
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        let is_escaped = std::mem::take(&mut escaped);
        match letter {
            '\\' if quoted && !is_escaped => escaped = true,
            '"' if !is_escaped => quoted = !quoted,
            _ => {}
        }
        letter == at && !quoted
    })
    .map(str::trim)
}

/// The members of `Forwarded` (RFC 7239, section 4).
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let hop = |member: &String| {
        let mut hop = Hop::default();
        let mut seen = (false, false);
        for pair in split(member, ';').filter(|it| !it.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else { return Hop::default() };
            let value = unquoted(value);
            if name.eq_ignore_ascii_case("for") {
                // No parameter stands twice.
                hop.address = value.as_deref().and_then(node).filter(|_| !seen.0);
                seen.0 = true;
            } else if name.eq_ignore_ascii_case("proto") {
                hop.scheme = value.as_deref().and_then(scheme).filter(|_| !seen.1);
                seen.1 = true;
            }
        }
        hop
    };
    members(headers, &FORWARDED).iter().map(hop).collect()
}

/// The members of `X-Forwarded-For`. The protocol is that of the last proxy.
fn forwarded_for(headers: &HeaderMap) -> Vec<Hop> {
    let proto = members(headers, &PROTO).last().and_then(|it| scheme(it));
    let hop = |member: &String| Hop { address: node(member), scheme: proto };
    members(headers, &FOR).iter().map(hop).collect()
}

/// A token, or a quoted string without its quotes; `None` if it is neither.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains(['"', '\\'])).then(|| value.to_owned());
    };
    let (mut text, mut letters) = (String::new(), inner.strip_suffix('"')?.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next()?),
            '"' => return None,
            other => text.push(other),
        }
    }
    Some(text)
}

/// The address of a node, with or without a port (RFC 7239, section 6).
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?;
    let (inner, port) = inner.split_once(']')?;
    let is_port = |port: &str| port.starts_with(':') && port.len() <= 17;
    (port.is_empty() || is_port(port)).then(|| inner.parse().ok().map(IpAddr::V6))?
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|known| text.eq_ignore_ascii_case(known))
}

/// What a handler is told: the client, and its protocol.
pub(super) fn written(origin: &Origin) -> String {
    let client = match origin.client {
        Client::Address(IpAddr::V6(address)) => format!("for=\"[{address}]\""),
        Client::Address(address) => format!("for={address}"),
        Client::Unknown => "for=unknown".to_owned(),
    };
    match origin.scheme {
        Some(scheme) => format!("{client};proto={scheme}"),
        None => client,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// What is believed of a request of a proxy at 10.0.0.1.
    fn asked(peer: &str, fields: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted = ["10.0.0.0/8", "2001:db8::/32", "unix"].map(|it| it.parse().unwrap());
        let peer = if peer == "unix" { Client::Unknown } else { Client::of(peer.parse().unwrap()) };
        let origin = origin(&headers, peer, &trusted).map_err(|problem| problem.code())?;
        Ok(written(&origin))
    }

    #[test]
    fn the_list_is_read_from_its_end() {
        for (field, expected) in [
            ("192.0.2.1", "for=192.0.2.1"),
            ("203.0.113.9, 192.0.2.1", "for=192.0.2.1"),
            ("203.0.113.9, 192.0.2.1, 10.0.0.2", "for=192.0.2.1"),
            ("10.0.0.3, 10.0.0.2", "for=10.0.0.3"),
            ("192.0.2.1:4711", "for=192.0.2.1"),
            ("[2001:db9::1]:4711", "for=\"[2001:db9::1]\""),
            ("2001:db9::1, 2001:db8::1", "for=\"[2001:db9::1]\""),
            ("::ffff:192.0.2.1", "for=192.0.2.1"),
            // What is no address ends the list: the proxy that wrote it is the client.
            ("192.0.2.1, nonsense, 10.0.0.2", "for=10.0.0.2"),
            ("nonsense", "for=10.0.0.1"),
            ("", "for=10.0.0.1"),
        ] {
            assert_eq!(asked("10.0.0.1", &[("x-forwarded-for", field)]).as_deref(), Ok(expected));
        }
        let twice = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")];
        assert_eq!(asked("10.0.0.1", &twice).as_deref(), Ok("for=192.0.2.2"));
        assert_eq!(asked("unix", &twice).as_deref(), Ok("for=192.0.2.2"));
    }

    #[test]
    fn the_standard_field_is_read_as_the_standard_says() {
        for (field, expected) in [
            ("for=192.0.2.1", "for=192.0.2.1"),
            ("For=192.0.2.1;Proto=HTTPS;by=10.0.0.1", "for=192.0.2.1;proto=https"),
            ("for=192.0.2.9, for=192.0.2.1 ; proto=http", "for=192.0.2.1;proto=http"),
            ("for=\"[2001:db9::1]:4711\"", "for=\"[2001:db9::1]\""),
            ("for=\"192.0.2.1:80\"", "for=192.0.2.1"),
            ("for=192.0.2.1;host=\"a,b;for=203.0.113.1\"", "for=192.0.2.1"),
            ("for=192.0.2.1;host=\"a\\\",for=203.0.113.1\"", "for=192.0.2.1"),
            ("for=_hidden", "for=10.0.0.1"),
            ("for=unknown", "for=10.0.0.1"),
            ("for=192.0.2.1;for=203.0.113.1", "for=10.0.0.1"),
            ("for=\"192.0.2.1", "for=10.0.0.1"),
            ("nonsense", "for=10.0.0.1"),
        ] {
            assert_eq!(
                asked("10.0.0.1", &[("forwarded", field)]).as_deref(),
                Ok(expected),
                "{field}"
            );
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let both = [("x-forwarded-for", "10.0.0.9"), ("forwarded", "for=10.0.0.8")];
        assert_eq!(asked("192.0.2.7", &both).as_deref(), Ok("for=192.0.2.7"));
        // The proxy writes one of them; the other is its client's.
        assert_eq!(asked("10.0.0.1", &both), Err("forwarded"));
        let same = [("x-forwarded-for", "1.2.3.4, 192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(asked("10.0.0.1", &same).as_deref(), Ok("for=192.0.2.1"));
        let proto = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "http, https")];
        assert_eq!(asked("10.0.0.1", &proto).as_deref(), Ok("for=192.0.2.1;proto=https"));
    }
}
