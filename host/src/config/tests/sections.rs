//! `[plugins.NAME]`, `[[routes]]`, and what settings must satisfy together.

use std::time::Duration;

use serde_json::json;

use super::{brief, good, refused};
use crate::config::{Config, PluginSettings, Reuse, Size};

#[test]
fn a_plugin_overrides_the_defaults() {
    let config = good(
        "[defaults]\ncpu = '2s'\ninstances = 3\n\
         [plugins.x]\ncpu = '3s'\nreuse = 'fresh'\noutput = '1MB'\n[plugins.y]\n",
    );
    let x = config.policy("x");
    assert_eq!((x.cpu, x.reuse, x.instances), (Duration::from_secs(3), Reuse::Fresh, 3));
    assert_eq!(x.output, Size::bytes(1_000_000));
    assert_eq!(config.policy("y"), config.defaults);
    assert_eq!(config.policy("unheard of"), config.defaults);
    assert_eq!(config.plugins["y"], PluginSettings::default());
}

#[test]
fn every_override_reaches_the_policy() {
    let config = good(
        "[plugins.x]\ninstances=1\nreuse='fresh'\nrecycle_calls=2\nrecycle_memory='3MiB'\nmemory='4MiB'\n\
         total_memory='5MiB'\ncpu='6s'\ndeadline='7s'\ninit='8s'\noutput='9MiB'\n\
         isolation='process'\nqueue=1\ntables=2\nfiles=13\nlogs=3\nhost_calls=4\nbreaker_failures=5\nbreaker_open='6s'\n\
         breaker_successes=7\nhealth_every='8s'\nhealth_deadline='7s'\nhealth_fall=10\nhealth_rise=11\n\
         restarts=12",
    );
    let policy = serde_json::to_value(config.policy("x")).expect("json");
    let expected = json!({
        "instances": 1, "reuse": "fresh", "recycle_calls": 2, "recycle_memory": "3MiB", "memory": "4MiB",
        "total_memory": "5MiB", "cpu": "6s", "deadline": "7s", "init": "8s", "output": "9MiB",
        "isolation": "process", "queue": 1, "tables": 2, "files": 13, "logs": 3, "host_calls": 4, "breaker_failures": 5,
        "breaker_open": "6s", "breaker_successes": 7, "health_every": "8s", "health_deadline": "7s",
        "health_fall": 10, "health_rise": 11, "restarts": 12,
    });
    assert_eq!(policy, expected);
}

#[test]
fn a_plugin_config_is_json() {
    let config = good(
        "[plugins.x.config]\nat = 1979-05-27T07:32:00.5Z\nlocal = 1979-05-27 07:32\nday = 1979-05-27\ntime = 07:32:01\n\
         n = 0xff\nbig = 18446744073709551615\nf = 1.5\nt = [{ a = true }, []]\n[plugins.x.config.deep]\n\"odd key\" = 'ä'",
    );
    assert_eq!(
        config.plugins["x"].config,
        json!({
            "at": "1979-05-27T07:32:00.5Z", "local": "1979-05-27T07:32:00", "day": "1979-05-27", "time": "07:32:01",
            "n": 255, "big": 18_446_744_073_709_551_615_u64, "f": 1.5, "t": [{"a": true}, []], "deep": {"odd key": "ä"},
        })
    );
}

#[test]
fn values_that_json_cannot_express_are_refused_with_their_key() {
    let error = refused(
        "[plugins.x.config]\na = nan\nb = [1, -inf]\nc = 18446744073709551616\nd = { e = 1e999 }\n",
    );
    assert_eq!(
        brief(&error),
        [
            "plugins.x.config.a: expected a finite number, found NaN",
            "plugins.x.config.b[1]: expected a finite number, found -inf",
            "plugins.x.config.c: expected a 64-bit integer, found 18446744073709551616",
            "plugins.x.config.d.e: expected a finite number, found inf",
        ]
    );
    assert_eq!((error.problems[1].line, error.problems[1].column), (Some(3), Some(9)));
    assert_eq!(
        brief(&refused("[plugins.x]\nconfig = 3")),
        ["plugins.x.config: expected a table, found the integer 3"]
    );
}

#[test]
fn plugin_names_are_checked() {
    for name in ["a", "0", "hello", "a-b_c", "\"a.b\"", &"x".repeat(64)] {
        good(&format!("[plugins.{name}]"));
    }
    for name in
        ["Hello", "_a", "-a", "\".a\"", "\"\"", "\"a b\"", "\"ä\"", "\"a/b\"", &"x".repeat(65)]
    {
        let error = refused(&format!("[plugins.{name}]"));
        assert_eq!((error.reason(), error.problems[0].line), ("config-value", Some(1)), "{name}");
    }
    let unquoted = refused("[plugins.a.b]\nenabled = true").to_string();
    assert!(unquoted.contains("unknown key"), "{unquoted}");
}

#[test]
fn an_artifact_is_a_file_of_the_folder() {
    assert_eq!(
        good("[plugins.x]\nartifact = 'x-1.2.wasm'").plugins["x"].artifact.as_deref(),
        Some("x-1.2.wasm")
    );
    for name in ["", ".", "..", "../x.wasm", "/x.wasm", "a/b", "a\\\\b", "c:x", "a\\u0000b"] {
        let error = refused(&format!("[plugins.x]\nartifact = \"{name}\""));
        assert_eq!(error.reason(), "config-value", "{name}");
    }
}

#[test]
fn secrets_are_hidden_where_the_configuration_is_shown() {
    let config = good(
        "[plugins.x.config]\nuser = 'u'\ndb = [{ api-key = 'hunter2' }]\nAuthToken = 'hunter2'",
    );
    assert_eq!(config.plugins["x"].config["AuthToken"], "hunter2", "the plugin itself gets it");
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("json"));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("\"user\":\"u\""), "{shown}");
}

#[test]
fn memory_beyond_total_memory_is_refused() {
    assert_eq!(
        brief(&refused("[defaults]\nmemory = '1GiB'")),
        [
            "defaults.memory: expected memory (one instance) of at most total_memory (all instances), found \"1GiB\" and \"512MiB\""
        ]
    );
    assert_eq!(
        brief(&refused("[plugins.x]\ntotal_memory = '1MiB'")),
        [
            "plugins.x.total_memory: expected memory (one instance) of at most total_memory (all instances), found \"64MiB\" and \"1MiB\""
        ]
    );
    assert_eq!(
        brief(&refused("[defaults]\nrecycle_memory = '65MiB'")),
        [
            "defaults.recycle_memory: expected recycle_memory of at most memory, found \"65MiB\" and \"64MiB\""
        ]
    );
    good("[plugins.x]\nmemory = '1GiB'\ntotal_memory = '1GiB'");
}

#[test]
fn two_planes_with_one_port_are_refused() {
    assert_eq!(
        brief(&refused("[server]\nlisten = '127.0.0.1:7071'")),
        [
            "server.listen: expected another address than [server] listen, found \"127.0.0.1:7071\" for both"
        ]
    );
    good("[server]\nlisten = '127.0.0.1:7071'\n[admin]\nenabled = false");
    good("[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'");
}

fn route(text: &str) -> String {
    format!("[[routes]]\nhandler = 'h'\n{text}\n")
}

#[test]
fn routes_are_read() {
    let config = good(
        "[[routes]]\npath = '/hello/{name}'\nmethods = ['GET', 'HEAD']\nhandler = 'hello'\nname = 'greet'\n\
         [[routes]]\npath = '/files/{*rest}'\nhandler = 'files'\n",
    );
    let shown = serde_json::to_value(&config.routes).expect("json");
    let expected = json!([
        {"path": "/hello/{name}", "methods": ["GET", "HEAD"], "handler": "hello", "name": "greet"},
        {"path": "/files/{*rest}", "methods": [], "handler": "files", "name": null},
    ]);
    assert_eq!(shown, expected);
}

#[test]
fn bad_routes_are_refused() {
    for (text, message) in [
        ("path = 'a'", "routes[0].path: expected a path that begins with '/', found \"a\""),
        ("path = ''", "routes[0].path: expected a path that begins with '/', found \"\""),
        (
            "path = '/a?b'",
            "routes[0].path: expected a path that begins with '/' and holds no blank, '?' or '#', found '?' in \"/a?b\"",
        ),
        (
            "path = '/{a'",
            "routes[0].path: expected named parameters in matching braces, found \"/{a\"",
        ),
        (
            "path = '/{}'",
            "routes[0].path: expected named parameters in matching braces, found \"/{}\"",
        ),
        (
            "path = '/{*a}/b'",
            "routes[0].path: expected {*rest} at the end of the path only, found \"/{*a}/b\"",
        ),
        (
            "path = '/{a}{b}'",
            "routes[0].path: expected one parameter between two slashes, found \"/{a}{b}\"",
        ),
        (
            "path = '/'\nmethods = ['get']",
            "routes[0].methods[0]: expected an HTTP method, found \"get\"; did you mean \"GET\"?",
        ),
        (
            "path = '/'\nmethods = ['GET', 'GET']",
            "routes[0].methods[1]: expected each method once, found \"GET\" again",
        ),
        (
            "path = '/'\nmethods = 'GET'",
            "routes[0].methods: expected an array such as [\"GET\"], found the string \"GET\"",
        ),
        ("methods = []", "routes[0]: expected the key `path`, found none"),
        ("path = '/'\npaht = '/'", "routes[0].paht: unknown key; did you mean `path`?"),
    ] {
        assert_eq!(brief(&refused(&route(text))), [message], "{text}");
    }
    let error = refused("[[routes]]\npath = '/'\nhandler = 'handler:hello'");
    assert!(error.to_string().contains("without its kind: \"hello\""), "{error}");
}

#[test]
fn two_routes_for_one_request_are_refused() {
    let two = |first: &str, second: &str| {
        let text = format!("{}{}", route(first), route(second));
        super::parse(&text).err().map(|error| brief(&error)).unwrap_or_default()
    };
    let none: [&str; 0] = [];
    assert_eq!(two("path = '/a'\nmethods = ['GET']", "path = '/a'\nmethods = ['POST']"), none);
    assert_eq!(two("path = '/a'", "path = '/b'"), none);
    assert_eq!(two("path = '/{a}'", "path = '/a'"), none, "the plain path wins");
    assert_eq!(
        two("path = '/a'\nmethods = ['GET', 'PUT']", "path = '/a'\nmethods = ['POST', 'PUT']"),
        ["routes[1].path: expected one route for PUT \"/a\", found routes[0] as well"]
    );
    assert_eq!(
        two("path = '/a'", "path = '/a'\nmethods = ['POST']"),
        ["routes[1].path: expected one route for POST \"/a\", found routes[0] as well"]
    );
    assert_eq!(
        two("path = '/{a}'\nmethods = ['GET']", "path = '/{b}'\nmethods = ['POST']"),
        ["routes[1].path: expected a path of another shape than \"/{a}\", found \"/{b}\""]
    );
}

#[test]
fn a_later_section_is_not_accepted_yet() {
    assert_eq!(refused("[fleet]").reason(), "config-unknown-key");
    assert_eq!(good(""), Config::default());
}

#[test]
fn a_plane_listens_on_one_address_or_several() {
    let listen = |text: &str| {
        let config = good(&format!("[server]\nlisten = {text}\n"));
        config.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listen("'[::1]:0'"), ["[::1]:0"]);
    assert_eq!(listen("'unix:/run/a.sock'"), ["unix:/run/a.sock"]);
    assert_eq!(
        listen("['127.0.0.1:80', 'unix:/run/a.sock']"),
        ["127.0.0.1:80", "unix:/run/a.sock"]
    );
    let set = |text| Config::builder().set("admin.listen", text).load().expect("good").admin.listen;
    assert_eq!(set("[::1]:9").len(), 1);
    assert_eq!(set("['127.0.0.1:9', \"unix:/run/a.sock\"]").len(), 2);
    let shown = |text| {
        let config = good(&format!("[server]\nlisten = {text}\n"));
        serde_json::to_value(config.server).expect("JSON")["listen"].clone()
    };
    assert_eq!(shown("'127.0.0.1:80'"), json!("127.0.0.1:80"), "as in the file");
    assert_eq!(shown("['127.0.0.1:80', '[::1]:80']"), json!(["127.0.0.1:80", "[::1]:80"]));
}

#[test]
fn addresses_that_cannot_be_listened_on_are_refused() {
    let long = format!("'unix:/{}'", "x".repeat(103));
    for (text, expected) in [
        ("'unix:a.sock'", "expected an absolute path after `unix:`"),
        (long.as_str(), "expected at most 103 bytes after `unix:`"),
        ("[]", "expected 1 to 16 addresses, found 0"),
        ("['127.0.0.1:80', '127.0.0.1:80']", "expected each once"),
        ("7070", "expected an address and port"),
    ] {
        let error = refused(&format!("[server]\nlisten = {text}\n")).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let public = refused("[admin]\nlisten = ['unix:/run/a.sock', '0.0.0.0:1']\n").to_string();
    assert!(
        public.contains("expected a loopback address without tokens and TLS, found \"0.0.0.0:1\""),
        "{public}"
    );
    let both = "[admin]\nlisten = 'unix:/run/a.sock'\n[server]\nlisten = ['[::1]:0', 'unix:/run/a.sock']\n";
    assert!(refused(both).to_string().contains("expected another address than [server] listen"));
}

#[test]
fn tls_is_a_certificate_and_a_key() {
    let both = good(
        "[server]\ntls = { certificate = 'a.pem', key = '/b.key' }\n[admin.tls]\ncertificate = 'c'\nkey = 'd'\nclient_ca = 'e'\n",
    );
    let server = both.server.tls.expect("TLS");
    assert_eq!((server.certificate, server.key), ("a.pem".into(), "/b.key".into()));
    assert_eq!(both.admin.tls.expect("TLS").client_ca, std::path::Path::new("e"));
    let flag = Config::builder().set("server.tls", "{certificate='a', key='b'}").load();
    assert_eq!(flag.expect("a flag").server.tls.expect("TLS").key, std::path::Path::new("b"));
    for (text, expected) in [
        ("{ certificate = 'a' }", "expected `certificate` and `key`, found no `key`"),
        ("{}", "found no `certificate`"),
        (
            "{ certificate = 'a', key = '' }",
            "server.tls.key: expected a path, found an empty string",
        ),
        ("{ certificate = 'a', key = 'b', client_ca = 'c' }", "unknown key"),
        ("'a.pem'", "expected a table"),
    ] {
        let error = refused(&format!("[server]\ntls = {text}\n")).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
