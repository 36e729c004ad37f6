//! No input makes the configuration reader panic or hang.

use std::path::Path;

use proptest::prelude::*;

use super::parse;
use crate::config::{Config, check_plugin_config};

/// Text that is nearly a configuration: real pieces in a random order.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[host]",
        "[server]",
        "[defaults]",
        "[plugins.x]",
        "[plugins.\"a.b\"]",
        "[[routes]]",
        "[capabilities.\"codec:x\"]",
        "[[migrations]]",
        "remove = \"codec:x\"",
        "requires = \"codec:y\"",
        "strategy = \"split\"",
        "weights = [1, 2]",
        "[plugins.x.config]",
        "[plugins.x.grants]",
        "\n",
        "\n",
        "\n",
        " = ",
        " = ",
        ".",
        ",",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "#",
        "\\",
        "\u{feff}",
        "\r",
        "ä",
        "\u{202e}",
        "listen",
        "memory",
        "config",
        "path",
        "methods",
        "handler",
        "strict",
        "cpu",
        "read",
        "network",
        "environment",
        "\"localhost:*\"",
        "\"[::1/128]:9\"",
        "{ host = \"/a\", guest = \"/b\" }",
        "password",
        "\"127.0.0.1:7070\"",
        "\"64MiB\"",
        "\"10s\"",
        "true",
        "-1",
        "1e400",
        "nan",
        "99999999999999999999",
        "1979-05-27",
        "\"/{a}\"",
        "\"/{*a}\"",
        "[\"GET\"]",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Checks that a text is read, or refused with problems that have a place.
fn check_errors(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = Config::parse(text, Path::new("config.toml")) {
        prop_assert!(!error.problems.is_empty());
        let shown = error.to_string();
        let commands = shown.contains('\u{1b}');
        prop_assert!(!commands);
        for problem in &error.problems {
            prop_assert!(problem.line.is_some_and(|line| line >= 1), "{}", shown);
            prop_assert!(problem.column.is_some_and(|column| column >= 1), "{}", shown);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_errors(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        check_errors(&text)?;
    }

    #[test]
    fn nearly_valid_text_is_read_or_refused(text in nearly()) {
        check_errors(&text)?;
    }

    #[test]
    fn any_flag_and_variable_are_read_or_refused(
        key in "\\PC{0,30}", value in "\\PC{0,30}", piece in nearly(),
    ) {
        let _ = Config::builder()
            .env([(format!("PLUGBAY_{key}"), value.clone()), (format!("PLUGBAY{key}"), piece.clone())])
            .set(key.clone(), value)
            .set(format!("plugins.x.config.{key}"), piece)
            .load();
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let name = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "enum",
        "const",
        "pattern",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "required",
        "minimum",
        "multipleOf",
        "minLength",
        "uniqueItems",
        "format",
        "$defs",
        "a",
        "b",
        "$id",
        "$schema",
        "propertyNames",
        "contains",
        "dependentSchemas",
        "minContains",
        "prefixItems",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "#",
            "#/$defs/a",
            "#/properties/a",
            "#/",
            "object",
            "string",
            "integer",
            "a",
            "(a+)+$",
            "(?=a)",
            "[",
            "a{9999}",
            "regex",
            "uri",
            "http://127.0.0.1/x",
            "file:///etc/passwd",
            "",
        ])
        .prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_schema_accepts_or_refuses_any_config(schema in any_json(), config in any_json()) {
        if let Err(violations) = check_plugin_config(&schema, &config) {
            prop_assert!(!violations.is_empty());
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let dotted = vec!["a"; 79].join(".");
    let deep = (0..78).fold("1".to_owned(), |inner, _| format!("{{ {dotted} = {inner} }}"));
    for text in [
        format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{} = 1", vec!["a"; 10_000].join(".")),
        format!("[{}]", vec!["a"; 10_000].join(".")),
        format!("a = {}", "{a=".repeat(10_000)),
        format!("plugins.x.config = {deep}"),
        format!("plugins.x.config = {deep}\nplugins.x.config = {deep}"),
    ] {
        assert!(parse(&text).is_err());
    }
    // A text that is no TOML value is a string.
    let _ = Config::builder().set("plugins.x.config.a", deep).load();
    assert!(Config::builder().set(vec!["a"; 10_000].join("."), "1").load().is_err());
}

#[test]
fn a_large_file_of_mistakes_is_refused_quickly() {
    for text in [
        "x = 1\n".repeat(50_000),
        "a={a=".repeat(50_000),
        "[[routes]]\n".repeat(20_000),
        "[[migrations]]\n".repeat(20_000),
        "=".repeat(200_000),
    ] {
        let problems = parse(&text).expect_err("mistakes").problems.len();
        assert!((1..=100).contains(&problems), "{problems}");
    }
}
