//! A new version on trial.

#[path = "../support/mod.rs"]
mod support;

mod changed;
mod judged;
mod refused;
mod rolled_back;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugbay::{CallErrorKind, Outcome};
use support::puppet::{Mood, Puppets, puppet};
use support::{Place, Site, place, until};

const OFFERS: &[&str] = &["codec:c"];
/// The settings of every plugin: nobody asks for its health, and a breaker that opens stays so.
const QUIET: &str = "health_every = '0s'\nbreaker_open = '1h'\n";

/// The sections of a configuration by which new versions of `c` are tried.
fn sections(defaults: &str, canary: &str) -> String {
    format!("[defaults]\n{defaults}[capabilities.'codec:c']\nstrategy = 'canary'\n{canary}")
}

fn trying(canary: &str) -> Place {
    place().plugin("c.wasm", puppet("c", "1.0.0", OFFERS)).config(&sections(QUIET, canary))
}

fn serve(place: Place, puppets: &Puppets) -> Site {
    let runtime = Arc::new(puppets.clone());
    place.host_with(|builder| builder.runtime(runtime))
}

fn site(puppets: &Puppets, canary: &str) -> Site {
    serve(trying(canary), puppets)
}

fn site_with(puppets: &Puppets, defaults: &str, canary: &str) -> Site {
    serve(trying("").config(&sections(defaults, canary)), puppets)
}

/// Calls all the while that `watch` watches; returns how many calls failed.
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
        // Also if it does not see what it watches for.
        let over = Over(&over);
        watch();
        drop(over);
        caller.join().unwrap()
    })
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn begins(site: &Site, label: &str) {
    site.sees(
        "the trial",
        |it| matches!(it, Outcome::CanaryStarted { plugin, .. } if plugin == label),
    );
}

/// Has the version on trial, `c@2.0.0`, fail until it is rolled back; then `c@1.0.0` serves alone.
fn is_rolled_back(site: &Site, puppets: &Puppets) {
    puppets.mood("c@2.0.0", Mood { fails: Some(CallErrorKind::Trap), ..Mood::default() });
    under_load(site, || {
        site.sees(
            "the end of the trial",
            |it| matches!(it, Outcome::CanaryRolledBack { plugin, .. } if plugin == "c@2.0.0"),
        );
        until("it left", || site.status().plugins.len() == 1);
    });
    for _ in 0..100 {
        assert_eq!(site.encode("c"), "c@1.0.0");
    }
}

/// Drops this version, and waits until it got through its trial.
fn is_promoted(site: &Site, version: &str) {
    let label = format!("c@{version}");
    let promotions = |outcome: &Outcome| matches!(outcome, Outcome::CanaryPromoted { plugin, .. } if *plugin == label);
    let before = site.count(promotions);
    site.drop_in("c.wasm", puppet("c", version, OFFERS));
    under_load(site, || {
        until("the promotion", || site.count(promotions) > before);
        until("it serves alone", || site.status().plugins.len() == 1);
    });
    assert_eq!(site.encode("c"), label);
}
