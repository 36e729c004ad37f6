//! A rollback is applied immediately, without a trial.

use plugbay::{Outcome, Reason};

use super::{OFFERS, deploy_and_promote, fail_canary, site, wait_for_trial};
use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::wait;

const QUICK: &str = "steps = [50, 100]\nevery = '1s'\ncalls = 20\n";

fn assert_serves_alone(site: &crate::support::Site, label: &str) {
    let plugins = site.status().plugins;
    assert_eq!(plugins.len(), 1, "{plugins:?}");
    for _ in 0..200 {
        assert_eq!(site.encode("c"), label);
    }
}

#[test]
fn a_rollback_after_a_promotion_serves_the_old_version_alone() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    let first = site.snapshot().generation();
    deploy_and_promote(&site, "2.0.0");
    let previous = site.status().previous.unwrap();
    assert!(previous > first, "the rollback serves the old version, under a new number");
    wait(site.roll_back(previous)).unwrap();
    assert_serves_alone(&site, "c@1.0.0");
    assert_eq!(site.count(|it| matches!(it, Outcome::CanaryStarted { .. })), 1);
    // After the resumption, `2.0.0` is a new version, with a trial.
    wait(site.resume()).unwrap();
    assert_eq!(site.status().plugins.len(), 2);
}

#[test]
fn a_rollback_during_a_trial_ends_the_trial() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    deploy_and_promote(&site, "2.0.0");
    let zeroth = site.status().previous.unwrap();
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    wait_for_trial(&site, "c@3.0.0");
    // By default, a rollback returns to the generation that serves without the trial.
    let previous = site.status().previous.unwrap();
    assert_eq!(previous, site.snapshot().generation());
    wait(site.roll_back(previous)).unwrap();
    assert_serves_alone(&site, "c@2.0.0");
    site.wait_for_event("the end of the trial", |it| {
        matches!(it, Outcome::CanaryEnded { plugin, because }
            if plugin == "c@3.0.0" && because == "an operator rolled back to an earlier generation")
    });
    wait(site.resume()).unwrap();
    assert_eq!(site.status().plugins.len(), 2);
    wait(site.roll_back(zeroth)).unwrap();
    assert_serves_alone(&site, "c@1.0.0");
    assert_eq!(site.status().pinned, Some(zeroth));
}

#[test]
fn a_rollback_serves_a_version_that_has_failed_its_trial_since() {
    let puppets = Puppets::default();
    let site = site(&puppets, QUICK);
    deploy_and_promote(&site, "2.0.0");
    let with_second = site.snapshot().generation();
    deploy_and_promote(&site, "1.0.0");
    // Then the trial of `2.0.0` fails, and the version is not retried.
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    fail_canary(&site, &puppets);
    site.refuses("c.wasm", Reason::Canary, &[]);
    puppets.script("c@2.0.0", Script::default());
    wait(site.roll_back(with_second)).unwrap();
    assert_serves_alone(&site, "c@2.0.0");
    // An operator rolled back to `2.0.0`, so it stays, although its trial failed.
    wait(site.resume()).unwrap();
    assert_serves_alone(&site, "c@2.0.0");
    assert!(site.rejected("c.wasm").is_none());
}
