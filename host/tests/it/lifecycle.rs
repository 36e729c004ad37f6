//! The order of starts and stops, and the rules of migrations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay::{Outcome, Reason, Report, RollbackError};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Place, Site, place, until, wait};

fn serve(place: Place, puppets: &Puppets) -> Site {
    let runtime = Arc::new(puppets.clone());
    place.host_with(|builder| builder.runtime(runtime))
}

fn logged_names(puppets: &Puppets, what: &str) -> Vec<String> {
    let lines = puppets.log();
    let lines = lines.iter().filter_map(|line| line.strip_prefix(what));
    lines.map(|label| label.trim().split('@').next().unwrap().to_owned()).collect()
}

#[test]
fn plugins_start_in_order_and_stop_in_reverse() {
    let puppets = Puppets::default();
    let site = serve(
        place()
            .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
            .plugin("b.wasm", puppet("b", "1.0.0", &["codec:b"]))
            .plugin("c.wasm", puppet("c", "1.0.0", &["codec:c"]))
            .config("[plugins.a]\nafter = ['b']\n[plugins.b]\nafter = ['c', 'not-there']\n"),
        &puppets,
    );
    assert_eq!(logged_names(&puppets, "start"), ["c", "b", "a"]);
    // `c` 2.0.0 was started last, but still stops last, because the others start after `c`.
    site.drop_in("c.wasm", puppet("c", "2.0.0", &["codec:c"]));
    site.answers("c", "c@2.0.0");
    until("the old version is stopped", || logged_names(&puppets, "stop").len() == 1);
    wait(site.shutdown(Duration::from_secs(60)));
    assert_eq!(logged_names(&puppets, "stop"), ["c", "a", "b", "c"]);
}

#[test]
fn requests_to_a_host_that_is_shut_down_return() {
    let site =
        serve(place().plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"])), &Puppets::default());
    let generation = site.snapshot().generation();
    std::thread::scope(|scope| {
        // A request during the shutdown gets an answer or an error.
        for _ in 0..4 {
            scope.spawn(|| while serves(&site) && site.reload_blocking().rejected.is_empty() {});
            scope.spawn(|| while !stopped(wait(site.roll_back(generation))) {});
            scope.spawn(|| while !stopped(wait(site.resume())) {});
        }
        until("the requests are sent", || site.snapshot().generation() > generation);
        wait(site.shutdown(Duration::from_secs(60)));
    });
    assert!(!site.reconcile().published);
    assert!(stopped(wait(site.roll_back(1))) && stopped(wait(site.resume())));
}

/// The deadline of a shutdown.
const SOON: Duration = Duration::from_millis(200);
/// How much longer than its deadline a stop may take on a busy machine.
const BUSY: Duration = Duration::from_secs(20);

fn stuck(place: &'static str) -> Script {
    Script { stuck_in: Some(place), ..Script::default() }
}

#[test]
fn many_plugins_that_hang_in_shutdown_take_no_longer_than_one() {
    let puppets = Puppets::default();
    let names: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let place = names.iter().fold(place(), |place, name| {
        puppets.script(&format!("{name}@1.0.0"), stuck("shutdown"));
        place.plugin(&format!("{name}.wasm"), puppet(name, "1.0.0", &[&format!("codec:{name}")]))
    });
    // Plugins of both groups hang: `p1` to `p9` stop before `p0`.
    let order = (1..10).map(|number| format!("[plugins.p{number}]\nafter = ['p0']\n"));
    let site = serve(place.config(&order.collect::<String>()), &puppets);
    let began = Instant::now();
    assert!(wait(site.shutdown(SOON)).is_empty(), "no calls were in flight");
    assert!(began.elapsed() < SOON + BUSY, "the shutdown took {:?}", began.elapsed());
    assert_eq!(logged_names(&puppets, "stop").len(), names.len(), "each plugin is shut down");
    for name in names {
        puppets.script(&format!("{name}@1.0.0"), Script::default());
    }
}

#[test]
fn a_host_stops_during_a_reconciliation() {
    let puppets = Puppets::default();
    let place = place().plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"])).unwatched();
    let site = serve(place.config("[plugins.late]\nafter = ['b']\n"), &puppets);
    puppets.script("b@1.0.0", stuck("start"));
    site.drop_in("b.wasm", puppet("b", "1.0.0", &["codec:b"]));
    site.drop_in("late.wasm", puppet("late", "1.0.0", &["codec:late"]));
    std::thread::scope(|scope| {
        let look = scope.spawn(|| site.reconcile());
        until("b is being started", || puppets.log().contains(&"try b@1.0.0".to_owned()));
        let began = Instant::now();
        wait(site.shutdown(SOON));
        assert!(began.elapsed() < SOON + BUSY, "the shutdown took {:?}", began.elapsed());
        assert_eq!(logged_names(&puppets, "stop"), ["a"]);
        puppets.script("b@1.0.0", Script::default());
        // `b`, which started too late, is shut down, and nothing more is started or published.
        assert!(!look.join().unwrap().published);
        assert_eq!(logged_names(&puppets, "stop"), ["a", "b"]);
        assert_eq!(puppets.starts("late@1.0.0"), 0);
        assert!(site.codec("b").is_err());
    });
}

#[test]
fn a_host_that_stops_waits_for_retired_versions() {
    let puppets = Puppets::default();
    let place = place().plugin("a.wasm", puppet("a", "1.0.0", &["handler:h"])).unwatched();
    let site = serve(place, &puppets);
    puppets.script("a@1.0.0", Script { hangs: true, ..Script::default() });
    let handler = site.handler("h").unwrap();
    let call = std::thread::scope(|scope| {
        let (done, over) = tokio::sync::oneshot::channel::<()>();
        let call = scope.spawn(|| {
            wait(async {
                tokio::select! {
                    _ = handler.handle(crate::support::request("x")) => panic!("the call ended"),
                    _ = over => {}
                }
            });
        });
        until("the call is in flight", || site.running("a").unwrap().leases == 1);
        site.drop_in("a.wasm", puppet("a", "2.0.0", &["handler:h"]));
        site.reconcile();
        assert_eq!(site.handle("h", "").unwrap(), "a@2.0.0");
        let late = wait(site.shutdown(SOON));
        assert_eq!(late, ["a@1.0.0"]);
        let mut stopped = logged_names(&puppets, "gone");
        stopped.sort();
        assert_eq!(stopped, ["a", "a"], "both versions are shut down");
        let deadline = |it: &Outcome| matches!(it, Outcome::DrainDeadline { plugin, leases: 1, others: 0 } if plugin == "a@1.0.0");
        assert_eq!(site.count(deadline), 1);
        done.send(()).unwrap();
        call.join()
    });
    call.unwrap();
}

#[test]
fn a_host_that_stops_waits_for_a_running_shutdown() {
    let puppets = Puppets::default();
    let place = place().plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"])).unwatched();
    let site = serve(place, &puppets);
    puppets.script("a@1.0.0", stuck("shutdown"));
    site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a"]));
    site.reconcile();
    until("the shutdown of the old version begins", || logged_names(&puppets, "stop").len() == 1);
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| wait(site.shutdown(Duration::from_secs(60))));
        until("the new version is shut down", || logged_names(&puppets, "gone").len() == 1);
        assert!(!stop.is_finished());
        puppets.script("a@1.0.0", Script::default());
        assert!(stop.join().unwrap().is_empty());
    });
    assert_eq!(
        (logged_names(&puppets, "stop").len(), logged_names(&puppets, "gone").len()),
        (2, 2)
    );
}

#[test]
fn a_plugin_that_is_slow_to_free_delays_no_deadline() {
    let puppets = Puppets::default();
    let waits = Guest::handler("h").on(Export::Handle, Behaviour::Wait(Duration::from_secs(3600)));
    let place = place()
        .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
        .plugin("h.wasm", waits)
        .config("[plugins.h]\ndeadline = '100ms'\n");
    let site = serve(place.unwatched(), &puppets);
    puppets.script("a@1.0.0", stuck("free"));
    site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a"]));
    site.reconcile();
    until("the old version is being freed", || logged_names(&puppets, "free").len() == 1);
    let handler = site.handler("h").unwrap();
    let call = std::thread::spawn(move || wait(handler.handle(crate::support::request("x"))));
    until("the neighbour's call is done", || call.is_finished());
    assert_eq!(call.join().unwrap().unwrap_err().reason(), "deadline");
    assert_eq!(logged_names(&puppets, "gone"), ["a"]);
    puppets.script("a@1.0.0", Script::default());
}

#[test]
fn the_same_bytes_are_prepared_once() {
    let puppets = Puppets::default();
    let a = || puppet("a", "1.0.0", &["codec:a"]);
    let site = serve(place().plugin("a.wasm", a()).plugin("copy.wasm", a()), &puppets);
    std::thread::scope(|scope| {
        for copy in 0..8 {
            let site = &site;
            scope.spawn(move || {
                site.drop_in(&format!("copy{copy}.wasm"), puppet("a", "1.0.0", &["codec:a"]));
                site.reconcile();
            });
        }
    });
    assert_eq!(site.reconcile().rejected.len(), 9, "the copies are refused");
    assert_eq!(puppets.log(), ["prepare a 1.0.0", "start a@1.0.0"]);
}

fn serves(site: &Site) -> bool {
    site.codec("a").unwrap().encode_document(&[]).is_ok()
}

fn stopped(done: Result<Report, RollbackError>) -> bool {
    matches!(done, Err(error) if error.reason() == "stopped")
}

const RULE: &str = "[[migrations]]\nremove = 'codec:v1'\nrequires = 'codec:v2'\n";

#[test]
fn a_capability_stays_until_its_replacement_serves() {
    let puppets = Puppets::default();
    let site = serve(
        place()
            .plugin("one.wasm", puppet("one", "1.0.0", &["codec:v1"]))
            .plugin("other.wasm", puppet("other", "1.0.0", &["codec:other"]))
            .config(RULE),
        &puppets,
    );
    let generation = site.snapshot().generation();
    site.remove("one.wasm");
    let rejected = site.refuses("config.toml", Reason::Migration, &["codec:v1", "codec:v2"]);
    assert!(rejected.hint.contains("the running generation stays"), "{}", rejected.hint);
    assert_eq!(site.snapshot().generation(), generation);
    assert_eq!(site.encode("v1"), "one@1.0.0");
    // No part of the change is in force.
    site.drop_in("other.wasm", puppet("other", "2.0.0", &["codec:other"]));
    assert!(!site.reconcile().published);
    assert_eq!(puppets.starts("other@2.0.0"), 0, "expected that the version was not started");
    assert_eq!(site.encode("other"), "other@1.0.0");
    // Once the replacement serves, in the same change or before, the old capability may be removed.
    site.drop_in("two.wasm", puppet("two", "1.0.0", &["codec:v2"]));
    site.answers("v2", "two@1.0.0");
    site.recovers("config.toml");
    until("the old capability is removed", || site.codec("v1").is_err());
    site.answers("other", "other@2.0.0");
}

#[test]
fn a_misordered_rollout_stops_at_the_first_host() {
    // The fleet serves v1. Hosts are restarted one after the other, with a folder without v1 that
    // has no v2 yet.
    let puppets = Puppets::default();
    let fleet: Vec<_> = (0..3)
        .map(|_| {
            let place = place().plugin("one.wasm", puppet("one", "1.0.0", &["codec:v1"]));
            serve(place.config(RULE), &puppets)
        })
        .collect();
    let mut rolled = Vec::new();
    for site in fleet {
        let stopped = rolled.iter().any(|site: &crate::support::Site| !site.is_ready());
        if stopped {
            // A rollout waits until each host is ready.
            assert_eq!(site.encode("v1"), "one@1.0.0");
            continue;
        }
        site.remove("one.wasm");
        let runtime = Arc::new(puppets.clone());
        rolled.push(site.restart_with(|builder| builder.runtime(runtime)));
    }
    assert_eq!(rolled.len(), 1);
    let first = &rolled[0];
    assert!(!first.is_ready());
    let rejected = first.rejected("config.toml").unwrap();
    assert_eq!(rejected.reason, Reason::Migration);
    // In the right order, the host becomes ready without another restart.
    first.drop_in("two.wasm", puppet("two", "1.0.0", &["codec:v2"]));
    until("the first host is ready", || first.is_ready());
    first.answers("v2", "two@1.0.0");
}
