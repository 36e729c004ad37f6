//! `[[migrations]]`.

use proptest::prelude::*;

use super::{brief, good, parse, refused};
use crate::config::Config;

fn rule(remove: &str, requires: &str) -> String {
    format!("[[migrations]]\nremove = '{remove}'\nrequires = '{requires}'\n")
}

#[test]
fn a_rule_holds_while_either_side_exists() {
    let text = rule("codec:json-v1", "codec:json-v2") + "reason = 'old clients'\n";
    let config = good(&(text + &rule("plugin:legacy", "handler:shop")));
    let broken = |present: &[&str]| -> Vec<String> {
        let found = config.migrations.violations(|name| present.contains(&name));
        found.iter().map(ToString::to_string).collect()
    };
    let v1 =
        "expected codec:json-v1 to stay until codec:json-v2 is there, found neither (old clients)";
    let legacy = "expected plugin:legacy to stay until handler:shop is there, found neither";
    assert_eq!(broken(&[]), [v1, legacy]);
    assert_eq!(broken(&["codec:json-v1", "codec:json-v2"]), [legacy]);
    assert_eq!(broken(&["codec:json-v1", "handler:shop"]), [""; 0]);
    assert_eq!(broken(&["codec:json-v2", "plugin:legacy"]), [""; 0]);
}

#[test]
fn migrations_are_described_in_their_order() {
    let config = good(&(rule("codec:v2", "codec:v3") + &rule("codec:v1", "codec:v2")));
    assert_eq!(config.migrations.order(), ["codec:v3", "codec:v2", "codec:v1"]);
    let reversed = good(&(rule("codec:v1", "codec:v2") + &rule("codec:v2", "codec:v3")));
    let lines: Vec<String> =
        reversed.migrations.rules_in_order().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["codec:v2 may go once codec:v3 is there", "codec:v1 may go once codec:v2 is there"]
    );
    assert!(Config::default().migrations.order().is_empty());
}

#[test]
fn bad_rules_are_refused() {
    let end =
        "expected a capability such as \"codec:json\" or a plugin such as \"plugin:hello\", found";
    for (text, messages) in [
        ("migrations = 1".to_owned(), vec!["migrations: expected an array of tables, found the integer 1".to_owned()]),
        ("migrations = [1]".into(), vec!["migrations[0]: expected a table, found the integer 1".into()]),
        (
            "[[migrations]]\nreason = \"a\\nb\"\nwhy = 1".into(),
            vec![
                "migrations[0]: expected the key `remove`, found none".into(),
                "migrations[0]: expected the key `requires`, found none".into(),
                "migrations[0].reason: expected one line of text, found \"a\\nb\"".into(),
                "migrations[0].why: unknown key".into(),
            ],
        ),
        (
            rule("json", "codec:JSON"),
            vec![
                format!("migrations[0].remove: {end} \"json\""),
                format!("migrations[0].requires: {end} \"codec:JSON\""),
            ],
        ),
        (
            rule("codec:a", "codec:a"),
            vec!["migrations[0].requires: expected something else than `remove`, found \"codec:a\" again".into()],
        ),
        (
            rule("codec:a", "codec:b") + &rule("codec:a", "codec:c") + &rule("codec:a", "codec:b"),
            vec!["migrations[2]: expected each rule once, found migrations[0] as well".into()],
        ),
        (
            rule("codec:c", "codec:a") + &rule("codec:a", "plugin:b") + &rule("plugin:b", "codec:c"),
            vec!["migrations[1]: expected no cycle, found codec:a requires plugin:b requires codec:c requires codec:a".into()],
        ),
    ] {
        assert_eq!(brief(&refused(&text)), messages, "{text}");
    }
}

#[test]
fn migrations_are_written_in_the_file_only() {
    let error = Config::builder().set("migrations", "[]").load().expect_err("a refusal");
    assert!(error.to_string().contains("each under a line [[migrations]]"), "{error}");
}

proptest! {
    #[test]
    fn no_cycle_is_accepted_and_the_order_respects_all_rules(
        pairs in prop::collection::btree_set((0..7_u8, 0..7_u8), 0..10)
    ) {
        let pairs: Vec<_> = pairs.into_iter().filter(|(remove, requires)| remove != requires).collect();
        let name = |n: u8| format!("codec:c{n}");
        let text: String = pairs.iter().map(|&(a, b)| rule(&name(a), &name(b))).collect();
        // An independent check: without a cycle, the rules can be removed until none is left.
        let mut left = pairs.clone();
        while let Some(&(_, free)) =
            left.iter().find(|(_, requires)| left.iter().all(|(remove, _)| remove != requires))
        {
            left.retain(|&(_, requires)| requires != free);
        }
        match parse(&text) {
            Err(_) => prop_assert!(!left.is_empty(), "refused without a cycle:\n{text}"),
            Ok(config) => {
                prop_assert!(left.is_empty(), "accepted with a cycle:\n{text}");
                let order = config.migrations.order();
                let at = |n: u8| order.iter().position(|it| *it == name(n));
                for &(remove, requires) in &pairs {
                    prop_assert!(at(requires).is_some() && at(requires) < at(remove), "{order:?}");
                }
                let rules = config.migrations.rules_in_order();
                prop_assert_eq!(rules.len(), pairs.len());
                for (index, rule) in rules.iter().enumerate() {
                    let later = &rules[index..];
                    prop_assert!(later.iter().all(|it| it.remove != rule.requires), "{rules:?}");
                }
            }
        }
    }
}
