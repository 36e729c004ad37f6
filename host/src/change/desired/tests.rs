use std::path::Path;

use plugbay_core::{CapabilityDescription, Digest, RouteDescription};

use super::*;

fn description(name: &str, capabilities: &[&str]) -> Arc<Description> {
    let capabilities = capabilities.iter().map(|key| {
        let (kind, name) = key.split_once(':').unwrap();
        let route = RouteDescription { methods: vec!["GET".into()], path: format!("/{name}") };
        CapabilityDescription {
            kind: kind.into(),
            name: name.into(),
            description: String::new(),
            media_types: Vec::new(),
            routes: if kind == "handler" { vec![route] } else { Vec::new() },
            nonblocking: false,
        }
    });
    Arc::new(Description {
        name: name.into(),
        version: "1.0.0".parse().unwrap(),
        description: String::new(),
        capabilities: capabilities.collect(),
        config_schema: None,
    })
}

fn file(path: &str) -> Source {
    Source::File(path.into())
}

fn offer(source: Source, description: &Arc<Description>) -> Offer {
    let digest = Digest::of(source.to_string().as_bytes());
    Offer {
        source,
        digest,
        size: 1,
        native: false,
        described_in: Isolation::Refuse,
        description: Arc::clone(description),
    }
}

fn config(text: &str) -> Config {
    Config::parse(text, Path::new("config.toml")).unwrap()
}

fn running(plugins: &[(&str, &str, &Arc<Description>)]) -> BTreeMap<String, Incumbent> {
    let incumbent = |source: &str, description: &Arc<Description>| Incumbent {
        sources: vec![file(source)],
        descriptions: vec![Arc::clone(description)],
    };
    plugins.iter().map(|(name, source, it)| ((*name).into(), incumbent(source, it))).collect()
}

/// `name<source` of the wanted plugins, the names of the kept ones, and `source:reason` of the
/// refused files.
fn summary(desired: &Desired) -> (Vec<String>, Vec<String>, Vec<String>) {
    let wanted = desired.wanted.iter();
    let refused = desired.refused.iter();
    (
        wanted.map(|it| format!("{}<{}", it.identity.name, it.offer.source)).collect(),
        desired.kept.iter().cloned().collect(),
        refused.map(|it| format!("{}:{}", it.source, it.refusal.reason())).collect(),
    )
}

fn check(
    config_text: &str,
    offers: &[Offer],
    failed: &[&str],
    running: &BTreeMap<String, Incumbent>,
    expected: (&[&str], &[&str], &[&str]),
) {
    let failed = failed.iter().map(|path| file(path)).collect();
    let mut desired = resolve(&config(config_text), offers, &failed, running);
    desired.refuse_contested();
    let (wanted, kept, refused) = summary(&desired);
    assert_eq!(
        (&wanted[..], &kept[..], &refused[..]),
        (
            &expected.0.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
            &expected.1.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
            &expected.2.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
        )
    );
}

#[test]
fn a_file_replaces_the_linked_plugin_of_its_name() {
    let json = description("json", &["codec:json"]);
    let offers = [offer(Source::Linked("json".into()), &json), offer(file("json.wasm"), &json)];
    check("", &offers, &[], &running(&[]), (&["json<json.wasm"], &[], &[]));
}

#[test]
fn of_two_files_of_a_plugin_the_newest_version_runs_before_and_after_a_restart() {
    let a = description("a", &["codec:a"]);
    let mut newer = Arc::clone(&a);
    Arc::make_mut(&mut newer).version = "1.1.0-rc.1".parse().unwrap();
    let equal = [offer(file("1.wasm"), &a), offer(file("2.wasm"), &a)];
    let newer_last = [offer(file("1.wasm"), &a), offer(file("2.wasm"), &newer)];
    for runs in [running(&[]), running(&[("a", "1.wasm", &a)]), running(&[("a", "2.wasm", &a)])] {
        check("", &equal, &[], &runs, (&["a<1.wasm"], &[], &["2.wasm:name-clash"]));
        check("", &newer_last, &[], &runs, (&["a<2.wasm"], &[], &["1.wasm:name-clash"]));
    }
}

#[test]
fn only_a_file_of_its_name_replaces_a_linked_plugin() {
    let csv = description("csv", &["codec:csv", "codec:tsv"]);
    let hello = description("hello", &["handler:hello"]);
    let mine = description("mine", &["codec:csv"]);
    let mut greeter = description("greeter", &["handler:greeter"]);
    Arc::make_mut(&mut greeter).capabilities[0].routes[0].path = "/hello".into();
    let linked = |name: &str, description| offer(Source::Linked(name.into()), description);
    let both = [linked("csv", &csv), linked("hello", &hello)];
    let newcomers = [offer(file("a.wasm"), &mine), offer(file("b.wasm"), &greeter)];
    let offers = [&both[..], &newcomers[..]].concat();
    let refused = &["a.wasm:capability-clash", "b.wasm:route-clash"];
    let desired = resolve(&config(""), &offers, &BTreeSet::new(), &running(&[]));
    assert_eq!(desired.wanted.len(), 2, "{desired:?}");
    let message = &desired.contested[0].refusal.message;
    assert_eq!(message, "expected no other plugin to offer codec:csv, found \"csv\"");
    check(
        "",
        &offers,
        &[],
        &running(&[]),
        (&["csv<linked:csv", "hello<linked:hello"], &[], refused),
    );
    // Both solutions that the hints name work.
    let disabled =
        "[plugins.csv]\nenabled = false\n[[routes]]\npath = '/hello'\nhandler = 'greeter'";
    let all = &["hello<linked:hello", "mine<a.wasm", "greeter<b.wasm"];
    check(disabled, &offers, &[], &running(&[]), (all, &[], &[]));
    let shared = "[capabilities.'codec:csv']\nstrategy = 'failover'\nproviders = ['csv', 'mine']";
    let refused = &["b.wasm:route-clash"];
    let all = &["csv<linked:csv", "hello<linked:hello", "mine<a.wasm"];
    check(shared, &offers, &[], &running(&[]), (all, &[], refused));
}

#[test]
fn each_capability_and_route_has_one_plugin() {
    let a = description("a", &["codec:x"]);
    let b = description("b", &["codec:x"]);
    let offers = [offer(file("a.wasm"), &a), offer(file("b.wasm"), &b)];
    check("", &offers, &[], &running(&[]), (&["a<a.wasm"], &[], &["b.wasm:capability-clash"]));
    let h = description("h", &["handler:x"]);
    let mut i = description("i", &["handler:y"]);
    Arc::make_mut(&mut i).capabilities[0].routes[0].path = "/x".into();
    let offers = [offer(file("h.wasm"), &h), offer(file("i.wasm"), &i)];
    check("", &offers, &[], &running(&[]), (&["h<h.wasm"], &[], &["i.wasm:route-clash"]));
    let routes = "[[routes]]\npath = '/x'\nmethods = ['GET']\nhandler = 'y'";
    check(routes, &offers, &[], &running(&[]), (&["h<h.wasm", "i<i.wasm"], &[], &[]));
}

#[test]
fn an_unreadable_file_keeps_the_plugin_that_runs_from_it() {
    let a = description("a", &["codec:x"]);
    let b = description("b", &["codec:x"]);
    let runs = running(&[("a", "a.wasm", &a)]);
    check("", &[], &["a.wasm"], &runs, (&[], &["a"], &[]));
    check("", &[], &[], &runs, (&[], &[], &[]));
    check("[plugins.a]\nenabled = false", &[], &["a.wasm"], &runs, (&[], &[], &[]));
    let clash = [offer(file("b.wasm"), &b)];
    check("", &clash, &["a.wasm"], &runs, (&[], &["a"], &["b.wasm:capability-clash"]));
}

#[test]
fn one_artifact_may_run_under_several_names() {
    let a = description("a", &["codec:x"]);
    let b = description("b", &["codec:y"]);
    let text = "[plugins.one]\nartifact = 'a.wasm'\n[plugins.two]\nartifact = 'b.wasm'";
    let offers = [offer(file("a.wasm"), &a), offer(file("b.wasm"), &b)];
    check(text, &offers, &[], &running(&[]), (&["one<a.wasm", "two<b.wasm"], &[], &[]));
    check(text, &offers[..1], &[], &running(&[]), (&["one<a.wasm"], &[], &["b.wasm:unreadable"]));
}

#[test]
fn a_config_that_breaks_the_schema_keeps_the_last_good_one() {
    let mut a = description("a", &["codec:x"]);
    Arc::make_mut(&mut a).config_schema = Some(serde_json::json!({
        "type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false
    }));
    let runs = running(&[("a", "a.wasm", &a)]);
    let offers = [offer(file("a.wasm"), &a)];
    check("[plugins.a.config]\nn = 1", &offers, &[], &runs, (&["a<a.wasm"], &[], &[]));
    let bad = "[plugins.a.config]\nn = 'one'";
    check(bad, &offers, &[], &runs, (&[], &["a"], &["a.wasm:config-schema"]));
}

#[test]
fn the_hint_of_a_wrong_config_shows_the_schema_of_a_plugin_that_does_not_run() {
    let mut a = description("a.b", &["codec:x"]);
    Arc::make_mut(&mut a).config_schema = Some(serde_json::json!({
        "type": "object", "properties": {"n": {"type": "integer"}}
    }));
    let refused = |source: Source| {
        let config = config("[plugins.'a.b'.config]\nn = 'one'");
        let desired = resolve(&config, &[offer(source, &a)], &BTreeSet::new(), &running(&[]));
        desired.refused[0].refusal.clone()
    };
    let refusal = refused(file("plugins/a.wasm"));
    assert!(refusal.message.starts_with("[plugins.\"a.b\".config]: "), "{refusal}");
    assert_eq!(refusal.hint, "`plugbay inspect plugins/a.wasm` shows the schema");
    let refusal = refused(file("my plugins/it's a.wasm"));
    assert_eq!(refusal.hint, "`plugbay inspect 'my plugins/it'\\''s a.wasm'` shows the schema");
    let refusal = refused(Source::Linked("a.b".into()));
    assert_eq!(
        refusal.hint,
        r#"the schema is {"properties":{"n":{"type":"integer"}},"type":"object"}"#
    );
}

#[test]
fn capabilities_of_a_renamed_plugin_have_its_name() {
    let a = description("a", &["codec:a", "codec:b", "handler:a"]);
    let text = "[plugins.a]\nartifact = 'a.wasm'\n[plugins.z]\nartifact = 'a.wasm'";
    let desired =
        resolve(&config(text), &[offer(file("a.wasm"), &a)], &BTreeSet::new(), &running(&[]));
    assert!(desired.refused.is_empty(), "{:?}", desired.refused);
    let keys = |wanted: &Wanted| -> Vec<String> {
        let capabilities = &wanted.offer.description.capabilities;
        capabilities
            .iter()
            .map(|it| format!("{}:{}{}", it.kind, it.name, it.routes.len()))
            .collect()
    };
    let [first, second] = &desired.wanted[..] else { panic!("expected two") };
    assert_eq!(keys(first), ["codec:a0", "codec:b0", "handler:a1"]);
    assert_eq!(keys(second), ["codec:z0", "codec:z.b0", "handler:z0"]);
    let long = format!("[plugins.{}]\nartifact = 'a.wasm'", "x".repeat(64));
    let offers = [offer(file("a.wasm"), &a)];
    check(&long, &offers, &[], &running(&[]), (&[], &[], &["a.wasm:description"]));
}

#[test]
fn a_file_with_the_name_of_a_last_good_version_is_refused() {
    let a = description("a", &["codec:a"]);
    let runs = running(&[("a", "a.wasm", &a)]);
    let offers = [offer(file("b.wasm"), &a)];
    check("", &offers, &["a.wasm"], &runs, (&[], &["a"], &["b.wasm:name-clash"]));
    let linked = [offer(Source::Linked("a".into()), &a)];
    check("", &linked, &["a.wasm"], &runs, (&[], &["a"], &[]));
}

#[test]
fn a_configured_route_wins_over_a_suggested_one_with_other_parameter_names() {
    let mut h = description("h", &["handler:h"]);
    Arc::make_mut(&mut h).capabilities[0].routes[0].path = "/{a}/x/{*b}".into();
    let offers = [offer(file("h.wasm"), &h)];
    let route = |path: &str, methods: &str| {
        format!("[[routes]]\npath = '{path}'\nmethods = [{methods}]\nhandler = 'i'")
    };
    let none = running(&[]);
    check(&route("/{c}/x/{*d}", "'GET'"), &offers, &[], &none, (&["h<h.wasm"], &[], &[]));
    // A suggested route for another method would be lost silently.
    let other = route("/{c}/x/{*d}", "'POST'");
    check(&other, &offers, &[], &none, (&[], &[], &["h.wasm:route-clash"]));
}

#[test]
fn native_code_is_described_in_its_strictest_configured_isolation() {
    let asked = |text: &str, file: &str| {
        let config = Config::parse(text, "config.toml".as_ref()).unwrap();
        description_isolation(&config, &Source::File(file.into()))
    };
    assert_eq!(asked("", "plugins/a.so"), Isolation::Refuse);
    let folder = "defaults.isolation = 'in-process'\n";
    assert_eq!(asked(folder, "plugins/a.so"), Isolation::InProcess);
    assert_eq!(asked(folder, "plugins/a.WASM"), Isolation::Refuse);
    let claims = "plugins.a = { artifact = 'a.so', isolation = 'in-process' }\n\
                  plugins.b = { artifact = 'a.so', isolation = 'process' }\n\
                  plugins.c = { artifact = 'a.so' }\n";
    assert_eq!(asked(claims, "plugins/a.so"), Isolation::Process);
    assert_eq!(asked(claims, "plugins/b.so"), Isolation::Refuse);
    let refused = format!("{folder}plugins.a = {{ artifact = 'a.so', isolation = 'refuse' }}");
    assert_eq!(asked(&refused, "plugins/a.so"), Isolation::Refuse);
}

#[test]
fn an_artifact_is_disabled_when_all_its_plugins_are_disabled() {
    let disabled = |text: &str| {
        let config = Config::parse(text, "config.toml".as_ref()).unwrap();
        is_disabled(&config, &Source::File("plugins/a.so".into()))
    };
    assert!(!disabled(""));
    assert!(disabled("plugins.a = { artifact = 'a.so', enabled = false }"));
    assert!(!disabled(
        "plugins.a = { artifact = 'a.so', enabled = false }\nplugins.b.artifact = 'a.so'"
    ));
}

#[test]
fn a_change_of_grants_restarts_the_plugin() {
    let a = description("a", &["codec:a"]);
    let wanted = |text: &str| {
        let offers = [offer(file("a.wasm"), &a)];
        let mut desired = resolve(&config(text), &offers, &BTreeSet::new(), &running(&[]));
        desired.wanted.remove(0).identity
    };
    let (before, after) = (wanted(""), wanted("[plugins.a.grants]\nenvironment = { T = '1' }"));
    assert_eq!(after.policy.grants.environment.0["T"], "1");
    assert_ne!(before, after);
    let changed = wanted("[plugins.a.grants]\nenvironment = { T = '2' }");
    assert_ne!(after, changed);
    assert_eq!(after, wanted("[plugins.a.grants]\nenvironment = { T = '1' }"));
}
