//! Flags > environment > file > defaults, and the source that a mistake is reported for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::{brief, good};
use crate::config::{Config, ConfigSource, Size};

fn port(config: &Config) -> u16 {
    config.server.listen[0].tcp().expect("a port").port()
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let none: [(&str, &str); 0] = [];
    let file = "[server]\nlisten = \"127.0.0.1:1\"";
    let env = [("PLUGBAY_SERVER_LISTEN", "127.0.0.1:2"), ("HOME", "/root")];
    let load = |file: &str, env: &[(&str, &str)], flag: Option<&str>| {
        let mut layers = Config::builder().text(file, "config.toml").env(env.iter().copied());
        if let Some(flag) = flag {
            layers = layers.set("server.listen", flag);
        }
        port(&layers.load().expect("good"))
    };
    assert_eq!(load("", &none, None), 7070);
    assert_eq!(load(file, &none, None), 1);
    assert_eq!(load(file, &env, None), 2);
    assert_eq!(load(file, &env, Some("127.0.0.1:3")), 3);
    assert_eq!(load("", &none, Some("127.0.0.1:3")), 3);
}

#[test]
fn a_later_flag_wins_over_an_earlier_one() {
    let config = Config::builder().set("host.strict", "true").set("host.strict", "false");
    assert!(!config.load().expect("good").host.strict);
}

#[test]
fn texts_are_read_by_the_type_of_their_key() {
    let config = Config::builder()
        .env([
            ("PLUGBAY_HOST_LINKED", "false"),
            ("PLUGBAY_HOST_PARALLEL", "3"),
            ("PLUGBAY_SERVER_MAX_BODY", "1KiB"),
            ("PLUGBAY_DEFAULTS_RECYCLE_CALLS", "7"),
            ("PLUGBAY_DEFAULTS_CPU", "5ms"),
        ])
        .set("admin.listen", "[::1]:9")
        .set("plugins.hello.enabled", "false")
        .set("plugins.\"a.b\".memory", "1MiB")
        .set("plugins.hello.config.greeting", "Guten Tag")
        .set("plugins.hello.config.depth.n", "3")
        .set("plugins.hello.config.list", "[1, 'x']")
        .load()
        .expect("good");
    assert!(!config.host.linked);
    assert_eq!(config.host.parallel, 3);
    assert_eq!(config.server.max_body, Size::kib(1));
    assert_eq!(config.defaults.recycle_calls, 7);
    assert_eq!(config.defaults.cpu, Duration::from_millis(5));
    assert_eq!(config.admin.listen, ["[::1]:9".parse().expect("address")]);
    assert!(!config.plugins["hello"].enabled);
    assert_eq!(config.plugins["a.b"].limits.memory, Some(Size::mib(1)));
    assert_eq!(
        config.plugins["hello"].config,
        json!({"greeting": "Guten Tag", "depth": {"n": 3}, "list": [1, "x"]})
    );
}

#[test]
fn a_flag_changes_one_key_of_a_plugin_and_leaves_the_others() {
    let config = Config::builder()
        .text("[plugins.x]\nmemory = \"1MiB\"\nconfig = { a = 1, b = 2 }", "config.toml")
        .set("plugins.x.config.b", "3")
        .set("plugins.x.enabled", "false")
        .load()
        .expect("good");
    let x = &config.plugins["x"];
    assert_eq!((x.enabled, x.limits.memory), (false, Some(Size::mib(1))));
    assert_eq!(x.config, json!({"a": 1, "b": 3}));
}

#[test]
fn a_mistake_names_its_variable_or_flag() {
    let error = Config::builder()
        .env([("PLUGBAY_SERVER_LISTEN", "nowhere"), ("PLUGBAY_SERVER_LISTN", "x")])
        .set("host.strict", "perhaps")
        .set("host.strikt", "true")
        .set("not a key", "1")
        .set("a = 1\nb", "1")
        .set("plugins.x", "1")
        .set("routes", "[]")
        .load()
        .expect_err("a refusal");
    assert_eq!(
        error.to_string(),
        r#"
environment variable PLUGBAY_SERVER_LISTN: unknown variable; did you mean PLUGBAY_SERVER_LISTEN?
 = variables are PLUGBAY_SECTION_KEY for the keys of [host], [server], [admin] and [defaults], and PLUGBAY_LOG, PLUGBAY_LOG_FORMAT, PLUGBAY_CONFIG, PLUGBAY_DIRECTORY, PLUGBAY_DIRECTORY_TOKEN, PLUGBAY_HOST, PLUGBAY_HOSTS, PLUGBAY_TOKEN; unset what is not meant for plugbay

environment variable PLUGBAY_SERVER_LISTEN: server.listen: expected an address and port such as "127.0.0.1:7070", found "nowhere"
 = names are not resolved; write an IPv4 address, or an IPv6 address in brackets such as "[::1]:7070", and a port

flag not a key: expected a dotted key such as server.listen
 = a part with a dot in it is quoted: plugins."a.b".enabled

flag a = 1�b: expected a dotted key such as server.listen
 = a part with a dot in it is quoted: plugins."a.b".enabled

flag host.strikt: host.strikt: unknown key; did you mean `strict`?
 = keys of [host]: plugins, cache, state, linked, strict, debounce, rescan, drain, parallel, mapped, mapped_beyond, history, probes, stall_timeout

flag host.strict: host.strict: expected true or false, found "perhaps"

flag plugins.x: plugins.x: expected a table, found "1"
 = write [plugins.x] on a line of its own and its keys below, or name a key of it: plugins.x.KEY

flag routes: routes: expected an array of tables, found "[]"
 = routes are written in the file only, each under a line [[routes]]
"#
        .trim(),
        "\n{error}\n"
    );
}

#[test]
fn a_mistake_within_a_flag_is_reported_for_the_flag() {
    let error = Config::builder()
        .text("[host]\nstrict = true", "config.toml")
        .set("plugins.x.config.a", "[1, { b = inf }]")
        .load()
        .expect_err("a refusal");
    assert_eq!(error.problems[0].origin, ConfigSource::Flag("plugins.x.config.a".to_owned()));
    assert_eq!(brief(&error), ["plugins.x.config.a[1].b: expected a finite number, found inf"],);
}

#[test]
fn variables_for_plugins_are_refused() {
    let error = Config::builder()
        .env([("PLUGBAY_PLUGINS_X_ENABLED", "false")])
        .load()
        .expect_err("refusal");
    assert!(error.to_string().contains("by a flag"), "{error}");
    assert_eq!(error.reason(), "config-unknown-key");
}

#[test]
fn variables_of_other_programs_are_ignored() {
    Config::builder()
        .env([
            ("PATH", "/bin"),
            ("PLUGBAY_LOG", "debug"),
            ("PLUGBAY_LOG_FORMAT", "json"),
            ("PLUGBAY_CONFIG", "/etc/plugbay/config.toml"),
            ("PLUGBAY_SERVICE_HOST", "10.0.0.1"),
            ("PLUGBAY_SERVICE_PORT_HTTP", "7070"),
            ("PLUGBAY_PORT", "tcp://10.0.0.1:7070"),
            ("PLUGBAY_PORT_7070_TCP_ADDR", "10.0.0.1"),
            ("PLUGBAY_ADMIN_SERVICE_HOST", "10.0.0.2"),
            ("PLUGBAY_ADMIN_PORT", "tcp://10.0.0.2:7071"),
        ])
        .load()
        .expect("good");
    for name in ["PLUGBAY_PORT", "PLUGBAY_SERVER_PORT", "PLUGBAY_", "PLUGBAY_LOGS"] {
        let error = Config::builder().env([(name, "7070")]).load().expect_err(name);
        assert_eq!(error.problems[0].origin, ConfigSource::Environment(name.to_owned()));
    }
}

#[test]
fn a_mistake_in_the_file_is_reported_even_if_a_flag_overrides_the_key() {
    let error = Config::builder()
        .text("[host]\nstrict = 3", "config.toml")
        .set("host.strict", "true")
        .load()
        .expect_err("a refusal");
    assert_eq!(brief(&error), ["host.strict: expected true or false, found the integer 3"]);
}

#[test]
fn a_flag_may_complete_the_file() {
    let config = Config::builder()
        .text("[defaults]\nmemory = \"1GiB\"", "config.toml")
        .set("defaults.total_memory", "2GiB")
        .load()
        .expect("good");
    assert_eq!(config.defaults.memory, Size::gib(1));
}

#[test]
fn folders_are_relative_to_the_file() {
    let of = |text: &str, origin: &str| {
        Config::parse(text, Path::new(origin)).expect("good").host.plugins
    };
    assert_eq!(of("", "config.toml"), PathBuf::from("plugins"));
    assert_eq!(of("", "/etc/plugbay/config.toml"), PathBuf::from("/etc/plugbay/plugins"));
    assert_eq!(
        of("[host]\nplugins = 'p'", "/etc/plugbay/config.toml"),
        PathBuf::from("/etc/plugbay/p")
    );
    assert_eq!(of("[host]\nplugins = '/p'", "/etc/plugbay/config.toml"), PathBuf::from("/p"));
    let by_flag = Config::builder()
        .text("[host]\nplugins = 'p'", "/etc/plugbay/config.toml")
        .set("host.plugins", "here")
        .load()
        .expect("good");
    assert_eq!(by_flag.host.plugins, PathBuf::from("here"));
    assert_eq!(by_flag.host.cache, PathBuf::from("/etc/plugbay/.plugbay/cache"));
}

#[test]
fn the_file_is_read_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let layers = Config::builder().file(&path);

    let missing = layers.load().expect_err("no file");
    assert_eq!(missing.reason(), "config-io");
    assert!(
        missing.to_string().contains("config.toml: expected a readable file, found: "),
        "{missing}"
    );

    std::fs::write(&path, "[server]\nlisten = '127.0.0.1:1'").expect("write");
    assert_eq!(port(&layers.load().expect("good")), 1);
    std::fs::write(&path, "[server]\nlisten = '127.0.0.1:2'").expect("write");
    assert_eq!(port(&layers.load().expect("good")), 2);

    std::fs::write(&path, b"[server]\n# caf\xe9\n").expect("write");
    let error = layers.load().expect_err("not UTF-8");
    assert_eq!(
        (error.reason(), error.problems[0].line, error.problems[0].column),
        ("config-syntax", Some(2), Some(6))
    );

    std::fs::write(&path, vec![b'#'; (4 << 20) + 1]).expect("write");
    assert_eq!(layers.load().expect_err("too large").reason(), "config-io");
    assert_eq!(
        Config::builder().file(folder.path()).load().expect_err("a folder").reason(),
        "config-io"
    );
}

#[test]
fn settings_that_need_a_restart_are_listed() {
    let running = Config::default();
    let next = good(
        "[server]\nlisten = '127.0.0.1:1'\ntimeout = '1s'\n[admin]\nenabled = false\n[host]\nstrict = true",
    );
    let pending: Vec<_> = Config::pending_restart(&running, &next)
        .into_iter()
        .map(|restart| (restart.key, restart.running, restart.next))
        .collect();
    assert_eq!(
        pending,
        [
            ("server.listen".to_owned(), "127.0.0.1:7070".to_owned(), "127.0.0.1:1".to_owned()),
            ("admin.enabled".to_owned(), "true".to_owned(), "false".to_owned()),
        ]
    );
    assert!(Config::pending_restart(&next, &next).is_empty());
}
