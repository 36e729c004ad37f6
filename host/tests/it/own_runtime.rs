//! A runtime that the application brings: its bugs and its slowness are reported, and concern its own
//! plugins only.

use std::sync::Arc;
use std::time::Duration;

use plugbay::{Outcome, PluginState, Reason};
use plugbay_fixtures::Guest;

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, place, until};

/// The functions of `Runtime` and `Prepared` without which an artifact cannot be started.
const NEEDED: [&str; 5] = ["recognises", "prepare", "describe", "start", "provide"];
/// Those that have a harmless answer, if there is none.
const SPARED: [&str; 7] =
    ["is_whole", "imports", "exports", "code_size", "calls_others", "stats", "retry"];

fn site(puppets: &Puppets, defaults: &str) -> Site {
    let runtime = Arc::new(puppets.clone());
    place()
        .plugin("neighbour.wasm", Guest::codec("neighbour").stamp("here"))
        .config(&format!("[defaults]\n{defaults}"))
        .host_with(|builder| builder.runtime(runtime))
}

fn panics_in(function: &'static str) -> Script {
    Script { panics_in: Some(function), ..Script::default() }
}

/// Drops in a puppet that panics in this function.
fn drop_in(site: &Site, puppets: &Puppets, function: &'static str) {
    puppets.script("bad@1.0.0", panics_in(function));
    site.drop_in("bad.wasm", puppet("bad", "1.0.0", &["codec:bad"]));
}

/// Asserts that the reconciler still does its work.
fn assert_reconciles(site: &Site, round: usize) {
    let stamp = format!("round {round}");
    let guest = Guest::codec("neighbour").version(&format!("1.{round}.0")).stamp(stamp.as_str());
    site.drop_in("neighbour.wasm", guest);
    site.answers("neighbour", &stamp);
}

#[test]
fn a_panic_of_a_needed_function_refuses_the_artifact() {
    let puppets = Puppets::default();
    let site = site(&puppets, "");
    for (round, function) in NEEDED.into_iter().enumerate() {
        drop_in(&site, &puppets, function);
        if function == "provide" {
            site.refuses("bad.wasm", Reason::WrongWorld, &["codec:bad"]);
        } else {
            let said = format!("the runtime puppet panicked in `{function}`: a bug in bad@1.0.0");
            site.refuses("bad.wasm", Reason::Internal, &[&said]);
        }
        assert_reconciles(&site, round + 1);
        puppets.script("bad@1.0.0", Script::default());
        site.remove("bad.wasm");
        site.recovers("bad.wasm");
    }
}

/// What fails in `describe` may succeed for the same bytes later: a reload tries them again, other changes
/// do not.
#[test]
fn a_describe_that_failed_once_is_tried_again_by_a_reload() {
    let puppets = Puppets::default();
    let site = site(&puppets, "");
    let fails = Script { describe_error: Some("no description today".into()), ..Script::default() };
    for (name, script, reason) in
        [("panics", panics_in("describe"), Reason::Internal), ("fails", fails, Reason::Describe)]
    {
        let (file, label) = (format!("{name}.wasm"), format!("{name}@1.0.0"));
        let prepared =
            || puppets.log().iter().filter(|it| **it == format!("prepare {name} 1.0.0")).count();
        puppets.script(&label, script);
        site.drop_in(&file, puppet(name, "1.0.0", &[&format!("codec:{name}")]));
        site.refuses(&file, reason, &[]);
        puppets.script(&label, Script::default());
        site.assert_still_refused(&file);
        assert_eq!(prepared(), 1, "{name}: the change of another file");
        site.reconcile();
        site.answers(name, &label);
        assert_eq!(prepared(), 2, "{name}: the reload");
        site.recovers(&file);
    }
}

#[test]
fn a_panic_of_another_function_does_not_keep_the_plugin_from_serving() {
    let puppets = Puppets::default();
    let site = site(&puppets, "");
    for (round, function) in SPARED.into_iter().enumerate() {
        drop_in(&site, &puppets, function);
        site.answers("bad", "bad@1.0.0");
        // A caller's reload retries what was given up.
        let _ = site.reconcile();
        assert_eq!(site.status().plugins.len(), 2, "{function}");
        assert_reconciles(&site, round + 1);
        site.remove("bad.wasm");
        until("the puppet is gone", || site.running("bad").is_none());
    }
}

#[test]
fn a_panic_in_health_is_a_failed_check_and_one_in_shutdown_ends_the_drain() {
    let puppets = Puppets::default();
    let site = site(&puppets, "health_every = '10ms'\nhealth_deadline = '10ms'\nrestarts = 0\n");
    drop_in(&site, &puppets, "health");
    until("it is unhealthy", || {
        site.running("bad").is_some_and(|it| it.state == PluginState::Unhealthy)
    });
    let error = site.running("bad").unwrap().health.last_error.unwrap();
    assert_eq!(error, "the plugin bad@1.0.0 panicked in `health`: a bug in bad@1.0.0");
    puppets.script("bad@1.0.0", panics_in("shutdown"));
    site.remove("bad.wasm");
    site.wait_for_event("the drain", |it| match it {
        Outcome::Drained { plugin, .. } => plugin == "bad@1.0.0",
        _ => false,
    });
    until("it is freed", || puppets.log().contains(&"free bad@1.0.0".to_owned()));
    assert_reconciles(&site, 1);
}

/// A component is not refused because another runtime has a bug.
#[test]
fn a_runtime_that_panics_does_not_keep_artifacts_from_others() {
    let puppets = Puppets::default();
    let site = site(&puppets, "");
    puppets.panic_at_components();
    site.drop_in("neighbour.wasm", Guest::codec("neighbour").version("2.0.0").stamp("there"));
    site.answers("neighbour", "there");
    assert!(site.status().rejected.is_empty(), "{:?}", site.status().rejected);
}

/// Preparing counts, also for a plugin that starts in the place of another one that failed to start.
#[test]
fn an_event_of_a_load_has_the_time_of_its_preparation() {
    let takes = Duration::from_millis(300);
    let puppets = Puppets::default();
    let slow = || Script { prepare_takes: takes, ..Script::default() };
    puppets.script("next@1.0.0", slow());
    puppets.script("heir@1.0.0", slow());
    puppets.script("a@1.0.0", Script { start_error: Some("no database".into()), ..slow() });
    let site = site(&puppets, "");
    let took = |name: &str| {
        let label = format!("{name}@1.0.0");
        let mut took = None;
        until(&format!("{name} is loaded"), || {
            took = site.outcomes().into_iter().find_map(|it| match it {
                Outcome::Loaded { plugin, took_ms, .. } if plugin == label => {
                    Some(Duration::from_millis(took_ms))
                }
                _ => None,
            });
            took.is_some()
        });
        took.unwrap()
    };
    site.drop_in("next.wasm", puppet("next", "1.0.0", &["codec:next"]));
    assert!(took("next") >= takes, "{:?}", took("next"));
    // Both offer the same capability. The first one gets it, and does not start.
    site.drop_in("a.wasm", puppet("a", "1.0.0", &["codec:x"]));
    site.drop_in("heir.wasm", puppet("heir", "1.0.0", &["codec:x"]));
    site.refuses("a.wasm", Reason::Init, &["no database"]);
    assert!(took("heir") >= takes, "{:?}", took("heir"));
}
