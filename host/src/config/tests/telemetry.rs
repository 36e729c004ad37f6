//! `[telemetry]`.

use super::{good, refused};
use crate::config::{Config, SpanProtocol};

const SECRET: &str = "hunter2";

#[test]
fn traces_are_off_by_default() {
    let telemetry = Config::default().telemetry;
    assert_eq!((telemetry.endpoint.as_str(), telemetry.sampling), ("", 1.0));
}

#[test]
fn an_endpoint_is_a_url_without_tls_and_credentials() {
    for (endpoint, protocol) in [
        ("", "grpc"),
        ("http://127.0.0.1:4317", "grpc"),
        ("http://[::1]:4317/", "grpc"),
        ("http://collector:4318/otlp", "http"),
    ] {
        let text = format!("[telemetry]\nendpoint = {endpoint:?}\nprotocol = {protocol:?}");
        assert_eq!(good(&text).telemetry.endpoint, endpoint);
    }
    for (endpoint, protocol, message) in [
        ("https://127.0.0.1:4317", "grpc", "this host has no TLS"),
        ("127.0.0.1:4317", "grpc", "write http://HOST:PORT"),
        ("http://", "grpc", "such as"),
        ("http://a b", "grpc", "such as"),
        ("http://a/b?c", "http", "such as"),
        ("http://me:hunter2@collector", "http", "telemetry.headers"),
        ("http://collector:4317/v1", "grpc", "without a path"),
    ] {
        let text = format!("[telemetry]\nendpoint = {endpoint:?}\nprotocol = {protocol:?}");
        let error = refused(&text).to_string();
        assert!(error.contains(message), "{endpoint}: {error}");
    }
}

#[test]
fn header_values_are_never_shown() {
    let text = format!("[telemetry]\nheaders = {{ Authorization = \"{SECRET}\" }}");
    let config = good(&text);
    assert_eq!(config.telemetry.headers.0["authorization"], SECRET);
    assert!(!format!("{config:?}").contains(SECRET));
    assert!(!serde_json::to_string(&config).unwrap().contains(SECRET));
    for wrong in [
        format!("headers = {{ authorization = \"{SECRET}\\n\" }}"),
        format!("headers = {{ \"a b\" = \"{SECRET}\" }}"),
        format!("headers = {{ grpc-x = \"{SECRET}\" }}"),
        format!("headers = [\"{SECRET}\"]"),
        format!("headers = \"{SECRET}\""),
        format!("headers = {{ authorization = \"{SECRET}\" "),
        format!("headers = {{ authorization = \"{SECRET}\" }}\nendpoint = 3"),
    ] {
        let error = refused(&format!("[telemetry]\n{wrong}")).to_string();
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn headers_can_come_from_the_environment() {
    let set = |value: &str| {
        Config::builder().env([("PLUGBAY_TELEMETRY_HEADERS".to_owned(), value.to_owned())]).load()
    };
    let config = set(&format!("{{ authorization = \"{SECRET}\" }}")).unwrap();
    assert_eq!(config.telemetry.headers.0["authorization"], SECRET);
    let error = set(&format!("authorization={SECRET}")).unwrap_err().to_string();
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
fn a_changed_header_waits_for_a_restart_and_is_not_shown() {
    let with = |value: &str| good(&format!("[telemetry]\nheaders = {{ key = {value:?} }}"));
    let pending = Config::pending_restart(&with("one"), &with(SECRET));
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0].key, "telemetry.headers");
    assert!(!format!("{pending:?}").contains(SECRET));
    assert!(Config::pending_restart(&with("one"), &with("one")).is_empty());
}

#[test]
fn the_share_and_the_protocol_are_checked() {
    let telemetry = good("[telemetry]\nsampling = 0.25\nprotocol = \"http\"").telemetry;
    assert_eq!((telemetry.sampling, telemetry.protocol), (0.25, SpanProtocol::Http));
    for (wrong, message) in [
        ("sampling = 1.5", "expected 0 to 1"),
        ("protocol = \"udp\"", "expected \"grpc\" or \"http\""),
        ("service_name = \"\"", "expected 1 to 256 bytes"),
        ("timeout = \"2m\"", "expected \"1ms\" to \"1m\""),
    ] {
        let error = refused(&format!("[telemetry]\n{wrong}")).to_string();
        assert!(error.contains(message), "{error}");
    }
}
