//! Trials are decided by the calls of both versions.

use std::time::{Duration, Instant};

use plugbay::{CallErrorKind, CallOptions, Handler, Outcome, PluginState, Reason};

use super::{OFFERS, serve, site, under_load, wait_for_trial};
use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, is_done, place, request, until, wait};

#[test]
fn a_good_version_goes_through_its_steps_and_takes_all_calls() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [1, 50, 100]\nevery = '1s'\ncalls = 100\n");
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    let plugins = site.status().plugins;
    let canary = plugins.iter().find(|it| it.version == "2.0.0").unwrap();
    assert_eq!(canary.state, PluginState::Canary);
    assert_eq!(canary.trial.as_ref().unwrap().stable, "c@1.0.0");
    let failed = under_load(&site, || {
        site.wait_for_event("the second step", |it| {
            matches!(it, Outcome::CanaryStep { percent: 50, .. })
        });
        site.wait_for_event(
            "the promotion",
            |it| matches!(it, Outcome::CanaryPromoted { plugin, .. } if plugin == "c@2.0.0"),
        );
        until("the old version is retired", || site.status().plugins.len() == 1);
    });
    assert_eq!(failed, 0);
    assert_eq!(site.encode("c"), "c@2.0.0");
    assert_eq!(site.running("c").unwrap().state, PluginState::Running);
    until("the old version is stopped", || puppets.log().contains(&"stop c@1.0.0".to_owned()));
}

#[test]
fn a_version_with_five_percent_errors_is_rolled_back_and_retried_by_a_reload() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [10, 100]\nevery = '1h'\ncalls = 1000\nerrors = 1.0\n");
    let bad = Script { fails: Some(CallErrorKind::Internal), one_in: 20, ..Script::default() };
    puppets.script("c@2.0.0", bad);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    let failed = under_load(&site, || {
        site.refuses("c.wasm", Reason::Canary, &["the canary failed"]);
    });
    assert!(failed > 0, "expected failed calls of the canary");
    site.wait_for_event("the end of the trial", |it| {
        matches!(it, Outcome::CanaryRolledBack { plugin, because }
            if plugin == "c@2.0.0" && because.contains("the canary failed"))
    });
    until("the canary is retired", || site.status().plugins.len() == 1);
    assert_eq!(site.encode("c"), "c@1.0.0");
    // The file still exists, but is not retried.
    assert_eq!(puppets.starts("c@2.0.0"), 1);
    let after = under_load(&site, || site.assert_still_refused("c.wasm"));
    assert_eq!(after, 0);
    assert_eq!(puppets.starts("c@2.0.0"), 1);
    // A reload retries the file.
    puppets.script("c@2.0.0", Script::default());
    site.reconcile();
    until("the version is tried again", || puppets.starts("c@2.0.0") == 2);
}

#[test]
fn a_version_that_is_much_slower_is_rolled_back() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [50, 100]\nevery = '1h'\ncalls = 1000\nlatency = 2.0\n");
    let slow = Script { call_takes: Duration::from_millis(5), ..Script::default() };
    puppets.script("c@2.0.0", slow);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    let failed = under_load(&site, || {
        site.refuses("c.wasm", Reason::Canary, &["took longer than"]);
    });
    assert_eq!(failed, 0);
    assert_eq!(site.encode("c"), "c@1.0.0");
}

#[test]
fn a_version_whose_every_call_fails_affects_few_calls() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [50, 100]\nevery = '1h'\ncalls = 100000\n");
    puppets.script("c@2.0.0", Script { fails: Some(CallErrorKind::Trap), ..Script::default() });
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    let failed = under_load(&site, || {
        site.refuses("c.wasm", Reason::Canary, &["breaker opened"]);
    });
    assert_eq!(failed, 5, "as many failures as open the breaker");
    assert_eq!(site.encode("c"), "c@1.0.0");
}

#[test]
fn a_version_that_refuses_what_the_old_one_takes_is_rolled_back() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [50, 100]\nevery = '1h'\ncalls = 1000\n");
    let refuses = Script { fails: Some(CallErrorKind::InvalidInput), ..Script::default() };
    puppets.script("c@2.0.0", refuses);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    under_load(&site, || {
        site.refuses("c.wasm", Reason::Canary, &["the canary refused the input of"]);
    });
    assert_eq!(site.encode("c"), "c@1.0.0");
}

/// A site that puts new versions of the handler `h` on trial.
fn handler(puppets: &Puppets) -> Site {
    let config = "[defaults]\nhealth_every = '0s'\nbreaker_failures = 0\n\
                  [capabilities.'handler:h']\nstrategy = 'canary'\nsteps = [50, 100]\nevery = '1h'\n";
    let place = place().plugin("h.wasm", puppet("h", "1.0.0", &["handler:h"]));
    serve(place.config(config), puppets)
}

#[test]
fn a_version_that_answers_with_500_is_rolled_back() {
    let puppets = Puppets::default();
    let site = handler(&puppets);
    puppets.script("h@2.0.0", Script { status: 500, ..Script::default() });
    site.drop_in("h.wasm", puppet("h", "2.0.0", &["handler:h"]));
    wait_for_trial(&site, "h@2.0.0");
    until("the canary is rolled back", || {
        wait(site.handler("h").unwrap().handle(request(""))).unwrap();
        site.rejected("h.wasm").is_some_and(|it| it.message.contains("the canary failed"))
    });
}

#[test]
fn a_hanging_version_has_errors_only_for_calls_past_their_deadline() {
    let puppets = Puppets::default();
    let site = handler(&puppets);
    puppets.script("h@2.0.0", Script { hangs: true, ..Script::default() });
    site.drop_in("h.wasm", puppet("h", "2.0.0", &["handler:h"]));
    wait_for_trial(&site, "h@2.0.0");
    let trial = || site.status().plugins.into_iter().find_map(|it| it.trial).unwrap();
    // The caller cancels the call early: the trial records how long it took at least, and no
    // failure.
    until("a cancelled call", || {
        let lease = site.get::<Handler>("h").unwrap().lease().unwrap();
        is_done(&mut Box::pin(lease.handle(CallOptions::default(), request(""))));
        trial().calls > 0
    });
    let before = trial();
    assert_eq!((before.calls, before.errors), (1, 0));
    until("a call past its deadline", || {
        let lease = site.get::<Handler>("h").unwrap().lease().unwrap();
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut call = Box::pin(lease.handle(CallOptions::default().until(deadline), request("")));
        if !is_done(&mut call) {
            until("the deadline", || Instant::now() > deadline);
        }
        drop(call);
        trial().errors > 0
    });
}

#[test]
fn removing_the_plugin_ends_the_trial() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [50, 100]\nevery = '1h'\n");
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    site.drop_in("c.wasm", puppet("c", "1.0.0", OFFERS));
    until("the canary is retired", || site.status().plugins.len() == 1);
    assert_eq!(puppets.starts("c@1.0.0"), 1, "the old version was never stopped");
    site.wait_for_event(
        "the end of the trial",
        |it| matches!(it, Outcome::CanaryEnded { plugin, .. } if plugin == "c@2.0.0"),
    );
    assert!(site.rejected("c.wasm").is_none());
    for _ in 0..100 {
        assert_eq!(site.encode("c"), "c@1.0.0");
    }
}

#[test]
fn a_busy_stable_version_does_not_increase_the_share_of_the_canary() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [1, 100]\nevery = '1h'\n");
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    let busy = Script { fails: Some(CallErrorKind::Overloaded), ..Script::default() };
    puppets.script("c@1.0.0", busy);
    let codec = site.codec("c").unwrap();
    let answered = (0..500).filter(|_| codec.encode_document(&[]).is_ok()).count();
    assert!(answered < 50, "the canary answered {answered} of 500 calls, expected about 5");
}

#[test]
fn a_fixed_version_of_an_unhealthy_plugin_serves_at_once() {
    let puppets = Puppets::default();
    let unhealthy = Script { unhealthy: Some("no database".into()), ..Script::default() };
    let settings = "health_every = '200ms'\nhealth_deadline = '200ms'\nrestarts = 0\n";
    let site = super::site_with(&puppets, settings, "steps = [1, 100]\nevery = '1h'\n");
    puppets.script("c@1.0.0", unhealthy.clone());
    until("the stable version is unhealthy", || {
        site.running("c").unwrap().state == PluginState::Unhealthy
    });
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    site.answers("c", "c@2.0.0");
    until("the old version is retired", || site.status().plugins.len() == 1);
    assert_eq!(site.count(|it| matches!(it, Outcome::CanaryStarted { .. })), 0);
    // The next version is on trial until the stable version is unhealthy.
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    wait_for_trial(&site, "c@3.0.0");
    puppets.script("c@2.0.0", unhealthy);
    site.wait_for_event("the promotion", |it| {
        matches!(it, Outcome::CanaryPromoted { plugin, because }
            if plugin == "c@3.0.0" && because == "c@2.0.0 is unhealthy")
    });
    until("the old version is retired", || site.status().plugins.len() == 1);
    assert_eq!(site.encode("c"), "c@3.0.0");
}
