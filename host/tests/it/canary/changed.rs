//! Changes of the configuration and of files during a trial, or after it.

use std::time::Duration;

use plugbay::{Outcome, Reason};

use super::{OFFERS, QUIET, fail_canary, sections, serve, site, under_load, wait_for_trial};
use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, place, until};

const HALF: &str = "steps = [50, 100]\nevery = '1h'\n";

fn on_trial(puppets: &Puppets, canary: &str) -> Site {
    let site = site(puppets, canary);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    site
}

fn trials(site: &Site) -> usize {
    site.count(|it| matches!(it, Outcome::CanaryStarted { .. }))
}

fn assert_trial_ended(site: &Site, because: &str) {
    site.wait_for_event(
        "the end of the trial",
        |it| matches!(it, Outcome::CanaryEnded { because: it, .. } if it == because),
    );
}

/// Whether all versions that serve have this budget of CPU time.
fn all_have(site: &Site, cpu: Duration) -> bool {
    site.status().plugins.iter().all(|it| it.policy.cpu == cpu)
}

#[test]
fn a_change_of_configuration_starts_no_trial() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.configure(&format!("{}[plugins.c]\ncpu = '7s'\n", sections(QUIET, HALF)));
    until("the plugin is restarted", || puppets.starts("c@1.0.0") == 2);
    assert_eq!(trials(&site), 0);
}

#[test]
fn limits_and_grants_reach_both_versions() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.configure(&format!("{}[plugins.c]\ncpu = '7s'\n", sections(QUIET, HALF)));
    until("both versions are restarted", || all_have(&site, Duration::from_secs(7)));
    assert_eq!((puppets.starts("c@1.0.0"), puppets.starts("c@2.0.0")), (2, 2));
    let plugins = site.status().plugins;
    assert_eq!(plugins.len(), 2, "the trial starts again");
    assert_trial_ended(&site, "the trial restarts: the plugin's section changed");
    assert_eq!(trials(&site), 2);
    // The limits also reach the stable version while the file of the canary is broken.
    site.drop_in("c.wasm", b"".as_slice());
    until("the file is refused", || site.rejected("c.wasm").is_some());
    site.configure(&format!("{}[plugins.c]\ncpu = '8s'\n", sections(QUIET, HALF)));
    until("the stable version is restarted", || all_have(&site, Duration::from_secs(8)));
    assert_eq!(site.encode("c"), "c@1.0.0");
    assert_eq!(puppets.starts("c@1.0.0"), 3);
}

#[test]
fn limits_and_grants_reach_the_stable_version_after_a_trial() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    fail_canary(&site, &puppets);
    site.configure(&sections(&format!("{QUIET}cpu = '7s'\n"), HALF));
    until("the stable version is restarted", || all_have(&site, Duration::from_secs(7)));
    assert_eq!(site.encode("c"), "c@1.0.0");
    // The version that was rolled back stays refused: its file is the same.
    site.refuses("c.wasm", Reason::Canary, &["breaker opened"]);
    assert_eq!((puppets.starts("c@1.0.0"), puppets.starts("c@2.0.0")), (2, 1));
    assert_eq!(trials(&site), 1);
}

#[test]
fn limits_and_grants_reach_a_last_good_version() {
    let puppets = Puppets::default();
    let quiet = |more: &str| format!("[defaults]\n{QUIET}{more}");
    let place = place().plugin("c.wasm", puppet("c", "1.0.0", OFFERS)).config(&quiet(""));
    let site = serve(place, &puppets);
    puppets
        .script("c@2.0.0", Script { start_error: Some("port in use".into()), ..Script::default() });
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    site.refuses("c.wasm", Reason::Init, &["port in use"]);
    site.configure(&quiet("cpu = '7s'\n"));
    until("the stable version is restarted", || all_have(&site, Duration::from_secs(7)));
    assert_eq!((site.encode("c").as_str(), puppets.starts("c@1.0.0")), ("c@1.0.0", 2));
    site.assert_still_refused("c.wasm");
    assert_eq!(puppets.starts("c@1.0.0"), 2);
    puppets.script("c@2.0.0", Script::default());
    assert!(site.reconcile().published);
    assert_eq!(site.encode("c"), "c@2.0.0");
}

#[test]
fn a_change_of_the_steps_restarts_the_trial() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.configure(&sections(QUIET, "steps = [20, 100]\nevery = '1h'\n"));
    until("the trial restarts", || trials(&site) == 2);
    assert_trial_ended(&site, "the trial restarts: its settings changed");
    let plugins = site.status().plugins;
    let trial = plugins.iter().find_map(|it| it.trial.as_ref()).unwrap();
    assert!((trial.share - 20.0).abs() < 0.1, "{trial:?}");
    assert_eq!((trial.step, trial.steps, &*trial.judgement), (1, 1, "undecided"));
    assert_eq!((puppets.starts("c@1.0.0"), puppets.starts("c@2.0.0")), (1, 1));
    fail_canary(&site, &puppets);
}

#[test]
fn a_canary_is_promoted_when_its_section_is_removed() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.configure(&format!("[defaults]\n{QUIET}"));
    site.wait_for_event("the promotion", |it| {
        matches!(it, Outcome::CanaryPromoted { plugin, because }
            if plugin == "c@2.0.0" && because.contains("no capability"))
    });
    until("the old version is retired", || site.status().plugins.len() == 1);
    assert_eq!(site.encode("c"), "c@2.0.0");
    assert_eq!(puppets.starts("c@2.0.0"), 1);
}

#[test]
fn a_third_version_replaces_the_second_on_trial() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    wait_for_trial(&site, "c@3.0.0");
    assert_trial_ended(&site, "replaced by c@3.0.0");
    let labels: Vec<_> = site.status().plugins.into_iter().map(|it| it.version).collect();
    assert_eq!(labels, ["1.0.0", "3.0.0"]);
}

#[test]
fn a_changed_file_name_does_not_interrupt_the_service() {
    let puppets = Puppets::default();
    let place = place().plugin("c-1.wasm", puppet("c", "1.0.0", OFFERS));
    let site = serve(place.config(&sections(QUIET, HALF)), &puppets);
    site.drop_in("c-2.wasm", puppet("c", "2.0.0", OFFERS));
    // The newest version is chosen, and put on trial.
    site.refuses("c-1.wasm", Reason::NameClash, &[]);
    site.remove("c-1.wasm");
    wait_for_trial(&site, "c@2.0.0");
    let break_and_repair = || {
        site.drop_in("c-2.wasm", b"".as_slice());
        site.refuses("c-2.wasm", Reason::Empty, &[]);
        let labels = site.status().plugins.into_iter().map(|it| it.version).collect::<Vec<_>>();
        site.drop_in("c-2.wasm", puppet("c", "2.0.0", OFFERS));
        until("the repaired file is read", || {
            site.rejected("c-2.wasm").is_none_or(|it| it.reason != Reason::Empty)
        });
        labels
    };
    let failed = under_load(&site, || assert_eq!(break_and_repair(), ["1.0.0", "2.0.0"]));
    assert_eq!(failed, 0);
    fail_canary(&site, &puppets);
    // Now the stable version is from a file that was removed.
    let failed = under_load(&site, || assert_eq!(break_and_repair(), ["1.0.0"]));
    assert_eq!(failed, 0);
    assert_eq!(site.encode("c"), "c@1.0.0");
}
