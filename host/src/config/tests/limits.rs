//! Queues, rates, breakers and health: keys of `[defaults]` and `[plugins.NAME]`, and `after`.

use super::{brief, good, refused};

#[test]
fn limits_reach_the_policy_of_the_core() {
    let config =
        good("[plugins.x]\nqueue=1\ntables=2\nfiles=6\nlogs=3\nhost_calls=4\nhealth_fall=5");
    let policy = config.policy("x").to_policy();
    assert_eq!((policy.queue, policy.tables, policy.logs, policy.host_calls), (1, 2, 3, 4));
    assert_eq!(policy.files, 6);
    let expected = plugbay_core::Protection { health_fall: 5, ..Default::default() };
    assert_eq!(policy.protection, expected);
}

#[test]
fn the_defaults_are_those_of_the_core() {
    let policy = good("").defaults.to_policy();
    assert_eq!(policy, plugbay_core::Policy::default());
}

#[test]
fn values_out_of_range_are_refused() {
    let error = refused(
        "[defaults]\nqueue=1000001\ntables=0\nfiles=0\nbreaker_open='0s'\nbreaker_successes=0\nhealth_fall=0\n\
         health_rise=0\nrestarts=1001",
    );
    assert_eq!(
        brief(&error),
        [
            "defaults.queue: expected 0 to 1000000, found 1000001",
            "defaults.tables: expected 1 to 100000, found 0",
            "defaults.files: expected 1 to 100000, found 0",
            "defaults.breaker_open: expected \"1ms\" to \"1day\", found \"0s\"",
            "defaults.breaker_successes: expected 1 to 255, found 0",
            "defaults.health_fall: expected 1 to 1000000, found 0",
            "defaults.health_rise: expected 1 to 1000000, found 0",
            "defaults.restarts: expected 0 to 1000, found 1001",
        ]
    );
}

#[test]
fn a_health_deadline_beyond_the_interval_of_checks_is_refused() {
    let expected = "expected health_deadline of at most health_every, found";
    assert_eq!(
        brief(&refused("[defaults]\nhealth_every = '500ms'")),
        [format!("defaults.health_every: {expected} \"1s\" and \"500ms\"")]
    );
    assert_eq!(
        brief(&refused("[plugins.x]\nhealth_deadline = '11s'\n[plugins.y]")),
        [format!("plugins.x.health_deadline: {expected} \"11s\" and \"10s\"")]
    );
    good("[defaults]\nhealth_every = '0s'\nhealth_deadline = '1h'");
    good("[plugins.x]\nhealth_every = '50ms'\nhealth_deadline = '50ms'");
}

#[test]
fn plugins_start_after_others() {
    let config = good("[plugins.a]\nafter = ['b', 'not-here']\n[plugins.b]\nafter = ['c.d']");
    assert_eq!(config.plugins["a"].after, ["b", "not-here"]);
    let by_flag = crate::Config::builder().set("plugins.a.after", "['b']").load().expect("good");
    assert_eq!(by_flag.plugins["a"].after, ["b"]);
    assert_eq!(
        brief(&refused("[plugins.a]\nafter = ['a', 'B', 'b', 'b', 3]\n[plugins.b]\nafter = 'a'")),
        [
            "plugins.a.after[0]: expected other plugins, found this one",
            "plugins.a.after[1]: expected a plugin name, found \"B\"",
            "plugins.a.after[3]: expected each once, found \"b\" again",
            "plugins.a.after[4]: expected a string, found the integer 3",
            "plugins.b.after: expected an array such as [\"other\"], found the string \"a\"",
        ]
    );
}

#[test]
fn a_cycle_of_starts_is_refused_with_its_members() {
    let error = refused(
        "[plugins.b]\nafter = ['c']\n[plugins.c]\nafter = ['x', 'a']\n[plugins.a]\nafter = ['b']\n\
         [plugins.y]\nafter = ['z']\n[plugins.z]\nafter = ['y']",
    );
    assert_eq!(
        brief(&error),
        [
            "plugins.a.after: expected no cycle, found a after b after c after a",
            "plugins.y.after: expected no cycle, found y after z after y",
        ]
    );
    assert_eq!((error.problems[0].line, error.problems[0].column), (Some(6), Some(9)));
}
