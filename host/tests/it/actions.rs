//! The actions of operators: what each does, says before, and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay::{
    Action, ActionError, ActionOptions, CallErrorKind, Error, Outcome, PluginState, Switch,
};
use plugbay_fixtures::Guest;

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, is_done, neighbours, place, request, until, wait};

fn ops() -> ActionOptions {
    ActionOptions::by("ada")
}

fn acted(site: &Site, action: Action) -> usize {
    site.count(
        |it| matches!(it, Outcome::Operator { action: it, by, .. } if *it == action && by == "ada"),
    )
}

/// A host with a puppet `a`, which offers a codec and a handler.
fn puppets() -> (Puppets, Site) {
    let puppets = Puppets::default();
    let runtime = Arc::new(puppets.clone());
    let place = place().plugin("a.wasm", puppet("a", "1.0.0", &["codec:a", "handler:h"]));
    let site = place.host_with(|builder| builder.runtime(runtime));
    (puppets, site)
}

fn kind(result: Result<String, Error>) -> CallErrorKind {
    match result {
        Err(Error::Call(error)) => error.kind(),
        other => panic!("expected a refused call, found {other:?}"),
    }
}

#[test]
fn a_disabled_plugin_is_gone_until_it_is_enabled() {
    let site = neighbours().host();
    let before = site.snapshot().generation();
    let dry = wait(site.disable("a", ops().dry_run(true))).unwrap();
    assert_eq!((dry.dry_run, dry.published, dry.generation), (true, false, before));
    assert_eq!(dry.change.capabilities_removed, ["codec:a"]);
    assert_eq!((site.encode("a").as_str(), site.status().overrides.len()), ("good", 0));

    let done = wait(site.disable("a", ops())).unwrap();
    assert!(done.published && done.generation > before, "{done:?}");
    assert_eq!(
        (&done.change.capabilities_removed, done.notes.len()),
        (&dry.change.capabilities_removed, 0)
    );
    assert_eq!(done.retired, ["a@1.0.0"]);
    let [plugin] = &done.change.plugins[..] else { panic!("{done:?}") };
    assert!((&*plugin.name, plugin.to.is_none()) == ("a", true) && plugin.from.is_some());
    assert!(site.codec("a").is_err());
    assert_eq!((site.encode("neighbour").as_str(), acted(&site, Action::Disable)), ("here", 1));
    let [over] = &site.status().overrides[..] else { panic!("{:?}", site.status().overrides) };
    assert_eq!((&*over.on, &over.switch, &*over.by), ("a", &Switch::Disabled, "ada"));
    assert!(over.to_string().starts_with("a is disabled by ada since 20"), "{over}");
    // Again: nothing changes, and it is said since when.
    let again = wait(site.disable("a", ActionOptions::by("bob"))).unwrap();
    assert!(!again.published && again.change.is_empty(), "{again:?}");
    assert_eq!(site.status().overrides, std::slice::from_ref(over));

    let done = wait(site.enable("a", ops())).unwrap();
    assert_eq!(done.change.capabilities_added, ["codec:a"]);
    assert_eq!((site.encode("a").as_str(), site.status().overrides.len()), ("good", 0));
    assert_eq!(acted(&site, Action::Enable), 1);
}

#[test]
fn what_is_not_there_is_named_with_the_nearest() {
    let site = neighbours().host();
    let error = wait(site.disable("neighbor", ops())).unwrap_err();
    assert_eq!(error.to_string(), "no plugin \"neighbor\"; did you mean neighbour?");
    assert_eq!(error.reason(), "not-found");
    wait(site.disable("a", ops())).unwrap();
    for error in [
        wait(site.host.restart("a", ops())).unwrap_err(),
        wait(site.drain("a", ops())).unwrap_err(),
        wait(site.open_breaker("a", ops())).unwrap_err(),
    ] {
        assert_eq!(error.reason(), "not-running");
        assert!(error.to_string().contains("it is disabled"), "{error}");
    }
    let error = wait(site.set_weights("codec:neighbor", [].into(), ops())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no capability \"codec:neighbor\"; did you mean codec:neighbour?"
    );
    let error =
        wait(site.set_weights("codec:neighbour", [("a".into(), 1)].into(), ops())).unwrap_err();
    assert!(
        matches!(error, ActionError::Weights(_)) && error.to_string().contains("found no section")
    );
    wait(site.shutdown(Duration::from_secs(5)));
    assert_eq!(wait(site.disable("neighbour", ops())).unwrap_err(), ActionError::Stopped);
}

#[test]
fn a_restart_starts_the_same_version_again_and_loses_no_call() {
    let (puppets, site) = puppets();
    let over = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(site.encode("a"), "a@1.0.0");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=20 {
            let before = site.snapshot().generation();
            let done = wait(site.host.restart("a", ops())).unwrap();
            assert!(done.published && done.generation > before, "{done:?}");
            assert_eq!((done.loaded.len(), done.retired.len()), (1, 1));
            assert_eq!(done.change.plugins[0].differs, ["restart"]);
            assert_eq!(puppets.starts("a@1.0.0"), 1 + round);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(calls.load(Ordering::Relaxed) > 20);
    until("those before are shut down", || {
        puppets.log().iter().filter(|line| **line == "gone a@1.0.0").count() == 20
    });
    assert_eq!(acted(&site, Action::Restart), 20);
}

#[test]
fn a_plugin_that_does_not_start_again_serves_on() {
    let (puppets, site) = puppets();
    let failing = Script { start_error: Some("no database".into()), ..Script::default() };
    puppets.script("a@1.0.0", failing);
    let error = wait(site.host.restart("a", ops())).unwrap_err();
    assert_eq!(error.reason(), "refused");
    assert!(error.to_string().contains("restart of a is refused"), "{error}");
    assert!(error.to_string().ends_with("no database"), "{error}");
    assert_eq!((site.encode("a").as_str(), site.status().rejected.len()), ("a@1.0.0", 0));
    assert_eq!(acted(&site, Action::Restart), 0);
}

#[test]
fn a_drained_plugin_gets_no_new_calls_and_says_how_many_are_left() {
    let (puppets, site) = puppets();
    puppets.script("a@1.0.0", Script { hangs: true, ..Script::default() });
    let handler = site.handler("h").unwrap();
    let mut call = Box::pin(handler.handle(request("")));
    assert!(!is_done(&mut call));
    let dry = wait(site.drain("a", ops().dry_run(true))).unwrap();
    assert_eq!(dry.change.capabilities_held, ["codec:a", "handler:h"]);
    assert!(dry.left.is_none() && site.encode("a") == "a@1.0.0");
    // At once, and then at the deadline.
    let began = Instant::now();
    let at_once = wait(site.drain("a", ops())).unwrap();
    assert_eq!((at_once.left.unwrap().leases, at_once.published), (1, true));
    let wait_for = Duration::from_millis(50);
    let late = wait(site.drain("a", ops().wait(wait_for))).unwrap();
    assert!(late.left.unwrap().leases == 1 && began.elapsed() >= wait_for);
    assert!(!late.published, "it is drained already");
    let state = |site: &Site| site.running("a").unwrap().state;
    assert_eq!(state(&site), PluginState::Drained);
    assert_eq!(kind(site.handle("h", "")), CallErrorKind::Retired);
    let refused = site.codec("a").unwrap().encode_document(&[]).unwrap_err();
    assert!(refused.to_string().contains("an operator drains the plugin"), "{refused}");
    // The call ends while the drain waits for it.
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| wait(site.drain("a", ops().wait(Duration::from_mins(1)))));
        drop(call);
        let left = drained.join().unwrap().unwrap().left.unwrap();
        assert!(left.is_drained(), "{left:?}");
    });
    // A version that comes meanwhile is held back, too, and so is the next host.
    site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a", "handler:h"]));
    until("the new version", || site.running("a").unwrap().version == "2.0.0");
    assert_eq!(state(&site), PluginState::Drained);
    let site = site.restart_with(|builder| builder.runtime(Arc::new(puppets.clone())));
    assert_eq!(state(&site), PluginState::Drained);
    wait(site.enable("a", ops())).unwrap();
    assert_eq!((site.encode("a").as_str(), state(&site)), ("a@2.0.0", PluginState::Running));
    assert_eq!(puppets.starts("a@2.0.0"), 2, "a drain stops no plugin");
}

#[test]
fn a_breaker_that_an_operator_opened_stays_open_until_the_reset() {
    let (puppets, site) = puppets();
    let generation = site.snapshot().generation();
    let open = wait(site.open_breaker("a", ops())).unwrap();
    assert_eq!((open.published, open.generation), (false, generation), "nothing else changes");
    assert_eq!(open.change.capabilities_held, ["codec:a", "handler:h"]);
    assert_eq!(kind(site.handle("h", "")), CallErrorKind::BreakerOpen);
    assert_eq!(site.running("a").unwrap().state, PluginState::BreakerOpen);
    let before = puppets.calls("a@1.0.0");
    assert!(site.codec("a").unwrap().encode_document(&[]).is_err());
    assert_eq!(puppets.calls("a@1.0.0"), before, "no call reaches it");
    let site = site.restart_with(|builder| builder.runtime(Arc::new(puppets.clone())));
    assert_eq!(kind(site.handle("h", "")), CallErrorKind::BreakerOpen);
    wait(site.reset_breaker("a", ops())).unwrap();
    assert_eq!((site.encode("a").as_str(), site.status().overrides.len()), ("a@1.0.0", 0));
}

#[test]
fn a_reset_closes_a_breaker_that_failures_opened() {
    let puppets = Puppets::default();
    let runtime = Arc::new(puppets.clone());
    let place = place().plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]));
    let place = place.config("[plugins.a]\nbreaker_failures = 2\nbreaker_open = '1h'\n");
    let site = place.host_with(|builder| builder.runtime(runtime));
    puppets.script("a@1.0.0", Script { fails: Some(CallErrorKind::Trap), ..Script::default() });
    for _ in 0..3 {
        site.codec("a").unwrap().encode_document(&[]).unwrap_err();
    }
    assert_eq!(site.running("a").unwrap().state, PluginState::BreakerOpen);
    puppets.script("a@1.0.0", Script::default());
    wait(site.reset_breaker("a", ops())).unwrap();
    assert_eq!(site.encode("a"), "a@1.0.0");
    site.wait_for_event("the closed breaker", |it| matches!(it, Outcome::BreakerClosed { .. }));
}

#[test]
fn weights_take_effect_and_restart_nothing() {
    let puppets = Puppets::default();
    let runtime = Arc::new(puppets.clone());
    let place = place()
        .plugin("one.wasm", puppet("one", "1.0.0", &["codec:c"]))
        .plugin("two.wasm", puppet("two", "1.0.0", &["codec:c"]))
        .config(
            "[capabilities.'codec:c']\nstrategy = 'split'\nproviders = ['one', 'two']\n\
             weights = [1, 0]\n",
        );
    let site = place.host_with(|builder| builder.runtime(runtime));
    let all = |site: &Site, label: &str| (0..20).all(|_| site.encode("c") == label);
    assert!(all(&site, "one@1.0.0"));
    let weights = [("one".to_owned(), 0), ("two".to_owned(), 5)];
    let done = wait(site.set_weights("codec:c", weights.into(), ops())).unwrap();
    let [key] = &done.change.config[..] else { panic!("{done:?}") };
    assert_eq!(key.key, "capabilities.\"codec:c\".weights");
    assert_eq!((key.from.clone(), key.to.clone()), (Some([1, 0].into()), Some([0, 5].into())));
    assert!(done.published && done.loaded.is_empty() && all(&site, "two@1.0.0"));
    site.wait_for_event("the weights", |it| {
        matches!(it, Outcome::Operator { action: Action::Weights, sets, .. } if sets == "one=0 two=5")
    });
    let error = wait(site.set_weights("codec:c", [("two".into(), 0)].into(), ops())).unwrap_err();
    assert!(error.to_string().contains("expected a weight above 0"), "{error}");
    let site = site.restart_with(|builder| builder.runtime(Arc::new(puppets.clone())));
    assert!(all(&site, "two@1.0.0"), "after a restart of the host");
    wait(site.set_weights("codec:c", [].into(), ops())).unwrap();
    assert!(all(&site, "one@1.0.0") && site.status().overrides.is_empty());
}

#[test]
fn an_override_of_a_strict_host_is_applied_whole_or_not_at_all() {
    let place = neighbours()
        .host_key("strict = true")
        .config("[[migrations]]\nremove = 'codec:old'\nrequires = 'codec:a'\n");
    let site = place.host();
    let error = wait(site.disable("a", ops())).unwrap_err();
    assert_eq!(error.reason(), "refused");
    assert!(error.to_string().contains("codec:a"), "{error}");
    assert_eq!((site.encode("a").as_str(), site.status().overrides.len()), ("good", 0));
}

#[test]
fn an_action_without_an_effect_yet_says_why() {
    let site =
        place().plugin("a.wasm", Guest::codec("a")).config("[plugins.b]\nenabled = false\n").host();
    let done = wait(site.enable("b", ops())).unwrap();
    assert_eq!(done.notes, ["b does not run: there is no file of it"]);
    site.drop_in("b.wasm", Guest::codec("b").stamp("b"));
    site.answers("b", "b");
}
