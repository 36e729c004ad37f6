//! `[plugins.NAME.grants]`.

use std::path::{Path, absolute};

use plugbay_core::{FolderGrant, Grants, StateGrant};
use serde_json::json;

use super::{brief, good, refused};
use crate::config::Config;

#[test]
fn nothing_is_granted_by_default() {
    assert_eq!(good("[plugins.x]").plugins["x"].grants, Grants::default());
    let grants = &good("[plugins.x.grants]\nclocks = true").plugins["x"].grants;
    assert_eq!((grants.clocks, grants.random, grants.stdio), (true, false, false));
}

#[test]
fn folders_are_read() {
    let text = "[plugins.x.grants]\nread = ['/srv/data/', { host = 'own', guest = '//x/./y/' }, '/']\nwrite = ['/srv/out']";
    let config = Config::parse(text, Path::new("/etc/plugbay/config.toml")).expect("good");
    let folder = |host: &str, guest: &str, write| FolderGrant {
        host: host.into(),
        guest: guest.into(),
        write,
    };
    assert_eq!(
        config.plugins["x"].grants.files,
        [
            folder("/srv/data", "/srv/data", false),
            folder("/etc/plugbay/own", "/x/y", false),
            folder("/", "/", false),
            folder("/srv/out", "/srv/out", true)
        ]
    );
    let by_flag = Config::builder()
        .text("", "/etc/plugbay/config.toml")
        .set("plugins.x.grants.read", "[{ host = 'own', guest = '/own' }]")
        .set("plugins.x.grants.stdio", "true")
        .load()
        .expect("good");
    let grants = &by_flag.plugins["x"].grants;
    assert_eq!((&*grants.files[0].host, grants.stdio), (&*absolute("own").unwrap(), true));
}

#[test]
fn bad_folders_are_refused() {
    let seen = "expected an absolute path for the plugin to see, found";
    for (text, message) in [
        ("read = ['data']", format!("read[0]: {seen} \"data\"")),
        ("read = ['/srv/../etc']", format!("read[0]: {seen} \"/srv/../etc\"")),
        ("write = [{ host = '/a', guest = 'b' }]", format!("write[0]: {seen} \"b\"")),
        ("write = [{ host = '/a', guest = '/../b' }]", format!("write[0]: {seen} \"/../b\"")),
        ("read = [{ host = '/a', guest = \"/\\u0007\" }]", format!("read[0]: {seen} \"/\\u{{7}}\"")),
        ("read = [{ guest = '/b' }]", "read[0]: expected the key `host`, found none".into()),
        (
            "read = [{ host = '/a', guest = 1 }]",
            "read[0].guest: expected a string, found the integer 1".into(),
        ),
        (
            "read = [{ host = '/a', gest = '/b' }]",
            "read[0].gest: unknown key; did you mean `guest`?".into(),
        ),
        ("read = ['']", "read[0]: expected a path, found an empty string".into()),
        (
            "read = '/a'",
            "read: expected an array such as [\"/srv/data\"], found the string \"/a\"".into(),
        ),
        (
            "read = ['/a']\nwrite = [{ host = '/b', guest = '/a/' }]",
            "write[0]: expected each folder of the plugin once, found \"/a\" in plugins.x.grants.read[0] too".into(),
        ),
    ] {
        let error = refused(&format!("[plugins.x.grants]\n{text}"));
        assert_eq!(brief(&error), [format!("plugins.x.grants.{message}")], "{text}");
    }
    let error = refused("[plugins.x.grants]\nread = ['data']").to_string();
    assert!(error.contains("{ host = \"data\", guest = \"/data\" }"), "{error}");
}

#[test]
fn environment_variables_are_read_and_bad_ones_refused() {
    let config = good("[plugins.x.grants.environment]\nA = ''\n'odd name' = 'b'");
    let names: Vec<_> = config.plugins["x"].grants.environment.0.iter().collect();
    assert_eq!(names, [(&"A".to_owned(), &String::new()), (&"odd name".into(), &"b".into())]);
    let error = refused(
        "[plugins.x.grants.environment]\n'' = ''\n'TOKEN=hunter2' = ''\nC = \"a\\u0000\"\nD = ['hunter2']",
    );
    let name = "expected a name that is not empty and has no '=' and no zero byte";
    assert_eq!(
        brief(&error),
        [
            format!("plugins.x.grants.environment.\"\": {name}"),
            format!("plugins.x.grants.environment.TOKEN: {name}"),
            "plugins.x.grants.environment.C: expected a value without a zero byte".to_owned(),
            "plugins.x.grants.environment.D: expected a string, found an array".to_owned(),
        ]
    );
}

#[test]
fn values_of_the_environment_are_shown_nowhere() {
    let config = good("[plugins.x.grants]\nenvironment = { A = 'hunter2' }");
    assert_eq!(
        config.plugins["x"].grants.environment.0["A"], "hunter2",
        "the plugin itself gets it"
    );
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("json"));
    assert!(!shown.contains("hunter2") && shown.contains("\"A\":\"<hidden>\""), "{shown}");
    let set = "grants.environment.A";
    let flagged = Config::builder()
        .text("plugins.x.grants.environment.A = 'hunter2'", "config.toml")
        .set(format!("plugins.x.{set}.b"), "hunter2")
        .set("plugins.y.grants.environment", "A=hunter2")
        .set("plugins.z.grants.environment.\"A=hunter2\"", "hunter2")
        .load()
        .expect_err("a refusal");
    let mut errors = vec![flagged];
    for text in [
        "[plugins.x.grants]\nenvironment = 'A=hunter2'",
        "[plugins.x.grants]\nenvironment = ['hunter2']",
        "[plugins.x.grants]\nenvironment = { A = 'hunter2', B = 1 }",
        "[plugins.x.grants]\nenvironment = { A = 'hunter2' }, oops",
        "[plugins.x]\ngrants = { clocks = 1, environment = { A = 'hunter2' } }",
        "[plugins.x]\ngrants = { environment = {\nA = 'hunter2' }, clocks = 1 }",
        "[plugins.x.grants.environment]\nA = 'hunter2' oops",
        "[plugins.x.grants.environment]\nA = '''\nhunter2''' oops",
        "[plugins.x.grants.environment]\n# [a comment]\nA = 'hunter2",
        "[plugins.x.grants.environment]\nA = 'hunter2'\nA = 'hunter2'",
        "[plugins.x.grants.environment]\nA = hunter2",
        "[plugins.x.grants.environment]\nA = 1hunter2",
        "[plugins.x.grants.environment]\nA = \"\\hunter2\"",
        "plugins.x.grants.environment = { A = hunter2 }",
        "plugins.x.grants.environment.A = 'hunter2' oops",
        "plugins.x.grants.environment.A = 'hunter2'.oops",
    ] {
        errors.push(refused(text));
    }
    for error in errors {
        // The key of a flag is the caller's own word, not a value.
        let error = format!("{error} {error:?}").replace("\\\"A=hunter2\\\"", "");
        let error = error.replace("\"A=hunter2\"", "");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let numbers = refused(
        "[plugins.x.grants]\nenvironment.A = 4711\nenvironment.B = 47114711471147114711471147114711471147114711",
    );
    assert!(!format!("{numbers} {numbers:?}").contains("4711"), "{numbers}");
}

#[test]
fn errors_show_lines_without_secrets() {
    let error =
        refused("[plugins.x.grants]\nenvironment = { A = 'b' }\n[host]\nstrict = 1").to_string();
    assert!(error.contains("4 | strict = 1"), "{error}");
}

#[test]
fn grants_are_shown_as_they_are_written() {
    let text = "[plugins.x.grants]\nread = ['/a', { host = '/b', guest = '/c' }]\nwrite = []\n\
                network = ['a.org:1', '[::1]:*']\nclocks = false\nrandom = false\nstdio = true\n\
                state = { keys = 10, total = '2MiB' }\n";
    let config = good(text);
    let shown = serde_json::to_value(&config.plugins["x"].grants).expect("json");
    assert_eq!(shown["files"][0]["guest"], "/a", "as the core shows it");
    let shown = serde_json::to_value(&config.plugins["x"]).expect("json");
    assert_eq!(
        shown["grants"],
        json!({
            "read": ["/a", { "host": "/b", "guest": "/c" }], "write": [], "network": ["a.org:1", "[::1]:*"],
            "clocks": false, "random": false, "stdio": true, "environment": {},
            "state": { "keys": 10, "value": "1MiB", "total": "2MiB" },
        })
    );
    let shown = toml::to_string_pretty(&config).expect("toml");
    assert_eq!(good(&shown).plugins["x"].grants, config.plugins["x"].grants, "{shown}");
}

#[test]
fn state_is_granted_as_a_whole_or_with_bounds() {
    let state =
        |text: &str| good(&format!("[plugins.x.grants]\nstate = {text}")).plugins["x"].grants.state;
    assert_eq!(state("false"), None);
    assert_eq!(state("true"), Some(StateGrant::default()));
    let bounded = StateGrant { keys: 10, value: 1024, ..StateGrant::default() };
    assert_eq!(state("{ keys = 10, value = '1KiB' }"), Some(bounded));
    for wrong in ["1", "'yes'", "{ keys = 0 }", "{ total = '2TiB' }", "{ sum = 1 }"] {
        refused(&format!("[plugins.x.grants]\nstate = {wrong}"));
    }
}
