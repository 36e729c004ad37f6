//! Keys of `[server]`, `[admin]` and `[[routes]]` about HTTP.

use std::time::Duration;

use super::{good, refused};
use crate::config::{Peer, Rate, RouteOptions, Size};

const ROUTE: &str = "[[routes]]\npath = \"/a\"\nhandler = \"a\"\n";

#[test]
fn a_route_has_options() {
    let config = good(&format!(
        "{ROUTE}timeout = \"2s\"\nmax_body = \"1KiB\"\nrate = \"5/s\"\nallow = [\"10.0.0.0/8\", \"unix\"]\n\
         cors = {{ origins = [\"https://a.example:8443\"], max_age = \"0s\" }}\n"
    ));
    let options = &config.routes[0].options;
    assert_eq!(options.timeout, Some(Duration::from_secs(2)));
    assert_eq!(options.max_body, Some(Size::kib(1)));
    assert_eq!(options.rate.to_string(), "5/1s");
    assert_eq!(options.allow, ["10.0.0.0/8".parse().unwrap(), Peer::Unix]);
    let cors = options.cors.as_ref().unwrap();
    assert_eq!((cors.methods.len(), cors.max_age), (3, Duration::ZERO));
    let plain = good(ROUTE);
    assert_eq!(plain.routes[0].options, RouteOptions::default());
    // Options that are not set are not shown.
    let shown = serde_json::to_value(&plain.routes[0]).unwrap();
    assert_eq!(shown.as_object().unwrap().len(), 4, "{shown}");
}

#[test]
fn the_planes_have_rates_and_lists() {
    let config =
        good("[server]\nrate = \"\"\ntrusted_proxies = [\"::1\"]\n[admin]\nrate = \"1/1h\"\n");
    assert_eq!(config.server.rate, Rate::NONE);
    assert!(config.server.trusted_proxies[0].holds(Some([0, 0, 0, 0, 0, 0, 0, 1].into())));
    assert_eq!(config.admin.rate.to_string(), "1/1h");
}

#[test]
fn mistakes_are_told() {
    for (text, expected) in [
        ("[server]\nrate = \"5\"", "expected a rate such as"),
        ("[server]\nallow = [\"10.0.0.1/8\"]", "expected a network such as"),
        ("[server]\ndeny = [\"10.0.0.1\", \"10.0.0.1\"]", "expected each once"),
        ("[server]\nmax_header = \"1KiB\"", "expected \"8KiB\" to \"1MiB\""),
        ("[server]\nhttp2_streams = 0", "expected 1 to 10000, found 0"),
    ] {
        let error = refused(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (cors, expected) in [
        ("{ }", "expected `origins`, found none"),
        ("{ origins = [\"https://a.example/\"] }", "expected an origin"),
        ("{ origins = [\"a.example\"] }", "expected an origin"),
        ("{ origins = [\"*\", \"https://a.example\"] }", "expected \"*\" alone"),
        ("{ origins = [\"*\"], credentials = true }", "because `credentials` is true"),
        ("{ origins = [\"https://a.example\"], headers = [\"a b\"] }", "expected a name"),
        ("{ origins = [\"https://a.example\"], max_ages = 1 }", "did you mean `max_age`"),
    ] {
        let error = refused(&format!("{ROUTE}cors = {cors}\n")).to_string();
        assert!(error.contains(expected), "{cors}: {error}");
    }
}
