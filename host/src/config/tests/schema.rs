//! A plugin's config against its schema.

use serde_json::{Value, json};

use crate::config::schema::{Fault, SchemaViolation, check_plugin_config};

fn messages(schema: &Value, config: &Value) -> Vec<String> {
    let violations = check_plugin_config(schema, config).err().unwrap_or_default();
    violations.into_iter().map(|violation| violation.message).collect()
}

fn unusable(schema: &Value, config: &Value) -> SchemaViolation {
    let mut violations = check_plugin_config(schema, config).expect_err("a refusal");
    assert_eq!(violations.len(), 1, "{violations:?}");
    let violation = violations.remove(0);
    assert_eq!(
        (violation.fault, violation.reason()),
        (Fault::Schema, "config-schema-unusable"),
        "{violation}"
    );
    violation
}

/// A schema as the SDK derives it.
fn greeter() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Greeter",
        "type": "object",
        "properties": {
            "greeting": {"type": "string", "minLength": 1},
            "times": {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 9},
            "mood": {"$ref": "#/$defs/Mood"},
            "backend": {"anyOf": [{"$ref": "#/$defs/Backend"}, {"type": "null"}]},
            "names": {"type": "array", "items": {"type": "string"}},
            "api_token": {"type": "string", "pattern": "^[a-z]+$"},
        },
        "required": ["greeting"],
        "additionalProperties": false,
        "$defs": {
            "Mood": {"type": "string", "enum": ["merry", "grim"]},
            "Backend": {
                "type": "object",
                "properties": {"url": {"type": "string"}, "port": {"type": "integer"}},
                "required": ["url"],
                "additionalProperties": false,
            },
        },
    })
}

#[test]
fn a_good_config_passes() {
    for config in [
        json!({"greeting": "hi"}),
        json!({"greeting": "hi", "times": 3, "mood": "grim", "backend": null, "names": ["a"]}),
        json!({"greeting": "hi", "backend": {"url": "x", "port": 1}}),
    ] {
        assert_eq!(check_plugin_config(&greeter(), &config), Ok(()));
    }
    assert_eq!(check_plugin_config(&json!(true), &json!({"a": 1})), Ok(()));
    assert_eq!(check_plugin_config(&json!({}), &json!({"a": 1})), Ok(()));
}

#[test]
fn a_violation_names_key_expected_and_found() {
    let violations =
        check_plugin_config(&greeter(), &json!({"greeting": 3})).expect_err("a violation");
    let SchemaViolation { key, expected, found, message, fault, .. } = &violations[0];
    assert_eq!(
        (key.as_str(), expected.as_str(), found.as_str()),
        ("greeting", "a string", "the integer 3")
    );
    assert_eq!(message, "greeting: expected a string, found the integer 3");
    assert_eq!((*fault, violations[0].reason()), (Fault::Config, "config-schema-violation"));
}

#[test]
fn all_violations_are_named() {
    let config = json!({
        "greting": "hi", "times": 10, "mood": "mery", "names": ["a", 2], "backend": {"url": "x", "prot": 1},
    });
    let mut found = messages(&greeter(), &config);
    found.sort();
    assert_eq!(
        found,
        [
            "backend.prot: expected one of the keys port, url (did you mean `port`?), found the unknown key \"prot\"",
            "greeting: expected a value: the key is required, found nothing",
            "greting: expected one of the keys api_token, backend, greeting, mood, names, times (did you mean `greeting`?), \
             found the unknown key \"greting\"",
            "mood: expected one of \"merry\", \"grim\" (did you mean \"merry\"?), found the string \"mery\"",
            "names[1]: expected a string, found the integer 2",
            "times: expected 9 or less, found the integer 10",
        ]
    );
}

#[test]
fn violated_alternatives_are_listed() {
    let config = |backend: Value| json!({"greeting": "hi", "backend": backend});
    assert_eq!(
        messages(&greeter(), &config(json!(3))),
        ["backend: expected a table, or null, found the integer 3"]
    );
    let nested = json!({"properties": {"a": {"anyOf": [{"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"const": "x"}]}}});
    assert_eq!(
        messages(&nested, &json!({"a": []})),
        ["a: expected an integer, or null, or \"x\", found an array of 0"]
    );
    let tagged = json!({"oneOf": [
        {"type": "object", "properties": {"kind": {"const": "file"}, "path": {"type": "string"}}, "required": ["kind", "path"]},
        {"type": "object", "properties": {"kind": {"const": "net"}, "port": {"type": "integer"}}, "required": ["kind", "port"]},
    ]});
    assert_eq!(
        messages(&tagged, &json!({"kind": "net", "port": "x"})),
        ["port: expected an integer, found the string \"x\""]
    );
}

#[test]
fn secrets_are_not_shown() {
    let shown = messages(&greeter(), &json!({"greeting": "hi", "api_token": "HUNTER2"})).concat();
    assert!(shown.contains("api_token: expected a string that matches"), "{shown}");
    assert!(!shown.contains("HUNTER2"), "{shown}");
}

#[test]
fn values_that_a_schema_marks_as_secret_are_not_shown() {
    let pin = |mark: Value| {
        let mut pin = json!({"type": "string", "maxLength": 4});
        pin.as_object_mut().unwrap().extend(mark.as_object().unwrap().clone());
        json!({"properties": {"pins": {"type": "array", "items": pin}}})
    };
    let config = json!({"pins": ["HUNTER2"]});
    assert_eq!(
        messages(&pin(json!({})), &config),
        ["pins[0]: expected at most 4 characters, found the string \"HUNTER2\""]
    );
    for mark in [json!({"writeOnly": true}), json!({"format": "password"})] {
        let shown = messages(&pin(mark), &config);
        assert_eq!(shown, ["pins[0]: expected at most 4 characters, found a string"]);
    }
}

#[test]
fn references_to_other_documents_are_refused() {
    for target in
        ["http://127.0.0.1:1/x.json", "file:///etc/passwd", "other.json", "//host/x", "#anchor"]
    {
        let violation = unusable(&json!({"properties": {"a": {"$ref": target}}}), &json!({}));
        assert_eq!(violation.key, "#/properties/a/$ref");
    }
    unusable(&json!({"$schema": "http://127.0.0.1:1/meta"}), &json!({}));
    unusable(&json!({"$ref": "#/$defs/nothing"}), &json!({}));
    unusable(&json!({"$defs": {"a": {"$id": "http://x/"}}}), &json!({}));
    unusable(&json!({"$dynamicRef": "#x"}), &json!({}));
}

#[test]
fn a_property_may_have_the_name_of_a_keyword() {
    let schema = json!({"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}, "$id": {"type": "string"}}});
    assert_eq!(
        check_plugin_config(&schema, &json!({"$ref": "http://x", "pattern": "(", "$id": "x"})),
        Ok(())
    );
}

#[test]
fn an_invalid_schema_is_refused() {
    for schema in
        [json!(3), json!({"type": "strnig"}), json!({"minimum": "x"}), json!({"properties": []})]
    {
        unusable(&schema, &json!({}));
    }
}

#[test]
fn a_cycle_is_refused() {
    unusable(&json!({"$ref": "#"}), &json!({}));
    unusable(
        &json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/%61"}}, "$ref": "#/$defs/a"}),
        &json!({}),
    );
}

#[test]
fn a_recursive_type_is_not_a_cycle() {
    let tree = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": false});
    assert_eq!(check_plugin_config(&tree, &json!({"next": {"next": {"next": {}}}})), Ok(()));
    assert_eq!(
        messages(&tree, &json!({"next": {"next": {"nxt": {}}}})),
        [
            "next.next.nxt: expected one of the keys next (did you mean `next`?), found the unknown key \"nxt\""
        ]
    );
}

/// Each definition names the one before it twice.
fn doubling(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
    let mut definitions = serde_json::Map::new();
    definitions.insert("d0".to_owned(), json!({"type": "integer"}));
    for level in 1..=levels {
        let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
        definitions
            .insert(format!("d{level}"), json!({"anyOf": [wrap(below.clone()), wrap(below)]}));
    }
    json!({"$defs": definitions, "properties": {"a": {"$ref": format!("#/$defs/d{levels}")}}})
}

#[test]
fn a_check_of_exponential_length_is_refused() {
    let same = |schema| schema;
    let violation = unusable(&doubling(40, same), &json!({"a": "x"}));
    assert!(violation.expected.contains("steps to check"), "{violation}");
    // The schema is compiled, and a config that does not reach the definitions is checked.
    assert_eq!(check_plugin_config(&doubling(40, same), &json!({})), Ok(()));
    // The same holds for a nested config.
    let nested = (0..40).fold(json!("x"), |inner, _| json!({"n": inner}));
    unusable(&doubling(40, |below| json!({"properties": {"n": below}})), &json!({"a": nested}));
    // A check within the budget has a result.
    assert!(check_plugin_config(&doubling(12, same), &json!({"a": "x"})).is_err());
}

#[test]
fn unevaluated_properties_take_a_bounded_time() {
    let schema = (0..30).fold(
        json!({"properties": {"a": {}}}),
        |inner, _| json!({"allOf": [inner], "unevaluatedProperties": {"type": "integer"}}),
    );
    unusable(&schema, &json!({"a": 1, "b": 2, "c": 3}));
    let sane = json!({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false});
    assert_eq!(check_plugin_config(&sane, &json!({"a": 1})), Ok(()));
    assert_eq!(messages(&sane, &json!({"b": 1})).len(), 1);
}

#[test]
fn patterns_take_linear_time() {
    let schema = json!({"properties": {"a": {"pattern": "^(a+)+$"}}});
    let config = json!({"a": format!("{}!", "a".repeat(100_000))});
    assert_eq!(messages(&schema, &config).len(), 1);
    for pattern in ["(?=a)b", "(a)\\1", "(", "((a{1000}){1000}){1000}"] {
        let violation = unusable(&json!({"pattern": pattern}), &json!({}));
        assert!(violation.found.contains("pattern"), "{violation}");
    }
    let many: serde_json::Map<String, Value> =
        (0..100).map(|n| (format!("p{n}"), json!({"pattern": "a{500}"}))).collect();
    unusable(&json!({"properties": many}), &json!({}));
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = (0..100).fold(json!({}), |inner, _| json!({"not": inner}));
    unusable(&deep, &json!({}));
    let wide: Vec<Value> = (0..20_000).map(Value::from).collect();
    unusable(&json!({"enum": wide}), &json!({}));
    unusable(&json!({"description": "x".repeat(300_000)}), &json!({}));
}

#[test]
fn a_deep_chain_of_references_does_not_overflow_the_stack() {
    for length in [100, 380, 2000] {
        let mut definitions = serde_json::Map::new();
        definitions.insert("d0".to_owned(), json!({"type": "integer"}));
        for level in 1..=length {
            definitions.insert(
                format!("d{level}"),
                json!({"anyOf": [{"$ref": format!("#/$defs/d{}", level - 1)}]}),
            );
        }
        let schema = json!({"$defs": definitions, "properties": {"a": {"$ref": format!("#/$defs/d{length}")}}});
        assert!(check_plugin_config(&schema, &json!({"a": "x"})).is_err());
        assert_eq!(check_plugin_config(&schema, &json!({})), Ok(()), "compiled only");
    }
}
