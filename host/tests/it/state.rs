//! State that outlives a version: a component of the first draft of `wasi:keyvalue` by hand, and the example
//! `plugins/counter`, which is made with the SDK and imports the second one.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use plugbay::metrics::Format;
use plugbay::{Error, Grant, Notice, Outcome, Request, Response};
use plugbay_toolchain::{Build, Toolchain};

use crate::support::{Place, Site, place, wait};

const GRANT: &str = "[plugins.state.grants]\nstate = true\n[plugins.counter.grants]\nstate = true";

static GUEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    plugbay_fixtures::component(
        include_str!("state/guest.wit"),
        "guest",
        include_str!("state/guest.wat"),
    )
});

static COUNTER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/counter/Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let mut build = Build::new(manifest);
    build.target_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("counter"));
    let built = build.run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    fs::read(&built[0].path_to_component).unwrap()
});

/// Another artifact of the same plugin: a custom section is added.
fn next(component: &[u8]) -> Vec<u8> {
    let mut next = component.to_vec();
    next.extend([0, 5, 4]);
    next.extend(b"next");
    next
}

fn guest() -> Place {
    place().plugin("state.wasm", GUEST.clone()).unwatched()
}

/// Adds 1, and returns the sum.
fn add(site: &Site) -> String {
    set(site, "")
}

/// Sets a key, and returns how many keys there are.
fn set(site: &Site, key: &str) -> String {
    let answer = site.host.codec("state").unwrap().encode_document(key.as_bytes()).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_count_survives_a_swap_a_trap_and_a_restart() {
    let site = guest().config(GRANT).host();
    assert_eq!(add(&site), "1");
    assert_eq!(add(&site), "2");

    // What was acknowledged before the trap stays, and so does the change of the call that traps.
    site.host.codec("state").unwrap().encode_document(b"!").unwrap_err();
    assert_eq!(add(&site), "4");

    let before = site.running("state").unwrap().digest;
    site.drop_in("state.wasm", next(&GUEST));
    site.reconcile();
    assert_ne!(site.running("state").unwrap().digest, before);
    assert_eq!(add(&site), "5");

    let site = site.restart();
    assert_eq!(add(&site), "6");
    assert!(site.place.path(".plugbay/state.db").exists());
}

#[test]
fn state_in_memory_survives_a_swap_and_ends_with_the_host() {
    let site = guest().host_key("state = \"\"").config(GRANT).host();
    assert_eq!(add(&site), "1");
    site.drop_in("state.wasm", next(&GUEST));
    site.reconcile();
    assert_eq!(add(&site), "2");
    let site = site.restart();
    assert_eq!(add(&site), "1");
    assert!(!site.place.path(".plugbay").exists());
}

#[test]
fn without_the_grant_there_is_no_state_and_no_file_and_the_denial_is_reported() {
    let site = guest().host();
    assert_eq!(add(&site), "denied");
    assert!(!site.place.path(".plugbay").exists());
    let status = site.running("state").unwrap();
    assert_eq!((&*status.requested, &*status.granted), (&[Grant::State][..], &[][..]));
    site.wait_for_event("the denial", |outcome| {
        matches!(
            outcome,
            Outcome::Noticed { notice: Notice::Denied { grant: Grant::State, .. }, .. }
        )
    });
    site.configure(GRANT);
    site.reconcile();
    assert_eq!(add(&site), "1");
}

#[test]
fn two_plugins_of_one_artifact_have_states_of_their_own() {
    let site = guest().config(GRANT).host();
    assert_eq!((add(&site), add(&site)), ("1".into(), "2".into()));
    site.configure(
        "[plugins.state]\nenabled = false\n[plugins.other]\nartifact = \"state.wasm\"\ngrants.state = true",
    );
    site.reconcile();
    // The codec of a name that the configuration gives is called by that name.
    let other = site.host.codec("other").unwrap();
    assert_eq!(other.encode_document(b"").unwrap(), b"1");
}

#[test]
fn a_quota_is_an_error_of_the_operation_that_names_the_grant() {
    let site = guest().config("[plugins.state.grants]\nstate = { keys = 2, value = \"4\" }").host();
    assert_eq!(set(&site, "a"), "1");
    assert_eq!(
        set(&site, "five?"),
        "expected a value of at most 4 bytes, found 5; the plugin's grant `state.value` sets the limit"
    );
    assert_eq!(add(&site), "1");
    assert_eq!(
        set(&site, "b"),
        "expected at most 2 keys of this plugin, found 3; delete some, or raise the grant `state.keys`"
    );
    assert_eq!(set(&site, "a"), "2");
    let text = site.host.collectors().gather(Duration::from_secs(1)).encode(Format::Text);
    for line in [
        "plugbay_state_operations_total{plugin=\"state\",outcome=\"error\"} 2",
        "plugbay_state_operations_total{plugin=\"state\",outcome=\"done\"} 7",
        "plugbay_state_written_bytes_total{plugin=\"state\"} 2",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_file_that_is_no_store_is_an_error_that_names_it_and_the_host_serves() {
    let site = guest().host_key("state = \"config.toml\"").config(GRANT).host();
    let found = add(&site);
    assert!(found.contains("config.toml") && found.contains("another kind of file"), "{found}");
}

/// Calls the handler `counter`.
fn ask(
    site: &Site,
    method: &str,
    name: &str,
    body: &str,
    seen: Option<&str>,
) -> Result<Response, Error> {
    let params = if name.is_empty() { vec![] } else { vec![("name".to_owned(), name.to_owned())] };
    let headers = seen.map(|seen| ("if-match".to_owned(), seen.into())).into_iter().collect();
    let request =
        Request { method: method.into(), params, headers, body: body.into(), ..Request::default() };
    wait(site.host.handler("counter")?.handle(request))
}

fn text(answer: Result<Response, Error>) -> (u16, String) {
    let answer = answer.unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[test]
fn the_example_counts_by_the_sdk() {
    let site = place().plugin("counter.wasm", COUNTER.clone()).unwatched().config(GRANT).host();
    // Instances run at once, and lose no increment of each other.
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(text(ask(&site, "POST", "page", "", None)).0, 200);
                }
            });
        }
    });
    assert_eq!(text(ask(&site, "GET", "page", "", None)), (200, "100".into()));

    site.drop_in("counter.wasm", next(&COUNTER));
    site.reconcile();
    let site = site.restart();
    assert_eq!(text(ask(&site, "POST", "page", "-58", None)), (200, "42".into()));
    assert_eq!(text(ask(&site, "PUT", "page", "7", Some("41"))).0, 412);
    assert_eq!(text(ask(&site, "PUT", "page", "7", Some("42"))), (200, "7".into()));
    assert_eq!(text(ask(&site, "PUT", "new", "1", None)), (200, "1".into()));
    assert_eq!(text(ask(&site, "PUT", "new", "2", None)).0, 412);
    assert_eq!(text(ask(&site, "GET", "", "", None)), (200, "[\"new\",\"page\"]".into()));
    assert_eq!(text(ask(&site, "DELETE", "new", "", None)).0, 204);
    assert_eq!(text(ask(&site, "GET", "new", "", None)).0, 404);

    site.configure("");
    site.reconcile();
    let error = ask(&site, "POST", "page", "", None).unwrap_err().to_string();
    assert!(error.contains("state = true"), "{error}");
}
