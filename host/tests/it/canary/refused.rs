//! A bad version is rolled back, even while the reconciliation refuses something else.

use plugbay::Reason;

use super::{OFFERS, QUIET, canary_place, fail_canary, sections, serve, site, wait_for_trial};
use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::until;

const HALF: &str = "steps = [50, 100]\nevery = '1h'\n";

#[test]
fn a_strict_host_rolls_back_a_bad_version() {
    let puppets = Puppets::default();
    let site = serve(canary_place(HALF).host_key("strict = true"), &puppets);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    fail_canary(&site, &puppets);
    site.refuses("c.wasm", Reason::Canary, &["breaker opened"]);
    site.assert_still_refused("c.wasm");
    assert_eq!(puppets.starts("c@2.0.0"), 1);
    // The refused version does not block other changes.
    site.drop_in("d.wasm", puppet("d", "1.0.0", &["codec:d"]));
    site.answers("d", "d@1.0.0");
    assert_eq!(site.rejected("c.wasm").unwrap().reason, Reason::Canary);
}

#[test]
fn a_bad_version_is_rolled_back_while_its_successor_does_not_start() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    puppets
        .script("c@3.0.0", Script { start_error: Some("port in use".into()), ..Script::default() });
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    site.refuses("c.wasm", Reason::Init, &["port in use"]);
    assert_eq!(site.status().plugins.len(), 2, "the trial continues");
    fail_canary(&site, &puppets);
}

#[test]
fn a_bad_version_is_rolled_back_while_its_file_is_broken() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    site.drop_in("c.wasm", b"".as_slice());
    until("the file is refused", || site.rejected("c.wasm").is_some());
    assert_eq!(site.status().plugins.len(), 2, "the trial continues");
    fail_canary(&site, &puppets);
}

#[test]
fn a_bad_version_is_rolled_back_while_a_migration_rule_is_broken() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    wait_for_trial(&site, "c@2.0.0");
    let rule = "[[migrations]]\nremove = 'codec:gone'\nrequires = 'codec:absent'\n";
    site.configure(&format!("{}{rule}", sections(QUIET, HALF)));
    site.refuses("config.toml", Reason::Migration, &["codec:gone"]);
    fail_canary(&site, &puppets);
    site.refuses("c.wasm", Reason::Canary, &["breaker opened"]);
    site.assert_still_refused("c.wasm");
    assert_eq!(site.rejected("config.toml").unwrap().reason, Reason::Migration);
}
