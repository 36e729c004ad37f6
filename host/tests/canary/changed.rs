//! What else changes while there is a trial, or after it.

use std::time::Duration;

use plugbay::{Outcome, Reason};

use crate::support::puppet::{Mood, Puppets, puppet};
use crate::support::{Site, place, until};
use crate::{OFFERS, QUIET, begins, is_rolled_back, sections, serve, site, under_load};

const HALF: &str = "steps = [50, 100]\nevery = '1h'\n";

fn on_trial(puppets: &Puppets, canary: &str) -> Site {
    let site = site(puppets, canary);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    begins(&site, "c@2.0.0");
    site
}

fn trials(site: &Site) -> usize {
    site.count(|it| matches!(it, Outcome::CanaryStarted { .. }))
}

fn interrupted(site: &Site, because: &str) {
    site.sees(
        "the end of the trial",
        |it| matches!(it, Outcome::CanaryEnded { because: it, .. } if it == because),
    );
}

/// Whether all versions that serve have this budget of CPU time.
fn all_have(site: &Site, cpu: Duration) -> bool {
    site.status().plugins.iter().all(|it| it.policy.cpu == cpu)
}

#[test]
fn a_change_of_configuration_is_no_trial() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.configure(&format!("{}[plugins.c]\ncpu = '7s'\n", sections(QUIET, HALF)));
    until("it is restarted", || puppets.starts("c@1.0.0") == 2);
    assert_eq!(trials(&site), 0);
}

#[test]
fn limits_and_grants_reach_both_versions() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.configure(&format!("{}[plugins.c]\ncpu = '7s'\n", sections(QUIET, HALF)));
    until("both are restarted", || all_have(&site, Duration::from_secs(7)));
    assert_eq!((puppets.starts("c@1.0.0"), puppets.starts("c@2.0.0")), (2, 2));
    let plugins = site.status().plugins;
    assert_eq!(plugins.len(), 2, "they are compared anew");
    interrupted(&site, "it begins again: its plugin's section changed");
    assert_eq!(trials(&site), 2);
    // And they do while the file of the one on trial is broken: who serves has them.
    site.drop_in("c.wasm", b"".as_slice());
    until("the file is refused", || site.rejected("c.wasm").is_some());
    site.configure(&format!("{}[plugins.c]\ncpu = '8s'\n", sections(QUIET, HALF)));
    until("who serves is restarted", || all_have(&site, Duration::from_secs(8)));
    assert_eq!(site.encode("c"), "c@1.0.0");
    assert_eq!(puppets.starts("c@1.0.0"), 3);
}

#[test]
fn limits_and_grants_reach_who_serves_after_a_trial() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    is_rolled_back(&site, &puppets);
    site.configure(&sections(&format!("{QUIET}cpu = '7s'\n"), HALF));
    until("it is restarted", || all_have(&site, Duration::from_secs(7)));
    assert_eq!(site.encode("c"), "c@1.0.0");
    // The version that was rolled back is as bad as before: its file is the same.
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
    puppets.mood("c@2.0.0", Mood { wont_start: Some("port in use".into()), ..Mood::default() });
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    site.refuses("c.wasm", Reason::Init, &["port in use"]);
    site.configure(&quiet("cpu = '7s'\n"));
    until("it is restarted", || all_have(&site, Duration::from_secs(7)));
    assert_eq!((site.encode("c").as_str(), puppets.starts("c@1.0.0")), ("c@1.0.0", 2));
    site.refuses_still("c.wasm");
    assert_eq!(puppets.starts("c@1.0.0"), 2);
    puppets.mood("c@2.0.0", Mood::default());
    assert!(site.look().published);
    assert_eq!(site.encode("c"), "c@2.0.0");
}

#[test]
fn other_steps_begin_the_trial_anew() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.configure(&sections(QUIET, "steps = [20, 100]\nevery = '1h'\n"));
    until("it begins again", || trials(&site) == 2);
    interrupted(&site, "it begins again: its terms changed");
    let plugins = site.status().plugins;
    let trial = plugins.iter().find_map(|it| it.trial.as_ref()).unwrap();
    assert!((trial.share - 20.0).abs() < 0.1, "{trial:?}");
    assert_eq!((trial.step, trial.steps, &*trial.judgement), (1, 1, "undecided"));
    assert_eq!((puppets.starts("c@1.0.0"), puppets.starts("c@2.0.0")), (1, 1));
    is_rolled_back(&site, &puppets);
}

#[test]
fn without_its_section_a_new_version_just_serves() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.configure(&format!("[defaults]\n{QUIET}"));
    site.sees("the promotion", |it| {
        matches!(it, Outcome::CanaryPromoted { plugin, because }
            if plugin == "c@2.0.0" && because.contains("no capability"))
    });
    until("the old one left", || site.status().plugins.len() == 1);
    assert_eq!(site.encode("c"), "c@2.0.0");
    assert_eq!(puppets.starts("c@2.0.0"), 1);
}

#[test]
fn a_third_version_takes_the_place_of_the_second() {
    let puppets = Puppets::default();
    let site = on_trial(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    begins(&site, "c@3.0.0");
    interrupted(&site, "c@3.0.0 takes its place");
    let labels: Vec<_> = site.status().plugins.into_iter().map(|it| it.version).collect();
    assert_eq!(labels, ["1.0.0", "3.0.0"]);
}

#[test]
fn a_version_in_the_name_of_a_file_loses_nobody() {
    let puppets = Puppets::default();
    let place = place().plugin("c-1.wasm", puppet("c", "1.0.0", OFFERS));
    let site = serve(place.config(&sections(QUIET, HALF)), &puppets);
    site.drop_in("c-2.wasm", puppet("c", "2.0.0", OFFERS));
    site.refuses("c-2.wasm", Reason::NameClash, &[]);
    site.remove("c-1.wasm");
    begins(&site, "c@2.0.0");
    let break_and_mend = || {
        site.drop_in("c-2.wasm", b"".as_slice());
        site.refuses("c-2.wasm", Reason::Empty, &[]);
        let labels = site.status().plugins.into_iter().map(|it| it.version).collect::<Vec<_>>();
        site.drop_in("c-2.wasm", puppet("c", "2.0.0", OFFERS));
        until("it is read again", || {
            site.rejected("c-2.wasm").is_none_or(|it| it.reason != Reason::Empty)
        });
        labels
    };
    let failed = under_load(&site, || assert_eq!(break_and_mend(), ["1.0.0", "2.0.0"]));
    assert_eq!(failed, 0);
    is_rolled_back(&site, &puppets);
    // Now the version that serves is from a file that is gone.
    let failed = under_load(&site, || assert_eq!(break_and_mend(), ["1.0.0"]));
    assert_eq!(failed, 0);
    assert_eq!(site.encode("c"), "c@1.0.0");
}
