//! Clashes of names, capabilities and routes with a plugin that does not start.

mod support;

use plugbay::Reason;
use plugbay_fixtures::{Behaviour, Export, Guest};
use support::puppet::{Puppets, Script, puppet};
use support::{Place, Site, place};

// This import keeps the linked plugin of these tests in the program, where it registers itself.
use plugbay_plugin_json as _;
use plugbay_sdk as _;

fn serve(place: Place, puppets: &Puppets) -> Site {
    let runtime = std::sync::Arc::new(puppets.clone());
    place.unwatched().host_with(|builder| builder.runtime(runtime))
}

fn let_start_fail(puppets: &Puppets, label: &str) {
    let script = Script { start_error: Some("port in use".into()), ..Script::default() };
    puppets.script(label, script);
}

fn reason(site: &Site, file: &str) -> Option<Reason> {
    site.rejected(file).map(|it| it.reason)
}

#[test]
fn a_capability_goes_to_the_next_plugin_if_the_first_does_not_start() {
    let puppets = Puppets::default();
    let_start_fail(&puppets, "one@1.0.0");
    let two_of_them = place()
        .plugin("one.wasm", puppet("one", "1.0.0", &["codec:x"]))
        .plugin("two.wasm", puppet("two", "1.0.0", &["codec:x"]));
    let site = serve(two_of_them, &puppets);
    assert_eq!(site.encode("x"), "two@1.0.0");
    assert_eq!((reason(&site, "one.wasm"), reason(&site, "two.wasm")), (Some(Reason::Init), None));
    // `two` keeps the capability, even when `one` could start.
    puppets.script("one@1.0.0", Script::default());
    site.reconcile();
    assert_eq!((site.encode("x"), puppets.starts("two@1.0.0")), ("two@1.0.0".into(), 1));
    assert_eq!(reason(&site, "one.wasm"), Some(Reason::CapabilityClash));
}

#[test]
fn a_last_good_version_claims_again_what_its_next_version_gave_up() {
    let puppets = Puppets::default();
    let first = place().plugin("one.wasm", puppet("one", "1.0.0", &["codec:x"]));
    let site = serve(first, &puppets);
    let_start_fail(&puppets, "one@2.0.0");
    site.drop_in("one.wasm", puppet("one", "2.0.0", &["codec:y"]));
    site.drop_in("two.wasm", puppet("two", "1.0.0", &["codec:y"]));
    site.drop_in("three.wasm", puppet("three", "1.0.0", &["codec:x"]));
    site.reconcile();
    // The failed version does not claim `y`, so that a new plugin gets it.
    assert_eq!((site.encode("x"), site.encode("y")), ("one@1.0.0".into(), "two@1.0.0".into()));
    assert_eq!((reason(&site, "one.wasm"), reason(&site, "two.wasm")), (Some(Reason::Init), None));
    assert_eq!(reason(&site, "three.wasm"), Some(Reason::CapabilityClash));
    assert!(
        puppets.log().contains(&"stop three@1.0.0".into()),
        "expected that `three` was started and stopped"
    );
}

#[test]
fn a_route_goes_to_the_next_plugin_if_the_first_does_not_start() {
    let failing = Guest::handler("a").route("GET", "/x").on(Export::Init, Behaviour::Trap);
    let two_of_them =
        place().plugin("1.wasm", failing).plugin("2.wasm", Guest::handler("b").route("GET", "/x"));
    let site = serve(two_of_them, &Puppets::default());
    let routes = site.status().routes;
    let of_b = routes.iter().filter(|it| it.path == "/x" && it.handler == "b" && it.serves);
    assert_eq!(of_b.count(), 1, "{routes:?}");
    assert_eq!(reason(&site, "2.wasm"), None);
}

#[test]
fn a_name_goes_to_the_next_file_if_the_first_does_not_start() {
    let puppets = Puppets::default();
    let_start_fail(&puppets, "a@2.0.0");
    let two_of_them = place()
        .plugin("1.wasm", puppet("a", "1.0.0", &["codec:a"]))
        .plugin("2.wasm", puppet("a", "2.0.0", &["codec:a"]));
    let site = serve(two_of_them, &puppets);
    assert_eq!(site.encode("a"), "a@1.0.0");
    assert_eq!((reason(&site, "1.wasm"), reason(&site, "2.wasm")), (None, Some(Reason::Init)));
}

#[test]
fn a_name_stays_with_the_last_good_version() {
    let puppets = Puppets::default();
    let site = serve(place().plugin("2.wasm", puppet("a", "1.0.0", &["codec:a"])), &puppets);
    let_start_fail(&puppets, "a@3.0.0");
    site.drop_in("2.wasm", puppet("a", "2.0.0", &["codec:a"]));
    site.drop_in("1.wasm", puppet("a", "3.0.0", &["codec:a"]));
    site.reconcile();
    assert_eq!(site.encode("a"), "a@1.0.0");
    let reasons = (reason(&site, "2.wasm"), reason(&site, "1.wasm"));
    assert_eq!(reasons, (Some(Reason::NameClash), Some(Reason::Init)));
    assert_eq!(puppets.starts("a@2.0.0"), 0);
}

/// A number, encoded by the linked codec.
fn linked_answer(site: &Site) -> Vec<u8> {
    site.codec("json").unwrap().encode(&7).unwrap()
}

#[test]
fn a_linked_plugin_stays_in_service_if_a_file_of_its_name_does_not_start() {
    let puppets = Puppets::default();
    let label = "json@9.0.0";
    let_start_fail(&puppets, label);
    let site = serve(place().linked(), &puppets);
    assert_eq!(linked_answer(&site), b"7");
    let before = site.running("json").unwrap();
    site.drop_in("new.wasm", puppet("json", "9.0.0", &["codec:json"]));
    // The first reconciliation tries the new file; the second knows that it does not start.
    site.reconcile();
    site.reconcile();
    assert_eq!(linked_answer(&site), b"7");
    let after = site.running("json").unwrap();
    assert_eq!(
        (&*after.source, after.generation, after.started_at),
        ("linked:json", before.generation, before.started_at),
        "the same instance serves"
    );
    assert_eq!(reason(&site, "new.wasm"), Some(Reason::Init));
    assert_eq!(reason(&site, "linked:json"), None, "a linked plugin is not reported");
    // The file replaces it as soon as it starts.
    puppets.script(label, Script::default());
    site.reconcile();
    assert_eq!((&*site.encode("json"), reason(&site, "new.wasm")), (label, None));
}

#[test]
fn a_linked_plugin_serves_from_the_start_if_the_file_of_its_name_does_not_start() {
    let puppets = Puppets::default();
    let_start_fail(&puppets, "json@9.0.0");
    let file = puppet("json", "9.0.0", &["codec:json"]);
    let site = serve(place().linked().plugin("new.wasm", file), &puppets);
    assert_eq!(linked_answer(&site), b"7");
    assert_eq!(reason(&site, "new.wasm"), Some(Reason::Init));
}

#[test]
fn a_linked_plugin_keeps_its_capability_against_a_file_of_another_name() {
    let puppets = Puppets::default();
    let file = puppet("other", "9.0.0", &["codec:json"]);
    let site = serve(place().linked().plugin("new.wasm", file), &puppets);
    assert_eq!(linked_answer(&site), b"7");
    assert_eq!(reason(&site, "new.wasm"), Some(Reason::CapabilityClash));
    assert_eq!(puppets.starts("other@9.0.0"), 0);
}
