//! A bad version is rolled back whatever else a look finds.

use plugbay::Reason;

use crate::support::puppet::{Mood, Puppets, puppet};
use crate::support::until;
use crate::{OFFERS, QUIET, begins, is_rolled_back, sections, serve, site, trying};

const HALF: &str = "steps = [50, 100]\nevery = '1h'\n";

#[test]
fn by_a_strict_host() {
    let puppets = Puppets::default();
    let site = serve(trying(HALF).host_key("strict = true"), &puppets);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    begins(&site, "c@2.0.0");
    is_rolled_back(&site, &puppets);
    site.refuses("c.wasm", Reason::Canary, &["breaker opened"]);
    site.refuses_still("c.wasm");
    assert_eq!(puppets.starts("c@2.0.0"), 1);
    // That it stays refused holds up nothing else.
    site.drop_in("d.wasm", puppet("d", "1.0.0", &["codec:d"]));
    site.answers("d", "d@1.0.0");
    assert_eq!(site.rejected("c.wasm").unwrap().reason, Reason::Canary);
}

#[test]
fn while_its_successor_does_not_start() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    begins(&site, "c@2.0.0");
    puppets.mood("c@3.0.0", Mood { wont_start: Some("port in use".into()), ..Mood::default() });
    site.drop_in("c.wasm", puppet("c", "3.0.0", OFFERS));
    site.refuses("c.wasm", Reason::Init, &["port in use"]);
    assert_eq!(site.status().plugins.len(), 2, "the trial goes on");
    is_rolled_back(&site, &puppets);
}

#[test]
fn while_its_file_is_broken() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    begins(&site, "c@2.0.0");
    site.drop_in("c.wasm", b"".as_slice());
    until("the file is refused", || site.rejected("c.wasm").is_some());
    assert_eq!(site.status().plugins.len(), 2, "the trial goes on");
    is_rolled_back(&site, &puppets);
}

#[test]
fn while_a_rule_of_migration_is_broken() {
    let puppets = Puppets::default();
    let site = site(&puppets, HALF);
    site.drop_in("c.wasm", puppet("c", "2.0.0", OFFERS));
    begins(&site, "c@2.0.0");
    let rule = "[[migrations]]\nremove = 'codec:gone'\nrequires = 'codec:absent'\n";
    site.configure(&format!("{}{rule}", sections(QUIET, HALF)));
    site.refuses("config.toml", Reason::Migration, &["codec:gone"]);
    is_rolled_back(&site, &puppets);
    site.refuses("c.wasm", Reason::Canary, &["breaker opened"]);
    site.refuses_still("c.wasm");
    assert_eq!(site.rejected("config.toml").unwrap().reason, Reason::Migration);
}
