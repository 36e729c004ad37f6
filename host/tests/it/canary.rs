//! A new version on trial.

mod changed;
mod judged;
mod operator;
mod refused;
mod rolled_back;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugbay::{CallErrorKind, Outcome};

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Place, Site, place, until};

const OFFERS: &[&str] = &["codec:c"];
/// The settings of every plugin: no health checks, and an open breaker stays open.
const QUIET: &str = "health_every = '0s'\nbreaker_open = '1h'\n";

/// The sections of a configuration that puts new versions of `c` on trial.
fn sections(defaults: &str, canary: &str) -> String {
    format!("[defaults]\n{defaults}[capabilities.'codec:c']\nstrategy = 'canary'\n{canary}")
}

fn canary_place(canary: &str) -> Place {
    place().plugin("c.wasm", puppet("c", "1.0.0", OFFERS)).config(&sections(QUIET, canary))
}

fn serve(place: Place, puppets: &Puppets) -> Site {
    let runtime = Arc::new(puppets.clone());
    place.host_with(|builder| builder.runtime(runtime))
}

fn site(puppets: &Puppets, canary: &str) -> Site {
    serve(canary_place(canary), puppets)
}

fn site_with(puppets: &Puppets, defaults: &str, canary: &str) -> Site {
    serve(canary_place("").config(&sections(defaults, canary)), puppets)
}

/// Makes calls while `watch` runs; returns how many failed.
fn under_load(site: &Site, watch: impl FnOnce()) -> u64 {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let (codec, mut failed) = (site.codec("c").unwrap(), 0);
            while !over.load(Ordering::Relaxed) {
                failed += u64::from(codec.encode_document(&[]).is_err());
                std::thread::yield_now();
            }
            failed
        });
        // The calls also stop if `watch` panics.
        let over = StopOnDrop(&over);
        watch();
        drop(over);
        caller.join().unwrap()
    })
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn wait_for_trial(site: &Site, label: &str) {
    site.wait_for_event(
        "the trial",
        |it| matches!(it, Outcome::CanaryStarted { plugin, .. } if plugin == label),
    );
}

/// Makes the canary `c@2.0.0` fail until it is rolled back, and `c@1.0.0` serves alone.
fn fail_canary(site: &Site, puppets: &Puppets) {
    puppets.script("c@2.0.0", Script { fails: Some(CallErrorKind::Trap), ..Script::default() });
    under_load(site, || {
        site.wait_for_event(
            "the end of the trial",
            |it| matches!(it, Outcome::CanaryRolledBack { plugin, .. } if plugin == "c@2.0.0"),
        );
        until("the canary is retired", || site.status().plugins.len() == 1);
    });
    for _ in 0..100 {
        assert_eq!(site.encode("c"), "c@1.0.0");
    }
}

/// Deploys this version, and waits until it is promoted.
fn deploy_and_promote(site: &Site, version: &str) {
    let label = format!("c@{version}");
    let promotions = |outcome: &Outcome| matches!(outcome, Outcome::CanaryPromoted { plugin, .. } if *plugin == label);
    let before = site.count(promotions);
    site.drop_in("c.wasm", puppet("c", version, OFFERS));
    under_load(site, || {
        until("the promotion", || site.count(promotions) > before);
        until("the version serves alone", || site.status().plugins.len() == 1);
    });
    assert_eq!(site.encode("c"), label);
}
