//! The order of starts and stops, and rules of what may go only after what.

mod support;

use std::sync::Arc;
use std::time::Duration;

use plugbay::{Reason, Report, RollbackError};
use support::puppet::{Puppets, puppet};
use support::{Place, Site, place, until, wait};

fn with(place: Place, puppets: &Puppets) -> Site {
    let runtime = Arc::new(puppets.clone());
    place.host_with(|builder| builder.runtime(runtime))
}

fn lines(puppets: &Puppets, what: &str) -> Vec<String> {
    let lines = puppets.log();
    let lines = lines.iter().filter_map(|line| line.strip_prefix(what));
    lines.map(|label| label.trim().split('@').next().unwrap().to_owned()).collect()
}

#[test]
fn plugins_start_in_order_and_stop_in_reverse() {
    let puppets = Puppets::default();
    let site = with(
        place()
            .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
            .plugin("b.wasm", puppet("b", "1.0.0", &["codec:b"]))
            .plugin("c.wasm", puppet("c", "1.0.0", &["codec:c"]))
            .config("[plugins.a]\nafter = ['b']\n[plugins.b]\nafter = ['c', 'not-there']\n"),
        &puppets,
    );
    assert_eq!(lines(&puppets, "start"), ["c", "b", "a"]);
    // `c` is the last that was started, and still the last to stop.
    site.drop_in("c.wasm", puppet("c", "2.0.0", &["codec:c"]));
    site.answers("c", "c@2.0.0");
    until("the old one is stopped", || lines(&puppets, "stop").len() == 1);
    wait(site.shutdown(Duration::from_secs(60)));
    assert_eq!(lines(&puppets, "stop"), ["c", "a", "b", "c"]);
}

#[test]
fn nobody_waits_for_a_host_that_is_shut_down() {
    let site =
        with(place().plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"])), &Puppets::default());
    let generation = site.snapshot().generation();
    std::thread::scope(|scope| {
        // Whoever asks while it goes gets an answer, of one kind or the other.
        for _ in 0..4 {
            scope.spawn(|| while serves(&site) && site.reload_blocking().rejected.is_empty() {});
            scope.spawn(|| while !stopped(wait(site.roll_back(generation))) {});
            scope.spawn(|| while !stopped(wait(site.resume())) {});
        }
        until("they ask", || site.snapshot().generation() > generation);
        wait(site.shutdown(Duration::from_secs(60)));
    });
    assert!(!site.look().published);
    assert!(stopped(wait(site.roll_back(1))) && stopped(wait(site.resume())));
}

fn serves(site: &Site) -> bool {
    site.codec("a").unwrap().encode_document(&[]).is_ok()
}

fn stopped(done: Result<Report, RollbackError>) -> bool {
    matches!(done, Err(error) if error.reason() == "stopped")
}

const RULE: &str = "[[migrations]]\nremove = 'codec:v1'\nrequires = 'codec:v2'\n";

#[test]
fn a_capability_stays_until_what_takes_its_place_is_there() {
    let puppets = Puppets::default();
    let site = with(
        place()
            .plugin("one.wasm", puppet("one", "1.0.0", &["codec:v1"]))
            .plugin("other.wasm", puppet("other", "1.0.0", &["codec:other"]))
            .config(RULE),
        &puppets,
    );
    let generation = site.snapshot().generation();
    site.remove("one.wasm");
    let rejected = site.refuses("config.toml", Reason::Migration, &["codec:v1", "codec:v2"]);
    assert!(rejected.hint.contains("what runs stays"), "{}", rejected.hint);
    assert_eq!(site.snapshot().generation(), generation);
    assert_eq!(site.encode("v1"), "one@1.0.0");
    // Nothing of the change is in force, other parts of it neither.
    site.drop_in("other.wasm", puppet("other", "2.0.0", &["codec:other"]));
    assert!(!site.look().published);
    assert_eq!(puppets.starts("other@2.0.0"), 0, "it was started in vain");
    assert_eq!(site.encode("other"), "other@1.0.0");
    // In one change, or one after the other: once it is there, the old one may go.
    site.drop_in("two.wasm", puppet("two", "1.0.0", &["codec:v2"]));
    site.answers("v2", "two@1.0.0");
    site.recovers("config.toml");
    until("the old one left", || site.codec("v1").is_err());
    site.answers("other", "other@2.0.0");
}

#[test]
fn a_misordered_rollout_stops_at_the_first_host() {
    // The fleet serves v1. Hosts are restarted one after the other, with a folder in which v1 is
    // gone and v2 is not there yet.
    let puppets = Puppets::default();
    let fleet: Vec<_> = (0..3)
        .map(|_| {
            let place = place().plugin("one.wasm", puppet("one", "1.0.0", &["codec:v1"]));
            with(place.config(RULE), &puppets)
        })
        .collect();
    let mut rolled = Vec::new();
    for site in fleet {
        let stopped = rolled.iter().any(|site: &support::Site| !site.is_ready());
        if stopped {
            // Whoever rolls out waits for each host to be ready.
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
    // The right order mends it, without another restart.
    first.drop_in("two.wasm", puppet("two", "1.0.0", &["codec:v2"]));
    until("it is ready", || first.is_ready());
    first.answers("v2", "two@1.0.0");
}
