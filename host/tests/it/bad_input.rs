//! Bad input in the folder: the last good version keeps serving, other plugins are not affected,
//! and status and events report the error until it is fixed.

use std::fs;
use std::io::Write as _;

use plugbay::{BuildError, Outcome, Reason};
use plugbay_fixtures::{
    Behaviour, ErrorKind, Export, Guest, core_module, not_wasm, truncated, wrong_world,
};

use crate::support::{Bytes, assert_neighbours_serve, lines, neighbours, place, until};

/// Replaces the good version by `bad`. Asserts that `bad` is refused, that the good version keeps
/// running, and that the next good version is loaded.
fn assert_refused(bad: impl Into<Bytes>, reason: Reason, parts: &[&str]) {
    assert_refused_under("", bad, reason, parts);
}

fn assert_refused_under(config: &str, bad: impl Into<Bytes>, reason: Reason, parts: &[&str]) {
    let site = neighbours().config(config).host();
    site.drop_in("a.wasm", bad);
    let rejected = site.refuses("plugins/a.wasm", reason, parts);
    assert_neighbours_serve(&site);
    // Another reconciliation changes nothing, and reports nothing again.
    let report = site.reconcile();
    assert_eq!((report.published, &report.rejected[..]), (false, &[rejected][..]));
    assert_eq!(site.count(|it| matches!(it, Outcome::Rejected { .. })), 1);
    assert_neighbours_serve(&site);
    site.drop_in("a.wasm", Guest::codec("a").version("2.0.0").stamp("mended"));
    site.answers("a", "mended");
    site.recovers("plugins/a.wasm");
    assert_eq!(site.encode("neighbour"), "here");
}

#[test]
fn an_empty_file_is_refused() {
    assert_refused(Vec::new(), Reason::Empty, &["expected a plugin", "found an empty file"]);
}

#[test]
fn a_truncated_file_is_refused() {
    let cut = truncated(&Guest::codec("a").build());
    assert_refused(
        cut,
        Reason::Truncated,
        &["expected a whole file", "bytes that end within a section"],
    );
}

#[test]
fn a_half_written_file_is_loaded_once_it_is_whole() {
    let site = neighbours().host();
    let whole = Guest::codec("a").version("2.0.0").stamp("whole").build();
    let (first, second) = whole.split_at(whole.len() / 2);
    let mut file = fs::File::create(site.file("a.wasm")).unwrap();
    for half in [first, second] {
        assert_neighbours_serve(&site);
        file.write_all(half).unwrap();
        file.flush().unwrap();
        if half == first {
            // The file counts as written a moment ago, even on a slow machine.
            let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
            file.set_modified(soon).unwrap();
            let report = site.reconcile();
            assert_eq!((report.published, report.rejected.len()), (false, 0));
        }
    }
    drop(file);
    site.answers("a", "whole");
    assert_eq!(site.count(|it| matches!(it, Outcome::Rejected { .. })), 0);
}

#[test]
fn a_file_that_is_not_wasm_is_refused() {
    let parts = ["expected a WebAssembly component", "found 54 68 69 73 20 69 73 20"];
    assert_refused(not_wasm(), Reason::UnknownFormat, &parts);
}

#[test]
fn a_core_module_is_refused() {
    let parts = ["expected a WebAssembly component, found a core module"];
    assert_refused(core_module(), Reason::CoreModule, &parts);
}

#[test]
fn a_component_of_another_world_is_refused() {
    let parts = ["plugbay:plugin/lifecycle@1.0.0", "found acme:other/thing@1.0.0"];
    assert_refused(wrong_world(), Reason::WrongWorld, &parts);
}

#[test]
fn a_malformed_component_is_refused() {
    let mut bytes = Guest::codec("a").build();
    // The first section keeps its length, but is of a kind that does not exist.
    bytes[8] = 0x7f;
    assert_refused(
        bytes,
        Reason::Malformed,
        &["expected a valid component", "malformed section id: 127"],
    );
}

#[test]
fn another_api_version_is_refused() {
    let guest = Guest::codec("a").api_version("2.0.0");
    let parts = ["expected plugbay:plugin in version 1.0.0", "found 2.0.0"];
    assert_refused(guest, Reason::ApiVersion, &parts);
}

#[test]
fn an_import_that_the_host_does_not_offer_is_refused() {
    let guest = Guest::codec("a").import("acme:missing/thing@1.0.0");
    let parts = ["found acme:missing/thing@1.0.0", "it offers plugbay:plugin/types@1.0.0"];
    assert_refused(guest, Reason::MissingImport, &parts);
}

#[test]
fn a_trap_in_describe_is_refused() {
    let guest = Guest::codec("a").on(Export::Describe, Behaviour::Trap);
    assert_refused(guest, Reason::Describe, &["describe: ", "unreachable"]);
}

#[test]
fn an_endless_describe_is_refused() {
    let guest = Guest::codec("a").on(Export::Describe, Behaviour::Spin);
    assert_refused(guest, Reason::Describe, &["describe: expected an answer within 5s"]);
}

#[test]
fn a_description_with_a_bad_name_is_refused() {
    let parts = ["describe: plugin name: expected a name", "A Plugin"];
    assert_refused(Guest::codec("a").named("A Plugin"), Reason::Description, &parts);
}

#[test]
fn a_description_with_a_bad_version_is_refused() {
    let parts = ["describe: version: expected `major.minor.patch`", "found \"one\""];
    assert_refused(Guest::codec("a").version("one"), Reason::Description, &parts);
}

#[test]
fn a_description_with_a_bad_schema_is_refused() {
    let parts = ["describe: config schema: expected JSON"];
    assert_refused(Guest::codec("a").schema("{\"type\": "), Reason::Description, &parts);
}

#[test]
fn a_description_that_is_not_utf_8_is_refused() {
    let guest = Guest::codec("a").on(Export::Describe, Behaviour::InvalidText);
    assert_refused(guest, Reason::Describe, &["describe: ", "utf-8"]);
}

#[test]
fn a_description_outside_of_the_memory_is_refused() {
    let guest = Guest::codec("a").on(Export::Describe, Behaviour::BadPointer);
    assert_refused(guest, Reason::Describe, &["describe: "]);
}

#[test]
fn an_unknown_kind_is_refused() {
    let guest = Guest::codec("a").capability("greeter", "hi");
    let parts = ["capability greeter:hi: expected a kind that this host serves", "codec, handler"];
    assert_refused(guest, Reason::WrongWorld, &parts);
}

#[test]
fn an_error_of_init_is_refused() {
    let no = Behaviour::Error(ErrorKind::Internal, "expected a database, found none".into());
    let guest = Guest::codec("a").on(Export::Init, no);
    assert_refused(guest, Reason::Init, &["init: expected a database, found none"]);
}

#[test]
fn an_endless_init_is_refused() {
    // Only the hanging plugin has a short limit: on a busy machine the others need the default.
    let site = neighbours().config("[plugins.slow]\ninit = '50ms'").host();
    site.drop_in("slow.wasm", Guest::codec("slow").on(Export::Init, Behaviour::Spin));
    let parts = ["init: expected an answer within 50ms"];
    site.refuses("slow.wasm", Reason::InitDeadline, &parts);
    assert_neighbours_serve(&site);
    site.remove("slow.wasm");
    site.recovers("slow.wasm");
}

#[test]
fn an_init_that_waits_too_long_is_refused() {
    let wait = Behaviour::Wait(std::time::Duration::from_secs(600));
    let guest = Guest::codec("slow").on(Export::Init, wait);
    let site = neighbours().config("[plugins.slow]\ninit = '50ms'").host();
    site.drop_in("slow.wasm", guest);
    site.refuses("slow.wasm", Reason::InitDeadline, &["init: expected to be ready within 50ms"]);
    assert_neighbours_serve(&site);
    site.remove("slow.wasm");
    site.recovers("slow.wasm");
}

#[test]
fn a_trap_in_init_is_refused() {
    let guest = Guest::codec("a").on(Export::Init, Behaviour::Trap);
    assert_refused(guest, Reason::Init, &["init: ", "unreachable", "backtrace: ", "fixture_trap"]);
}

#[test]
fn an_unhealthy_plugin_is_refused() {
    let no = Behaviour::Error(ErrorKind::Unavailable, "expected a peer, found none".into());
    let guest = Guest::codec("a").on(Export::Health, no);
    assert_refused(guest, Reason::Unhealthy, &["health: expected a peer, found none"]);
}

#[test]
fn a_config_that_breaks_the_schema_is_refused() {
    let schema = r#"{"type": "object", "properties": {"size": {"type": "integer"}}}"#;
    let config = "[plugins.a.config]\nsize = 'large'";
    let site = neighbours().plugin("a.wasm", Guest::codec("a").stamp("good").schema(schema)).host();
    site.configure(config);
    let parts = ["[plugins.a.config]", "size", "expected", "integer", "found", "large"];
    site.refuses("plugins/a.wasm", Reason::ConfigSchema, &parts);
    assert_neighbours_serve(&site);
    site.configure("[plugins.a.config]\nsize = 3");
    site.recovers("plugins/a.wasm");
    assert_neighbours_serve(&site);
}

#[test]
fn a_config_for_a_plugin_that_takes_none_is_refused() {
    let site = neighbours().host();
    site.configure("[plugins.a.config]\nsize = 3");
    let parts = ["[plugins.a.config]: expected no keys"];
    site.refuses("plugins/a.wasm", Reason::ConfigSchema, &parts);
    assert_neighbours_serve(&site);
    site.configure("");
    site.recovers("plugins/a.wasm");
}

/// Asserts that `second` clashes with `a`, and that `second` serves once `a` is removed.
fn assert_clash(second: &Guest, reason: Reason, parts: &[&str]) {
    let site = place()
        .plugin("a.wasm", Guest::both("a").stamp("good"))
        .plugin("neighbour.wasm", Guest::codec("neighbour").stamp("here"))
        .host();
    site.drop_in("0.wasm", second.build());
    site.refuses("plugins/0.wasm", reason, parts);
    assert_neighbours_serve(&site);
    site.remove("a.wasm");
    site.recovers("plugins/0.wasm");
    until("the second plugin serves", || {
        site.status().plugins.iter().any(|it| it.source.ends_with("0.wasm"))
    });
    assert_eq!(site.encode("neighbour"), "here");
}

#[test]
fn a_plugin_with_the_name_of_another_one_is_refused() {
    let second = Guest::codec("other").named("a").version("0.9.0");
    assert_clash(&second, Reason::NameClash, &["expected no other plugin \"a\""]);
}

#[test]
fn a_plugin_with_the_capability_of_another_one_is_refused() {
    let second = Guest::codec("a").named("second");
    assert_clash(&second, Reason::CapabilityClash, &["codec:a", "found \"a\""]);
}

#[test]
fn a_plugin_with_the_route_of_another_one_is_refused() {
    let second = Guest::handler("second").route("GET", "/a");
    assert_clash(&second, Reason::RouteClash, &["route /a", "found one to handler a"]);
}

#[test]
fn a_name_clash_with_a_last_good_version_is_reported() {
    let site = neighbours().host();
    site.drop_in("a.wasm", not_wasm());
    site.refuses("plugins/a.wasm", Reason::UnknownFormat, &[]);
    site.drop_in("a2.wasm", Guest::codec("a").version("2.0.0").stamp("second"));
    site.refuses("plugins/a2.wasm", Reason::NameClash, &["expected no other plugin \"a\""]);
    assert_neighbours_serve(&site);
    site.remove("a.wasm");
    site.answers("a", "second");
    site.recovers("plugins/a2.wasm");
}

#[test]
fn a_last_good_version_keeps_its_capability() {
    // The other file sorts first, and offers the capability that the failing plugin still has.
    let site = place().unwatched().plugin("z.wasm", Guest::codec("a").stamp("good")).host();
    site.remove("z.wasm");
    let failing =
        Guest::codec("other").named("a").version("2.0.0").on(Export::Init, Behaviour::Trap);
    site.drop_in("y.wasm", failing);
    site.drop_in("0.wasm", Guest::codec("a").named("thief").stamp("stolen"));
    let report = site.reconcile();
    let mut refused: Vec<_> = report.rejected.iter().map(|it| it.reason).collect();
    refused.sort();
    assert_eq!(refused, [Reason::CapabilityClash, Reason::Init]);
    assert_eq!(site.encode("a"), "good");
}

#[test]
fn the_configuration_may_take_a_running_plugins_route() {
    let site = place()
        .plugin("h.wasm", Guest::handler("h").route("GET", "/x/{one}").route("GET", "/y"))
        .plugin("i.wasm", Guest::handler("i"))
        .plugin("log.wasm", Guest::codec("log").on(Export::Shutdown, Behaviour::Log(1)))
        .host();
    let started = site.running("h").unwrap().started_at;
    site.configure("[[routes]]\npath = '/x/{two}'\nhandler = 'i'");
    site.wait_for_event("the configuration", |it| matches!(it, Outcome::Configured));
    assert_eq!(site.running("h").map(|it| it.started_at), Some(started));
    let plugbay::RouteMatch::Found(routed) = site.snapshot().route("GET", "/x/1") else {
        panic!("expected a route")
    };
    assert_eq!(routed.handler(), "i");
    assert!(matches!(site.snapshot().route("GET", "/y"), plugbay::RouteMatch::Found(_)));
}

#[test]
fn a_refused_version_is_not_retried_at_each_reconciliation() {
    // Each start writes a line in `init`, each description one in `describe`.
    let unhealthy = Behaviour::Error(ErrorKind::Unavailable, "not yet".into());
    let started = Guest::codec("started").on(Export::Init, Behaviour::Log(1));
    let silent = Guest::codec("silent").version("one").on(Export::Describe, Behaviour::Log(1));
    let site = neighbours()
        .plugin("started.wasm", started.on(Export::Health, unhealthy))
        .plugin("silent.wasm", silent)
        .host();
    let tried = || (lines::of("started@1.0.0"), lines::of("silent.wasm"));
    assert_eq!(site.rejected("silent.wasm").unwrap().reason, Reason::Description);
    assert_eq!(tried(), (1, 1));
    for index in 0..5 {
        let name = format!("x{index}");
        site.drop_in(&format!("{name}.wasm"), Guest::codec(&name));
        until(&name, || site.codec(&name).is_ok());
    }
    assert_eq!(tried(), (1, 1));
    // A file that is being written causes many reconciliations in a short time.
    fs::write(site.file("half.wasm"), truncated(&Guest::codec("half").build())).unwrap();
    site.refuses("half.wasm", Reason::Truncated, &[]);
    assert_eq!(tried(), (1, 1));
    // A reload starts a plugin again; the description of the same bytes stays the same.
    site.reconcile();
    assert_eq!(tried(), (2, 1));
}

/// Asserts that a broken `config.toml` changes nothing, and that its file, line and reason are
/// reported.
fn assert_config_refused(sections: &str, parts: &[&str]) {
    let site = neighbours().host();
    let config = site.config();
    site.configure(sections);
    let rejected = site.refuses("config.toml", Reason::Config, parts);
    assert!(rejected.message.contains("config.toml"), "{}", rejected.message);
    assert_eq!(site.config(), config);
    assert_neighbours_serve(&site);
    // The host still reads the plugin folder.
    site.drop_in("b.wasm", Guest::codec("b").stamp("b"));
    site.answers("b", "b");
    site.configure("[defaults]\ncpu = '2s'");
    site.recovers("config.toml");
    assert_neighbours_serve(&site);
    assert_eq!(site.config().defaults.cpu, std::time::Duration::from_secs(2));
}

#[test]
fn a_configuration_with_a_syntax_error_is_refused() {
    assert_config_refused("[defaults]\ncpu = ", &["10:7"]);
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused() {
    assert_config_refused(
        "[defaults]\nmemroy = '1MiB'",
        &["10:1", "memroy", "did you mean `memory`"],
    );
}

#[test]
fn a_configuration_with_a_wrong_type_is_refused() {
    assert_config_refused("[defaults]\ncpu = true", &["10:7", "cpu", "expected", "found"]);
}

#[test]
fn a_configuration_with_a_value_out_of_range_is_refused() {
    assert_config_refused(
        "[defaults]\nmemory = '1KiB'",
        &["10:10", "expected \"64KiB\" to \"4GiB\"", "found \"1KiB\""],
    );
}

#[test]
fn a_deleted_configuration_stays_in_force_and_is_reported() {
    let site = neighbours().host();
    fs::remove_file(site.place.path("config.toml")).unwrap();
    site.refuses("config.toml", Reason::Config, &["config.toml"]);
    assert_neighbours_serve(&site);
    site.configure("");
    site.recovers("config.toml");
}

#[test]
fn a_strict_host_applies_no_change_while_a_file_is_refused() {
    let site = neighbours().host_key("strict = true").host();
    let generation = site.status().generation;
    let bad = Guest::codec("bad").on(Export::Init, Behaviour::Trap);
    site.drop_in("bad.wasm", bad);
    site.refuses("bad.wasm", Reason::Init, &[]);
    site.drop_in("c.wasm", Guest::codec("c"));
    site.refuses("c.wasm", Reason::Strict, &["host.strict", "bad.wasm"]);
    site.drop_in("a.wasm", Guest::codec("a").version("2.0.0").stamp("second"));
    site.refuses("plugins/a.wasm", Reason::Strict, &[]);
    site.remove("neighbour.wasm");
    let report = site.reconcile();
    assert_eq!((report.generation, report.published), (generation, false));
    assert_neighbours_serve(&site);
    assert!(site.codec("c").is_err());
    site.remove("bad.wasm");
    site.answers("a", "second");
    site.recovers("bad.wasm");
    assert!(site.codec("c").is_ok() && site.codec("neighbour").is_err());
    assert!(site.status().rejected.is_empty());
}

#[test]
fn a_strict_host_keeps_its_configuration_while_a_file_is_refused() {
    let site = neighbours().host_key("strict = true").host();
    let config = site.config();
    site.drop_in("bad.wasm", not_wasm());
    site.refuses("bad.wasm", Reason::UnknownFormat, &[]);
    site.configure("[plugins.a]\nenabled = false");
    let report = site.reconcile();
    assert_eq!((report.published, site.config()), (false, config));
    assert_neighbours_serve(&site);
    site.remove("bad.wasm");
    until("the new configuration", || site.codec("a").is_err());
}

#[test]
fn a_strict_host_does_not_start_with_a_bad_plugin() {
    let error =
        neighbours().host_key("strict = true").plugin("bad.wasm", not_wasm()).expect_build_error();
    let BuildError::Strict(refusal) = &error else { panic!("{error}") };
    assert_eq!(refusal.reason, Reason::UnknownFormat);
    assert!(error.to_string().contains("bad.wasm"), "{error}");
}

#[tokio::test]
async fn a_build_that_fails_inside_a_runtime_does_not_panic() {
    let error =
        neighbours().host_key("strict = true").plugin("bad.wasm", not_wasm()).expect_build_error();
    assert!(matches!(error, BuildError::Strict(_)));
}
