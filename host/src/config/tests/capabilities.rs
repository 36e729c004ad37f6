//! `[capabilities."KIND:NAME"]`.

use std::time::Duration;

use plugbay_core::CapabilityKey;
use serde_json::json;

use super::{brief, good, refused};
use crate::config::{Config, RequestKey, Strategy};

fn strategy(config: &Config, kind: &str, name: &str) -> Strategy {
    config.capabilities[&CapabilityKey::new(kind, name)].strategy.clone()
}

fn one(kind: &str, text: &str) -> Strategy {
    strategy(&good(&format!("[capabilities.'{kind}:x']\n{text}")), kind, "x")
}

fn wrong(kind: &str, text: &str) -> Vec<String> {
    let error = refused(&format!("[capabilities.'{kind}:x']\n{text}"));
    let path = format!("capabilities.\"{kind}:x\"");
    brief(&error).into_iter().map(|line| line.replace(&path, "~")).collect()
}

#[test]
fn the_strategy_failover_is_read() {
    let providers = vec!["a".to_owned(), "b.c".to_owned()];
    let text = "strategy = 'failover'\nproviders = ['a', 'b.c']";
    assert_eq!(
        one("codec", text),
        Strategy::Failover { providers: providers.clone(), retries: 20 }
    );
    let text = format!("{text}\nretries = 0");
    assert_eq!(one("anything", &text), Strategy::Failover { providers, retries: 0 });
}

#[test]
fn the_strategy_split_is_read() {
    let text = "strategy = 'split'\nproviders = ['a', 'b']";
    let providers = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(
        one("codec", text),
        Strategy::Split { providers: providers.clone(), weights: vec![1, 1], key: None }
    );
    let key = Some(RequestKey::Header("x-user".to_owned()));
    assert_eq!(
        one("handler", &format!("{text}\nweights = [0, 10000]\nkey = 'header:X-User'")),
        Strategy::Split { providers, weights: vec![0, 10_000], key }
    );
}

#[test]
fn the_strategy_canary_is_read() {
    assert_eq!(
        one("codec", "strategy = 'canary'"),
        Strategy::Canary {
            steps: vec![1, 10, 50, 100],
            every: Duration::from_mins(5),
            errors: 1.0,
            latency: 2.0,
            calls: 100,
            key: None,
        }
    );
    assert_eq!(
        one(
            "handler",
            "strategy = 'canary'\nsteps = [100]\nevery = '1s'\nerrors = 0.5\nlatency = 0\ncalls = 0\nkey = 'path'"
        ),
        Strategy::Canary {
            steps: vec![100],
            every: Duration::from_secs(1),
            errors: 0.5,
            latency: 0.0,
            calls: 0,
            key: Some(RequestKey::Path),
        }
    );
}

#[test]
fn request_keys_are_read_and_bad_ones_refused() {
    let read = |key: &str| {
        let text = format!("strategy = 'canary'\nkey = {key:?}");
        match one("handler", &text) {
            Strategy::Canary { key, .. } => key,
            other => panic!("{other:?}"),
        }
    };
    for (key, expected) in [
        ("header:X-User", RequestKey::Header("x-user".into())),
        ("query:User id", RequestKey::Query("User id".into())),
        ("param:name", RequestKey::Param("name".into())),
        ("path", RequestKey::Path),
    ] {
        assert_eq!(read(key), Some(expected.clone()), "{key}");
        assert_eq!(read(&expected.to_string()), Some(expected), "{key}");
    }
    for key in ["", "header", "header:", "header:a b", "query:", "param:{a}", "param:*a", "Path"] {
        let text = format!("strategy = 'canary'\nkey = {key:?}");
        let expected = "expected a request key such as \"header:x-user\"";
        assert_eq!(wrong("handler", &text), [format!("~.key: {expected}, found {key:?}")]);
    }
}

#[test]
fn bad_strategies_are_refused() {
    let providers = "providers = ['a', 'b']";
    let of = |word: &str| format!("expected a key of the strategy \"{word}\", found");
    for (text, messages) in [
        (String::new(), vec!["~: expected the key `strategy`, found none".to_owned()]),
        (
            "strategy = 'splitt'".into(),
            vec![
                "~.strategy: expected \"failover\", \"split\" or \"canary\", found \"splitt\""
                    .into(),
            ],
        ),
        ("strategy = 'split'".into(), vec!["~: expected the key `providers`, found none".into()]),
        (
            "strategy = 'failover'\nproviders = ['a']".into(),
            vec!["~.providers: expected two plugins or more, found 1".into()],
        ),
        (
            "strategy = 'failover'\nproviders = ['a', 'a', 'B', 1]".into(),
            vec![
                "~.providers[1]: expected each once, found \"a\" again".into(),
                "~.providers[2]: expected a plugin name, found \"B\"".into(),
                "~.providers[3]: expected a string, found the integer 1".into(),
            ],
        ),
        (
            format!("strategy = 'failover'\n{providers}\nretries = 101\nweights = [1, 1]"),
            vec![
                "~.retries: expected 0 to 100, found 101".into(),
                format!("~.weights: {} `weights`", of("failover")),
            ],
        ),
        (
            format!("strategy = 'split'\n{providers}\nweights = [1]\nretries = 1\nsteps = [100]"),
            vec![
                "~.weights: expected as many weights as providers, found 1 and 2".into(),
                format!("~.retries: {} `retries`", of("split")),
                format!("~.steps: {} `steps`", of("split")),
            ],
        ),
        (
            format!("strategy = 'split'\n{providers}\nweights = [0, 0]"),
            vec!["~.weights: expected a weight above 0, found none".into()],
        ),
        (
            format!("strategy = 'split'\n{providers}\nweights = [10001, 'x']"),
            vec![
                "~.weights[0]: expected 0 to 10000, found 10001".into(),
                "~.weights[1]: expected a whole number, found the string \"x\"".into(),
            ],
        ),
        (
            format!("strategy = 'canary'\n{providers}"),
            vec![format!("~.providers: {} `providers`", of("canary"))],
        ),
        (
            "strategy = 'canary'\nevery = '1ms'\nerrors = -0.5\nlatency = 0.5\ncalls = -1".into(),
            vec![
                "~.every: expected \"1s\" to \"1day\", found \"1ms\"".into(),
                "~.errors: expected 0 to 100, found -0.5".into(),
                "~.latency: expected 0 or at least 1, found 0.5".into(),
                "~.calls: expected a whole number, found the integer -1".into(),
            ],
        ),
        (
            "strategy = 'canary'\nerrors = nan\nlatency = 'fast'".into(),
            vec![
                "~.errors: expected a number, found NaN".into(),
                "~.latency: expected a number, found the string \"fast\"".into(),
            ],
        ),
        (
            "strategy = 'canary'\nkey = 'path'".into(),
            vec![
                "~.key: expected no key: capabilities of the kind \"codec\" cannot be sticky"
                    .into(),
            ],
        ),
    ] {
        assert_eq!(wrong("codec", &text), messages, "{text}");
    }
    for steps in ["[]", "[1, 10]", "[1, 1, 100]", "[50, 10, 100]"] {
        let message = format!("~.steps: expected percentages that rise to 100, found {steps}");
        assert_eq!(wrong("codec", &format!("strategy = 'canary'\nsteps = {steps}")), [message]);
    }
    let zero = wrong("codec", "strategy = 'canary'\nsteps = [0, 100, 101]");
    assert_eq!(
        zero,
        ["~.steps[0]: expected 1 to 100, found 0", "~.steps[2]: expected 1 to 100, found 101"]
    );
}

#[test]
fn keys_are_kind_and_name() {
    for key in ["codec", ":x", "codec:", "Codec:x", "codec:x:y", "codec: x"] {
        let error = refused(&format!("[capabilities.'{key}']\nstrategy = 'canary'"));
        let message = format!("expected a capability such as \"codec:json\", found {key:?}");
        assert_eq!((error.problems.len(), &error.problems[0].message), (1, &message), "{key}");
    }
    let dotted = refused("[capabilities.codec.json]\nstrategy = 'canary'").to_string();
    assert!(dotted.contains("write [capabilities.\"codec:json\"]"), "{dotted}");
    assert_eq!(
        brief(&refused("capabilities = 1")),
        ["capabilities: expected a table, found the integer 1"]
    );
}

#[test]
fn capabilities_are_shown_as_they_are_written() {
    let text = "[capabilities.'codec:a']\nstrategy = 'failover'\nproviders = ['a', 'b']\n\
                [capabilities.'codec:b']\nstrategy = 'split'\nproviders = ['a', 'b']\n\
                [capabilities.'handler:c']\nstrategy = 'canary'\nkey = 'param:id'\nerrors = 0.25";
    let config = good(text);
    let shown = serde_json::to_value(&config.capabilities).expect("json");
    assert_eq!(
        shown["codec:b"],
        json!({ "strategy": "split", "providers": ["a", "b"], "weights": [1, 1], "key": null })
    );
    let shown = toml::to_string_pretty(&config).expect("toml");
    assert_eq!(good(&shown).capabilities, config.capabilities, "{shown}");
    let by_flag = Config::builder()
        .text(text, "config.toml")
        .set("capabilities.'codec:b'.weights", "[3, 4]")
        .set("capabilities.'handler:c'.errors", "2.5")
        .load()
        .expect("good");
    assert!(
        matches!(strategy(&by_flag, "codec", "b"), Strategy::Split { weights, .. } if weights == [3, 4])
    );
    assert!(
        matches!(strategy(&by_flag, "handler", "c"), Strategy::Canary { errors, .. } if errors > 2.0)
    );
}
