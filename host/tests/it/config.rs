//! Changes of `config.toml` restart only the plugins that they affect.

use std::fs;
use std::time::{Duration, Instant};

use plugbay::{CallOptions, Outcome, Reason, RouteMatch};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{Place, Site, place, request, until, wait};

fn two() -> Place {
    place().plugin("a.wasm", Guest::codec("a")).plugin("b.wasm", Guest::codec("b"))
}

/// When each plugin was started, and how many instances it has had.
fn starts_and_instances(site: &Site) -> Vec<(String, std::time::SystemTime, u64)> {
    let plugins = site.status().plugins.into_iter();
    plugins.map(|it| (it.name, it.started_at, it.stats.instantiations)).collect()
}

/// Changes the configuration, waits until it is in force, and returns the plugins that were
/// restarted.
fn reconfigure(site: &Site, sections: &str) -> Vec<String> {
    let (before, generation) = (starts_and_instances(site), site.status().generation);
    site.configure(sections);
    until("the next generation", || site.status().generation > generation);
    let changed = starts_and_instances(site).into_iter().filter(|it| !before.contains(it));
    changed.map(|(name, ..)| name).collect()
}

#[test]
fn limits_of_one_plugin_restart_that_plugin() {
    let site = two().host();
    assert_eq!(reconfigure(&site, "[plugins.a]\nmemory = '32MiB'"), ["a"]);
    assert_eq!(site.running("a").unwrap().policy.memory, 32 << 20);
    assert_eq!(site.running("b").unwrap().policy.memory, 64 << 20);
    assert_eq!(reconfigure(&site, "[plugins.a]\nmemory = '32MiB'\ncpu = '3s'"), ["a"]);
    assert_eq!(reconfigure(&site, "[plugins.b]\nreuse = 'fresh'"), ["a", "b"]);
    site.wait_for_event("the configuration", |it| matches!(it, Outcome::Configured));
    assert!(site.status().rejected.is_empty());
}

#[test]
fn changed_defaults_restart_only_plugins_that_use_them() {
    let site = two().config("[plugins.b]\noutput = '1MiB'").host();
    let changed = reconfigure(&site, "[defaults]\noutput = '2MiB'\n[plugins.b]\noutput = '1MiB'");
    assert_eq!(changed, ["a"]);
    assert_eq!(site.running("a").unwrap().policy.output, 2 << 20);
}

#[test]
fn settings_of_the_host_restart_no_plugin() {
    let site = two().host();
    let sections = "[server]\nmax_body = '1MiB'";
    assert!(reconfigure(&site, sections).is_empty());
    assert_eq!(site.config().server.max_body.as_u64(), 1 << 20);
}

#[test]
fn a_comment_changes_nothing() {
    let site = two().host();
    let generation = site.status().generation;
    site.configure("# a comment");
    let report = site.reconcile();
    assert_eq!((report.generation, report.published), (generation, false));
}

#[test]
fn a_plugin_is_disabled_and_enabled() {
    let site = two().host();
    let codec = site.codec("a").unwrap();
    assert!(reconfigure(&site, "[plugins.a]\nenabled = false").is_empty());
    let error = codec.encode_document(b"").unwrap_err();
    assert_eq!(error.to_string(), "no codec \"a\"; known: b; did you mean \"b\"?");
    assert!(site.status().rejected.is_empty());
    assert_eq!(reconfigure(&site, ""), ["a"]);
    assert!(codec.encode_document(b"").is_ok());
}

#[test]
fn a_plugins_own_config_reaches_its_init() {
    let schema = r#"{"type": "object", "properties": {"word": {"type": "string"}}}"#;
    let init = Behaviour::ErrorUnless("\"yes\"".into());
    let guest = Guest::codec("a").schema(schema).on(Export::Init, init);
    let site = two().plugin("a.wasm", guest).config("[plugins.a.config]\nword = 'yes'").host();
    assert_eq!(reconfigure(&site, "[plugins.a.config]\nword = 'yes'\nmore = [1, 2]"), ["a"]);
    let before = starts_and_instances(&site);
    site.configure("[plugins.a.config]\nword = 'no'");
    site.refuses("a.wasm", Reason::Init, &["init: expected the input to contain"]);
    assert_eq!(starts_and_instances(&site), before);
    site.configure("[plugins.a.config]\nword = 'yes'\nmore = [1, 2]");
    site.recovers("a.wasm");
    assert_eq!(starts_and_instances(&site), before);
}

#[test]
fn one_artifact_serves_as_two_plugins() {
    let schema = r#"{"type": "object"}"#;
    let guest = Guest::both("a").capability("codec", "extra").schema(schema);
    let config = "[plugins.a]\nartifact = 'a.wasm'\n[plugins.a.config]\nn = 1\n\
                  [plugins.other]\nartifact = 'a.wasm'\n[plugins.other.config]\nn = 2";
    let site = place().plugin("a.wasm", guest).config(config).host();
    assert!(site.status().rejected.is_empty(), "{:?}", site.status().rejected);
    assert_eq!(site.names("codec"), ["a", "extra", "other", "other.extra"]);
    assert_eq!(site.names("handler"), ["a", "other"]);
    let digests: Vec<String> = site.status().plugins.into_iter().map(|it| it.digest).collect();
    assert_eq!((digests.len(), &digests[0]), (2, &digests[1]));
    // The route that the artifact suggests belongs to the plugin of the same name.
    let served = |path: &str| match site.snapshot().route("POST", path) {
        RouteMatch::Found(routed) => Some(routed.handler().to_owned()),
        _ => None,
    };
    assert_eq!((served("/a").as_deref(), served("/b")), (Some("a"), None));
    let routes = "\n[[routes]]\npath = '/b'\nhandler = 'other'";
    assert!(reconfigure(&site, &format!("{config}{routes}")).is_empty());
    assert_eq!(served("/b").as_deref(), Some("other"));
    // A change of the configuration of one plugin does not affect the other one.
    assert_eq!(reconfigure(&site, &config.replace("n = 2", "n = 3")), ["other"]);
    assert_eq!(site.handle("other", "in").unwrap(), "in");
}

#[test]
fn a_plugin_runs_under_the_name_of_its_section() {
    let site = two().config("[plugins.mine]\nartifact = 'a.wasm'").host();
    assert_eq!(site.names("codec"), ["b", "mine"]);
    assert!(site.running("a").is_none() && site.running("mine").is_some());
}

#[test]
fn a_missing_artifact_is_refused_until_it_exists() {
    let site = two().host();
    site.configure("[plugins.mine]\nartifact = 'mine.wasm'");
    let parts = ["[plugins.mine] artifact: expected a file \"mine.wasm\"", "found none"];
    site.refuses("mine.wasm", Reason::Unreadable, &parts);
    site.drop_in("mine.wasm", Guest::codec("c"));
    site.recovers("mine.wasm");
    until("the plugin serves", || site.names("codec") == ["a", "b", "mine"]);
}

#[test]
fn changed_routes_restart_no_plugin() {
    let site = place()
        .plugin("h.wasm", Guest::handler("h").stamp("h"))
        .plugin("i.wasm", Guest::handler("i").stamp("i"))
        .host();
    let get = |method: &str, path: &str| match site.snapshot().route(method, path) {
        RouteMatch::Found(routed) => String::from_utf8(
            wait(routed.handle(CallOptions::default(), request(""))).unwrap().body,
        )
        .unwrap(),
        RouteMatch::MethodNotAllowed { allow } => allow.join(" "),
        RouteMatch::NotFound => "none".into(),
        RouteMatch::NotServing(plugin) => plugin.plugin,
    };
    assert_eq!((get("GET", "/h"), get("GET", "/x/1")), ("h".into(), "none".into()));
    let route = "[[routes]]\npath = '/x/{name}'\nmethods = ['GET']\nhandler = 'h'";
    assert!(reconfigure(&site, route).is_empty());
    assert_eq!((get("GET", "/x/1"), get("POST", "/x/1")), ("h".into(), "GET HEAD OPTIONS".into()));
    assert!(reconfigure(&site, &route.replace("'h'", "'i'")).is_empty());
    assert_eq!(get("GET", "/x/1"), "i");
    // The configuration overrides a plugin's suggestion.
    assert!(reconfigure(&site, "[[routes]]\npath = '/h'\nhandler = 'i'").is_empty());
    assert_eq!((get("GET", "/h"), get("GET", "/x/1")), ("i".into(), "none".into()));
    let absent = "[[routes]]\npath = '/later'\nhandler = 'later'";
    assert!(reconfigure(&site, absent).is_empty());
    let routes = site.status().routes;
    let route = routes.iter().find(|route| route.path == "/later").unwrap();
    assert_eq!((route.serves, &*route.origin), (false, "config"));
    let RouteMatch::Found(found) = site.snapshot().route("GET", "/later") else {
        panic!("expected a route")
    };
    let error = wait(found.handle(CallOptions::default(), request(""))).unwrap_err();
    assert_eq!(error.reason(), "not-found");
    site.drop_in("later.wasm", Guest::handler("later").stamp("later"));
    until("the handler serves", || site.handler("later").is_ok());
    assert_eq!(get("GET", "/later"), "later");
}

#[test]
fn settings_that_need_a_restart_are_pending() {
    let site = two().host();
    site.configure("[server]\nlisten = '127.0.0.1:1'");
    until("the setting is pending", || !site.status().pending_restart.is_empty());
    let pending = site.status().pending_restart;
    assert_eq!((pending.len(), &*pending[0].key), (1, "server.listen"));
    assert_eq!((&*pending[0].running, &*pending[0].next), ("127.0.0.1:7070", "127.0.0.1:1"));
    let said =
        |it: &Outcome| matches!(it, Outcome::PendingRestart { key } if key == "server.listen");
    site.wait_for_event("the restart", said);
    site.reconcile();
    assert_eq!(site.count(said), 1);
    site.configure("");
    until("the setting is not pending", || site.status().pending_restart.is_empty());
}

#[test]
fn a_change_of_the_plugin_folder_is_applied() {
    let site = two().host();
    std::fs::create_dir(site.place.path("elsewhere")).unwrap();
    let file = site.place.path("elsewhere/c.wasm");
    crate::support::drop_in(&file, &Guest::codec("c").stamp("1").build());
    let config = site.place.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    crate::support::drop_in(&config, text.replace("\"plugins\"", "\"elsewhere\"").as_bytes());
    until("the new folder is read", || site.names("codec") == ["c"]);
    crate::support::drop_in(&file, &Guest::codec("c").version("2.0.0").stamp("2").build());
    site.answers("c", "2");
}

/// Asserts that nothing changes for a second, which is less than the time that a file needs to
/// settle.
fn assert_unchanged(site: &Site, what: &str, codecs: &[&str]) {
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        assert_eq!(site.names("codec"), codecs, "{what}");
        assert_eq!(site.status().rejected, [], "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_configuration_that_is_being_saved_is_applied_once_it_settles() {
    let site = two().config("[plugins.a]\nenabled = false\n").host();
    let file = site.place.path("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    // These texts lack the folder, end within a line, or do not load.
    for (number, cut) in ["", &text[..7], &text[..text.len() - 3], "[host"].iter().enumerate() {
        fs::write(&file, cut).unwrap();
        assert_unchanged(&site, cut, &["b"]);
        fs::write(&file, format!("{text}# saved {number}\n")).unwrap();
    }
    fs::remove_file(&file).unwrap();
    assert_unchanged(&site, "the file is removed", &["b"]);
    site.configure("[plugins.b]\nenabled = false\n");
    until("a whole file is applied", || site.names("codec") == ["a"]);
    assert_eq!(site.count(|it| matches!(it, Outcome::Rejected { .. })), 0);
    // A file that no longer changes is applied or refused, whatever it contains.
    fs::write(&file, text.replace("[plugins.a]\nenabled = false\n", "")).unwrap();
    until("the shorter file is applied", || site.names("codec") == ["a", "b"]);
    fs::write(&file, "[host").unwrap();
    site.refuses("config.toml", Reason::Config, &["config.toml:1:"]);
    fs::remove_file(&file).unwrap();
    until("the missing file is refused", || {
        let rejected = site.rejected("config.toml");
        rejected.is_some_and(|it| it.message.contains("expected a readable file"))
    });
    assert_eq!(site.names("codec"), ["a", "b"]);
}

#[test]
fn a_reload_waits_until_the_configuration_is_written() {
    let site = two().host();
    let file = site.place.path("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[plugins.a]\nenabled = false")).unwrap();
    let report = site.reconcile();
    assert!(report.published && site.names("codec") == ["b"], "{report:?}");
    // A mistake is reported immediately.
    fs::write(&file, format!("{text}[plugins.a]\nenabled = 1")).unwrap();
    let rejected = site.reconcile().rejected;
    assert!(rejected[0].message.contains("enabled"), "{rejected:?}");
}

#[test]
fn each_setting_without_effect_causes_one_warning() {
    let sections = "[plugins.helo]\nmemory = '32MiB'\n[plugins.off]\nenabled = false\n\
                    [plugins.other]\nartifact = 'hello.wasm'\n[plugins.hello]\nartifact = 'hello.wasm'\n\
                    [[routes]]\npath = '/x'\nhandler = 'helo'\n\
                    [[routes]]\npath = '/own/a/path'\nhandler = 'hello'\n\
                    [[routes]]\npath = '/own/{name}'\nhandler = 'hello'\n";
    let place = place()
        .plugin("hello.wasm", Guest::handler("hello"))
        .plugin("off.wasm", Guest::codec("off"))
        .config(sections);
    let site = place.host_with(|builder| builder.reserved(["/own/{name}/path"]));
    let warnings =
        || -> Vec<String> { site.status().warnings.iter().map(ToString::to_string).collect() };
    let expected = [
        "plugins.helo: expected the name of a plugin, found \"helo\"; did you mean hello?",
        "routes \"/own/a/path\": expected a path that requests can reach, found one that the host serves \
         itself; choose another path",
        "routes \"/x\": expected the name of a handler, found \"helo\"; did you mean hello?",
    ];
    until("the warnings are reported", || warnings() == expected);
    let count = |events: Vec<Outcome>| {
        events.iter().filter(|it| matches!(it, Outcome::ConfigWarning(_))).count()
    };
    let started = site.start_alarms().into_iter().map(|event| event.outcome).collect();
    assert_eq!(count(started) + count(site.outcomes()), 3);
    // The same warnings are not reported again when something else changes.
    site.configure(&format!("{sections}[defaults]\noutput = '2MiB'\n"));
    site.wait_for_event("the configuration", |it| matches!(it, Outcome::Configured));
    site.reconcile();
    assert!(count(site.outcomes()) <= 3 && warnings() == expected);
    // A plugin and a handler of the name end the two warnings about it.
    site.drop_in("h.wasm", Guest::both("helo"));
    until("two warnings are gone", || warnings() == expected[1..2]);
    site.configure("");
    until("all warnings are gone", || warnings().is_empty());
    assert_eq!(site.status().rejected, []);
}
