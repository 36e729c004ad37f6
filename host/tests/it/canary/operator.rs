//! What an operator does to a plugin with a version on trial.

use plugbay::ActionOptions;

use super::{OFFERS, puppet, site, until};
use crate::support::puppet::Puppets;
use crate::support::wait;

#[test]
fn a_plugin_with_a_version_on_trial_is_not_restarted_and_both_are_held_back() {
    let puppets = Puppets::default();
    let site = site(&puppets, "steps = [50, 100]\nevery = '1h'\n");
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    until("the trial", || site.status().plugins.len() == 2);
    let error = wait(site.host.restart("c", ActionOptions::default())).unwrap_err();
    assert!(error.reason() == "refused" && error.to_string().contains("on trial"), "{error}");
    wait(site.open_breaker("c", ActionOptions::default())).unwrap();
    for _ in 0..20 {
        site.codec("c").unwrap().encode_document(&[]).unwrap_err();
    }
    assert_eq!(puppets.calls("c@1.0.0") + puppets.calls("c@2.0.0"), 0);
    wait(site.reset_breaker("c", ActionOptions::default())).unwrap();
    assert!(site.encode("c").starts_with("c@"));
    assert_eq!(site.status().plugins.len(), 2, "the trial goes on");
}
