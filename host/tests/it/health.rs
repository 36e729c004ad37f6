//! Unhealthy plugins: they get no calls, and are restarted within a budget.

use std::sync::Arc;
use std::time::Duration;

use plugbay::{CallErrorKind, Error, Outcome, PluginState, Reason};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, place, until, wait};

fn site(puppets: &Puppets, defaults: &str) -> Site {
    site_with(puppets, "", &format!("[defaults]\n{defaults}"))
}

fn site_with(puppets: &Puppets, host_key: &str, sections: &str) -> Site {
    let runtime = Arc::new(puppets.clone());
    place()
        .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
        .plugin("b.wasm", puppet("b", "1.0.0", &["codec:b", "handler:h"]))
        .host_key(host_key)
        .config(sections)
        .host_with(|builder| builder.runtime(runtime))
}

const QUICK: &str = "health_every = '10ms'\nhealth_deadline = '10ms'\n";

fn unhealthy(error: &str) -> Script {
    Script { unhealthy: Some(error.into()), ..Script::default() }
}

fn fails(kind: CallErrorKind) -> Script {
    Script { fails: Some(kind), ..Script::default() }
}

fn state(site: &Site, plugin: &str) -> PluginState {
    site.running(plugin).unwrap().state
}

#[test]
fn a_plugin_that_fails_and_recovers_is_skipped_and_used_again() {
    let puppets = Puppets::default();
    let site = site(&puppets, &format!("{QUICK}restarts = 0\n"));
    puppets.script("a@1.0.0", unhealthy("no database"));
    until("a is unhealthy", || state(&site, "a") == PluginState::Unhealthy);
    let calls = puppets.calls("a@1.0.0");
    let Error::Call(error) = site.codec("a").unwrap().encode_document(&[]).unwrap_err() else {
        panic!("expected a failed call")
    };
    assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Unhealthy, Some("a@1.0.0")));
    assert!(error.message().contains("no database"), "{error}");
    assert!(error.wait().is_some());
    assert_eq!(puppets.calls("a@1.0.0"), calls, "the unhealthy plugin was called");
    assert_eq!(site.encode("b"), "b@1.0.0");
    let health = site.running("a").unwrap().health;
    assert_eq!((health.healthy, health.last_error.as_deref()), (false, Some("no database")));
    puppets.script("a@1.0.0", Script::default());
    site.answers("a", "a@1.0.0");
    site.wait_for_event(
        "the recovery",
        |it| matches!(it, Outcome::Healthy { plugin } if plugin == "a@1.0.0"),
    );
    assert_eq!(puppets.starts("a@1.0.0"), 1);
}

#[test]
fn one_failed_check_is_ignored() {
    let puppets = Puppets::default();
    let site = site(&puppets, &format!("{QUICK}health_fall = 1000000\n"));
    puppets.script("a@1.0.0", unhealthy("a hiccup"));
    until("a was checked", || site.running("a").unwrap().health.checks > 5);
    assert_eq!(state(&site, "a"), PluginState::Running);
    assert_eq!(site.encode("a"), "a@1.0.0");
}

#[test]
fn a_late_answer_is_a_failed_check() {
    let puppets = Puppets::default();
    let site = site(&puppets, &format!("{QUICK}restarts = 0\n"));
    // Each answer is later than the deadline and its grace period, so each check fails.
    puppets.script(
        "a@1.0.0",
        Script { health_takes: Duration::from_millis(150), ..Script::default() },
    );
    until("a is unhealthy", || state(&site, "a") == PluginState::Unhealthy);
    let health = site.running("a").unwrap().health;
    assert!(health.last_error.unwrap().contains("within 10ms"));
    puppets.script("a@1.0.0", Script::default());
    until("a is healthy", || state(&site, "a") == PluginState::Running);
}

#[test]
fn a_hanging_check_is_not_repeated() {
    let puppets = Puppets::default();
    let site = site(&puppets, &format!("{QUICK}restarts = 0\n"));
    puppets.script("a@1.0.0", Script { stuck_in: Some("health"), ..Script::default() });
    until("a is unhealthy", || state(&site, "a") == PluginState::Unhealthy);
    // The neighbour may be checked at the same time.
    assert!(puppets.max_health_checks() <= 2);
    puppets.script("a@1.0.0", Script::default());
    until("a is healthy", || state(&site, "a") == PluginState::Running);
}

#[test]
fn the_number_of_checks_at_the_same_time_is_limited() {
    let puppets = Puppets::default();
    let names: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    let place = names.iter().fold(place(), |place, name| {
        let label = format!("{name}@1.0.0");
        puppets
            .script(&label, Script { health_takes: Duration::from_millis(5), ..Script::default() });
        place.plugin(&format!("{name}.wasm"), puppet(name, "1.0.0", &[&format!("codec:{name}")]))
    });
    let runtime = Arc::new(puppets.clone());
    let site = place
        .host_key("probes = 2")
        .config("[defaults]\nhealth_every = '1ms'\nhealth_deadline = '1ms'\n")
        .host_with(|builder| builder.runtime(runtime));
    until("all plugins were checked", || {
        site.status().plugins.iter().all(|plugin| plugin.health.checks >= 5)
    });
    assert_eq!(puppets.max_health_checks(), 2);
}

#[test]
fn a_half_open_breaker_admits_one_probe_call() {
    let puppets = Puppets::default();
    let rules =
        "health_every = '0s'\nbreaker_failures = 1\nbreaker_open = '1ms'\nbreaker_successes = 1\n";
    let site = site(&puppets, rules);
    puppets.script("b@1.0.0", fails(CallErrorKind::Trap));
    assert_eq!(site.handle("h", "x").unwrap_err().reason(), "trap");
    until("the breaker is half-open", || state(&site, "b") == PluginState::BreakerHalfOpen);
    puppets.script("b@1.0.0", Script { hangs: true, ..Script::default() });
    let handler = site.handler("h").unwrap();
    wait(async {
        let mut trial = std::pin::pin!(handler.handle(crate::support::request("x")));
        std::future::poll_fn(|cx| {
            assert!(trial.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert_eq!(puppets.calls("b@1.0.0"), 2);
        for _ in 0..10 {
            let error = handler.handle(crate::support::request("x")).await.unwrap_err();
            assert_eq!(error.reason(), "breaker-open");
        }
    });
    assert_eq!(puppets.calls("b@1.0.0"), 2, "a second probe call was admitted");
    // The caller cancelled the probe, which does not count: the next call is the probe.
    puppets.script("b@1.0.0", Script::default());
    assert_eq!(site.handle("h", "x").unwrap(), "b@1.0.0");
    assert_eq!(state(&site, "b"), PluginState::Running);
}

#[test]
fn an_unhealthy_plugin_is_restarted() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    let generation = site.snapshot().generation();
    puppets.script("a@1.0.0", unhealthy("wedged"));
    until("a is restarted", || {
        let again = puppets.starts("a@1.0.0") > 1;
        if again {
            puppets.script("a@1.0.0", Script::default());
        }
        again
    });
    site.answers("a", "a@1.0.0");
    until("a is healthy", || state(&site, "a") == PluginState::Running);
    assert!(site.snapshot().generation() > generation);
    site.wait_for_event(
        "the restart",
        |it| matches!(it, Outcome::Restarting { plugin, .. } if plugin == "a@1.0.0"),
    );
    until("the old version is stopped", || puppets.log().contains(&"stop a@1.0.0".to_owned()));
    assert_eq!(puppets.starts("b@1.0.0"), 1, "a neighbour was restarted");
}

/// A line of `[host]`, the source that is refused, and the change that causes it.
type RejectionCase<'a> = (&'a str, &'a str, &'a dyn Fn(&Site));

#[test]
fn an_unhealthy_plugin_is_restarted_whatever_else_is_refused() {
    let rule = "[[migrations]]\nremove = 'codec:b'\nrequires = 'codec:not-there'\n";
    let bad = |site: &Site| site.drop_in("a.wasm", b"a file of no plugin".to_vec());
    let will_not_start = |site: &Site| site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a"]));
    let another = |site: &Site| site.drop_in("c.wasm", b"a file of no plugin".to_vec());
    let too_early = |site: &Site| site.remove("b.wasm");
    let cases: [RejectionCase<'_>; 4] = [
        ("", "a.wasm", &bad),
        ("", "a.wasm", &will_not_start),
        ("strict = true", "c.wasm", &another),
        ("", "config.toml", &too_early),
    ];
    for (key, refused, spoil) in cases {
        let puppets = Puppets::default();
        puppets
            .script("a@2.0.0", Script { start_error: Some("no port".into()), ..Script::default() });
        let site = site_with(&puppets, key, &format!("[defaults]\n{QUICK}{rule}"));
        spoil(&site);
        until("the change is refused", || site.rejected(refused).is_some());
        puppets.script("a@1.0.0", unhealthy("wedged"));
        until("a is restarted", || puppets.starts("a@1.0.0") > 1);
        puppets.script("a@1.0.0", Script::default());
        site.answers("a", "a@1.0.0");
        until("a is healthy", || state(&site, "a") == PluginState::Running);
        assert!(site.rejected(refused).is_some(), "{refused} is no longer refused");
        assert_eq!(site.encode("b"), "b@1.0.0");
        assert_eq!(puppets.starts("b@1.0.0"), 1, "a neighbour was restarted");
        assert_eq!(
            site.count(|it| it.reason() == "recovered"),
            0,
            "{refused} was accepted meanwhile"
        );
    }
}

#[test]
fn a_new_version_has_its_own_restart_budget() {
    let puppets = Puppets::default();
    let site = site(&puppets, &format!("{QUICK}restarts = 1\n"));
    puppets.script("a@1.0.0", unhealthy("cannot go on"));
    until("a is in a crash loop", || state(&site, "a") == PluginState::CrashLoop);
    puppets.script("a@2.0.0", Script::default());
    site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a"]));
    site.answers("a", "a@2.0.0");
    puppets.script("a@2.0.0", unhealthy("a hiccup"));
    until("a is restarted", || puppets.starts("a@2.0.0") == 2);
    puppets.script("a@2.0.0", Script::default());
    until("a is healthy", || state(&site, "a") == PluginState::Running);
}

#[test]
fn a_crash_loop_is_reported_with_its_reason() {
    let puppets = Puppets::default();
    let site = site(&puppets, &format!("{QUICK}restarts = 1\n"));
    puppets.script("a@1.0.0", unhealthy("cannot go on"));
    until("a is in a crash loop", || state(&site, "a") == PluginState::CrashLoop);
    site.wait_for_event("the crash loop", |it| {
        matches!(it, Outcome::CrashLoop { plugin, restarts: 1, because }
            if plugin == "a@1.0.0" && because == "cannot go on")
    });
    assert_eq!(puppets.starts("a@1.0.0"), 2);
    assert_eq!(site.encode("b"), "b@1.0.0");
}

#[test]
fn a_worker_that_ended_too_often_is_a_crash_loop() {
    let puppets = Puppets::default();
    let site = site(&puppets, "");
    puppets.script("a@1.0.0", Script { worker: Some("backing-off"), ..Script::default() });
    assert_eq!(state(&site, "a"), PluginState::Running);
    puppets.script("a@1.0.0", Script { worker: Some("broken"), ..Script::default() });
    assert_eq!(state(&site, "a"), PluginState::CrashLoop);
}

#[test]
fn a_failed_restart_keeps_the_version_and_is_retried() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    let broken = Script { start_error: Some("no port".into()), ..unhealthy("wedged") };
    puppets.script("a@1.0.0", broken);
    site.refuses("a.wasm", Reason::Init, &["no port"]);
    assert_eq!(puppets.starts("a@1.0.0"), 1);
    puppets.script("a@1.0.0", Script::default());
    site.recovers("a.wasm");
    site.answers("a", "a@1.0.0");
}

#[test]
fn a_reload_lets_each_plugin_retry() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    let before = puppets.retries("a@1.0.0");
    site.reconcile();
    assert_eq!(puppets.retries("a@1.0.0"), before + 1);
}

#[test]
fn a_breaker_opens_admits_a_probe_and_closes() {
    let puppets = Puppets::default();
    let open =
        "health_every = '0s'\nbreaker_failures = 3\nbreaker_open = '1s'\nbreaker_successes = 2\n";
    let site = site(&puppets, open);
    puppets.script("a@1.0.0", fails(CallErrorKind::Trap));
    let codec = site.codec("a").unwrap();
    for _ in 0..3 {
        assert_eq!(codec.encode_document(&[]).unwrap_err().reason(), "trap");
    }
    assert_eq!(codec.encode_document(&[]).unwrap_err().reason(), "breaker-open");
    assert_eq!(puppets.calls("a@1.0.0"), 3);
    // A neighbour has a breaker of its own.
    assert_eq!(site.encode("b"), "b@1.0.0");
    puppets.script("a@1.0.0", Script::default());
    site.answers("a", "a@1.0.0");
    site.answers("a", "a@1.0.0");
    until("the breaker is closed", || state(&site, "a") == PluginState::Running);
    let matches = |wanted: &str| site.count(|it| it.reason() == wanted);
    assert_eq!(
        (matches("breaker-opened"), matches("breaker-half-open"), matches("breaker-closed")),
        (1, 1, 1)
    );
    let calls = site.running("a").unwrap().calls;
    assert_eq!(calls.failed["trap"], 3);
    assert!(calls.failed["breaker-open"] >= 1 && calls.answered >= 2, "{calls:?}");
}

#[test]
fn a_cancelled_call_does_not_count_as_a_failure() {
    let puppets = Puppets::default();
    let site = site(&puppets, "health_every = '0s'\nbreaker_failures = 1\n");
    puppets.script("b@1.0.0", Script { hangs: true, ..Script::default() });
    let handler = site.handler("h").unwrap();
    for call in 1..=5 {
        wait(async {
            let mut answer = std::pin::pin!(handler.handle(crate::support::request("x")));
            std::future::poll_fn(|cx| {
                assert!(answer.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        });
        assert_eq!(site.running("b").unwrap().calls.cancelled, call);
    }
    puppets.script("b@1.0.0", Script::default());
    assert_eq!(site.handle("h", "x").unwrap(), "b@1.0.0");
}

#[test]
fn a_plugin_is_not_blamed_for_the_rejection_by_another_one() {
    let broken = Guest::codec("broken").on(Export::Encode, Behaviour::Trap);
    let calls = Behaviour::CallCodec("broken".into());
    let site = place()
        .plugin("broken.wasm", broken)
        .plugin("caller.wasm", Guest::codec("caller").on(Export::Encode, calls))
        .config("[defaults]\nhealth_every = '0s'\nbreaker_failures = 1\nbreaker_open = '1h'\n")
        .host();
    let fails = |codec| match site.codec(codec).unwrap().encode_document(b"\xf6").unwrap_err() {
        Error::Call(error) => error,
        other => panic!("expected a failed call, found {other}"),
    };
    assert_eq!(fails("broken").kind(), CallErrorKind::Trap);
    // `caller` answers `unavailable`, because `broken` takes no calls.
    for _ in 0..3 {
        let error = fails("caller");
        let expected = (CallErrorKind::Overloaded, Some("caller@1.0.0"));
        assert_eq!((error.kind(), error.plugin()), expected, "{error}");
        assert!(error.wait().unwrap() > Duration::from_mins(1), "{error:?}");
    }
    assert_eq!(state(&site, "caller"), PluginState::Running);
}
