//! `[telemetry]`: which requests are traced, and where their spans are sent.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use toml::de::DeValue;

use super::keys;
use crate::config::problem::report::Report;
use crate::config::problem::{render, secret};
use crate::config::read::section::{self, Refusal, Section};
use crate::config::read::tree::{self, Table, Value};
use crate::config::value::duration::{self, MILLISECOND, MINUTE};
use crate::config::value::protocol::SpanProtocol;

/// `[telemetry]`: traces. The library records spans to the sink of its [`Builder`](crate::Builder::spans); the
/// server sends them to the endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TelemetrySettings {
    /// Needs a restart. The URL of a collector; empty = none, and no spans are made.
    pub endpoint: String,
    /// Needs a restart. How spans are sent.
    pub protocol: SpanProtocol,
    /// The share of requests that are traced, of those without a trace of their client; 0 to 1.
    pub sampling: f64,
    /// Needs a restart. The name of this service in traces.
    pub service_name: String,
    /// Needs a restart. Header fields for the collector, such as its credentials.
    pub headers: SecretHeaders,
    /// Needs a restart. How long it may take to send a batch, further attempts included.
    #[serde(serialize_with = "duration::serialize")]
    pub timeout: Duration,
}

/// Header fields whose values are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretHeaders(pub BTreeMap<String, String>);

impl fmt::Debug for SecretHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for SecretHeaders {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for name in self.0.keys() {
            map.serialize_entry(name, secret::HIDDEN)?;
        }
        map.end()
    }
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            protocol: SpanProtocol::Grpc,
            sampling: 1.0,
            service_name: "plugbay".to_owned(),
            headers: SecretHeaders::default(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// The longest name of a service.
const MAX_NAME: usize = 256;

pub(super) fn read(root: &Table, report: &mut Report<'_>) -> TelemetrySettings {
    let mut telemetry = TelemetrySettings::default();
    let section = &mut Section::open(root, "telemetry", keys::TELEMETRY, report);
    section.read("protocol", &mut telemetry.protocol);
    read_checked(section, "endpoint", &mut telemetry.endpoint, |it| {
        check_endpoint(it, telemetry.protocol)
    });
    section.read_within("sampling", &mut telemetry.sampling, 0.0..=1.0);
    read_checked(section, "service_name", &mut telemetry.service_name, check_name);
    telemetry.headers = read_headers(section);
    section.read_within("timeout", &mut telemetry.timeout, MILLISECOND..=MINUTE);
    telemetry
}

fn read_checked(
    section: &mut Section<'_, '_>,
    key: &str,
    into: &mut String,
    check: impl FnOnce(&str) -> Result<(), Refusal>,
) {
    let Some(text) = section.get::<String>(key) else { return };
    match check(&text) {
        Ok(()) => *into = text,
        Err((message, hint)) => section.refuse(key, message, hint),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("expected 1 to {MAX_NAME} bytes without control characters");
    Err((message, Some("write service_name = \"plugbay\"".to_owned())))
}

/// Checks the URL of a collector. The message does not repeat it, because a URL may have a password.
fn check_endpoint(url: &str, protocol: SpanProtocol) -> Result<(), Refusal> {
    if url.is_empty() {
        return Ok(());
    }
    let refused = |message: &str, hint: &str| Err((message.to_owned(), Some(hint.to_owned())));
    if url.starts_with("https://") {
        let hint = "this host has no TLS for it: send spans to a collector on this machine or network by http, which \
                    sends them on by TLS";
        return refused("expected a URL with http://, found https://", hint);
    }
    let expected = "expected a URL such as \"http://127.0.0.1:4317\"";
    let Some(rest) = url.strip_prefix("http://") else {
        return refused(expected, "write http://HOST:PORT");
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.is_empty() || authority.contains('@') || !plain || rest.contains(['?', '#']) {
        let hint = "write http://HOST:PORT, and credentials in telemetry.headers";
        return refused(expected, hint);
    }
    if protocol == SpanProtocol::Grpc && !path.is_empty() {
        return refused(
            "expected a URL without a path, because telemetry.protocol is \"grpc\"",
            "remove the path, or set protocol = \"http\"",
        );
    }
    Ok(())
}

/// The header fields. A variable or flag writes the table as in the file. Messages show names, never values.
fn read_headers(section: &mut Section<'_, '_>) -> SecretHeaders {
    const KEY: &str = "headers";
    let path = section.key(KEY);
    let Some(node) = section.node(KEY) else { return SecretHeaders::default() };
    let parsed = match &node.value {
        Value::Text(text) => DeValue::parse(text)
            .ok()
            .and_then(|value| tree::value_at(value.into_inner(), &node.at, &path, section.report)),
        _ => None,
    };
    let table = match &parsed {
        Some(Value::Table(table)) => Some(table),
        _ => section.table(KEY),
    };
    let mut headers = BTreeMap::new();
    for (name, entry) in table.into_iter().flatten() {
        let key = render::join_key(&path, name);
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let reserved = name.to_ascii_lowercase();
        let reserved = reserved.starts_with("grpc-") || reserved.ends_with("-bin");
        if name.is_empty() || !name.bytes().all(token) || reserved {
            let message = "expected the name of a header field, other than grpc-… and …-bin";
            let hint = "write headers = { authorization = \"Bearer …\" }";
            section.report.value(&entry.key_at, &key, message.to_owned(), Some(hint.to_owned()));
            continue;
        }
        let Some(value) = section::read_node::<String>(&entry.node, &key, section.report) else {
            continue;
        };
        if value.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            headers.insert(name.to_ascii_lowercase(), value);
        } else {
            let message = "expected a value of printable ASCII characters".to_owned();
            section.report.value(&entry.node.at, &key, message, None);
        }
    }
    SecretHeaders(headers)
}
