//! Who goes back goes back at once: nothing is tried.

use plugbay::{Outcome, Reason};

use crate::support::puppet::{Mood, Puppets, puppet};
use crate::support::wait;
use crate::{OFFERS, begins, is_promoted, is_rolled_back, site};

const QUICK: &str = "steps = [50, 100]\nevery = '1s'\ncalls = 20\n";

fn alone(site: &crate::support::Site, label: &str) {
    let plugins = site.status().plugins;
    assert_eq!(plugins.len(), 1, "{plugins:?}");
    for _ in 0..200 {
        assert_eq!(site.encode("c"), label);
    }
}

#[test]
fn after_a_promotion() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    let first = site.snapshot().generation();
    is_promoted(&site, "2.0.0");
    let previous = site.status().previous.unwrap();
    assert!(previous > first, "the trial serves what was there before, under a new number");
    wait(site.roll_back(previous)).unwrap();
    alone(&site, "c@1.0.0");
    assert_eq!(site.count(|it| matches!(it, Outcome::CanaryStarted { .. })), 1);
    // And on again: now it is a new version as any other.
    wait(site.resume()).unwrap();
    assert_eq!(site.status().plugins.len(), 2);
}

#[test]
fn during_a_trial() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    is_promoted(&site, "2.0.0");
    let zeroth = site.status().previous.unwrap();
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    begins(&site, "c@3.0.0");
    // To what serves without the trial, if nobody says where to.
    let previous = site.status().previous.unwrap();
    assert_eq!(previous, site.snapshot().generation());
    wait(site.roll_back(previous)).unwrap();
    alone(&site, "c@2.0.0");
    site.sees("the end of the trial", |it| {
        matches!(it, Outcome::CanaryEnded { plugin, because }
            if plugin == "c@3.0.0" && because == "an earlier generation serves again")
    });
    wait(site.resume()).unwrap();
    assert_eq!(site.status().plugins.len(), 2);
    wait(site.roll_back(zeroth)).unwrap();
    alone(&site, "c@1.0.0");
    assert_eq!(site.status().pinned, Some(zeroth));
}

#[test]
fn to_a_version_that_failed_its_trial_since() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    is_promoted(&site, "2.0.0");
    let with_second = site.snapshot().generation();
    is_promoted(&site, "1.0.0");
    // Then it fails, and is not to be tried again.
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    is_rolled_back(&site, &puppets);
    site.refuses("c.wasm", Reason::Canary, &[]);
    puppets.mood("c@2.0.0", Mood::default());
    wait(site.roll_back(with_second)).unwrap();
    alone(&site, "c@2.0.0");
    // It was gone back to on purpose: it stays, though its file is the one that failed.
    wait(site.resume()).unwrap();
    alone(&site, "c@2.0.0");
    assert!(site.rejected("c.wasm").is_none());
}
