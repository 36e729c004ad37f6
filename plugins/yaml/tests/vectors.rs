//! The examples of the YAML 1.2.2 specification, and hostile texts.

#![expect(clippy::format_collect, reason = "texts of a test")]

use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_plugin_yaml::{Config, MergeKeys, Tags, Yaml};
use plugbay_sdk::{Codec as _, Document, ErrorKind, Plugin as _};

fn yaml() -> Yaml {
    Yaml::new(Config::default()).expect("a plugin")
}

#[test]
fn the_examples_of_the_specification_are_read() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 59, |case| {
        let document = yaml().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))
    });
}

#[test]
fn written_documents_are_read_back_unchanged() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 59, |case| {
        let document = yaml().decode(&case.input).map_err(|error| error.to_string())?;
        let text = yaml().encode(&document).map_err(|error| error.to_string())?;
        let again = yaml()
            .decode(&text)
            .map_err(|error| format!("{error} in {:?}", String::from_utf8_lossy(&text)))?;
        vectors::same(case, &diagnostic(again.as_cbor()))
    });
}

#[test]
fn invalid_and_unsupported_texts_are_refused_with_the_reason() {
    let cases = vectors::blocks(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 48, |case| vectors::refused(case, yaml().decode(&case.input)));
}

/// Nine levels of nine aliases: 9^9 nodes from 500 bytes.
#[test]
fn the_billion_laughs_are_refused() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{below}]\n");
    }
    let error = yaml().decode(bomb.as_bytes()).expect_err("too many repetitions");
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    assert!(error.message().contains("the aliases exceed the limit"), "{error}");
}

#[test]
fn aliases_count_towards_the_depth() {
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        tower += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    let error = yaml().decode(tower.as_bytes()).expect_err("too deep");
    assert!(error.message().contains("nested deeper than 128 levels"), "{error}");
}

fn read(config: Config, text: &str) -> Result<String, String> {
    let yaml = Yaml::new(config).expect("a plugin");
    let document = yaml.decode(text.as_bytes()).map_err(|error| error.message().to_owned())?;
    Ok(diagnostic(document.as_cbor()))
}

/// Aliases with 1 KB for each of a million, and with 1 MB for each of 10,000: documents of 1 and 10
/// GB.
#[test]
fn aliases_are_limited_in_bytes() {
    for (length, aliases) in [(1 << 10, 1_000_000), (1 << 20, 10_000)] {
        let text = format!("s: &s {}\nl: [{}]", "x".repeat(length), "*s,".repeat(aliases));
        let error = yaml().decode(text.as_bytes()).expect_err("too many repetitions");
        assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
        assert!(error.message().contains("the aliases exceed the limit"), "{error}");
    }
    let text = format!("s: &s {}\nl: [{}]", "x".repeat(1 << 10), "*s,".repeat(7_000));
    assert!(yaml().decode(text.as_bytes()).is_ok(), "7 MB");
}

#[test]
fn an_alias_is_the_node_that_its_anchor_became() {
    let text = "- &a {x: [1, &b 2]}\n- *a\n- *b\n- &a new\n- *a\n- {*b : *a}";
    let expected = r#"[{"x": [1, 2]}, {"x": [1, 2]}, 2, "new", "new", {2: "new"}]"#;
    assert_eq!(read(Config::default(), text).as_deref(), Ok(expected));
    // An anchor inside a list whose head has grown since.
    let long = format!("- [&a 1, {}]\n- *a", "0, ".repeat(300));
    assert!(read(Config::default(), &long).expect("a document").ends_with("], 1]"));
    let error = read(Config::default(), "&a [*a]").expect_err("a node that contains itself");
    assert!(error.contains("a node that contains itself"), "{error}");
}

#[test]
fn merge_keys_are_merged_by_option() {
    let config = || Config { merge_keys: MergeKeys::Merge, ..Config::default() };
    for (text, expected) in [
        (
            "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3",
            r#"{"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}}"#,
        ),
        (
            "- &a {x: 1}\n- &b {x: 2, y: 2}\n- {<<: [*a, *b], z: 3}",
            r#"[{"x": 1}, {"x": 2, "y": 2}, {"z": 3, "x": 1, "y": 2}]"#,
        ),
        ("- &a {x: 1}\n- {'<<': *a}", r#"[{"x": 1}, {"<<": {"x": 1}}]"#),
        ("- &a {}\n- {<<: *a}\n- {<<: []}", "[{}, {}, {}]"),
    ] {
        assert_eq!(read(config(), text).as_deref(), Ok(expected), "{text}");
    }
    for text in ["{<<: 1}", "{<<: {a: 1}}", "- &a [1]\n- {<<: *a}", "- &a {x: 1}\n- {<<: [*a, 1]}"]
    {
        let error = read(config(), text).expect_err("no alias of a mapping");
        assert!(error.contains("expected an alias of a mapping"), "{error}");
    }
    let error = read(Config::default(), "- &a {}\n- {<<: *a}").expect_err("YAML 1.1");
    assert!(error.contains("merge_keys = \"merge\" in [plugins.yaml.config]"), "{error}");
    // Many merges are limited by their bytes.
    let keys: String = (0..100).map(|key| format!("{key}: x, ")).collect();
    let many = format!("a: &a {{{keys}}}\nb: {{<<: [{}]}}", "*a,".repeat(50_000));
    assert!(read(config(), &many).is_err());
}

#[test]
fn unknown_tags_are_dropped_or_become_maps_by_option() {
    let text =
        "- !Ref name\n- !Sub 5\n- !GetAtt [a, b]\n- !!set {a, b}\n- !!int 5\n- ! 5\n- !!map {}";
    let drop = Config { tags: Tags::Drop, ..Config::default() };
    let expected = r#"["name", "5", ["a", "b"], {"a": null, "b": null}, 5, "5", {}]"#;
    assert_eq!(read(drop, text).as_deref(), Ok(expected));
    let map = || Config { tags: Tags::Map, ..Config::default() };
    let expected = concat!(
        r#"[{"!Ref": "name"}, {"!Sub": "5"}, {"!GetAtt": ["a", "b"]}, "#,
        r#"{"!!set": {"a": null, "b": null}}, 5, "5", {}]"#
    );
    assert_eq!(read(map(), text).as_deref(), Ok(expected));
    let anchored = read(map(), "- &a !x 1\n- *a").expect("a document");
    assert_eq!(anchored, r#"[{"!x": "1"}, {"!x": "1"}]"#);
    assert!(read(Config::default(), text).is_err());
}

#[test]
fn a_stream_is_a_list_of_documents() {
    let yaml = yaml();
    let stream = yaml.stream();
    let read = |text: &str| diagnostic(stream.decode(text.as_bytes()).expect("a list").as_cbor());
    assert_eq!(read("a: 1\n---\n- 2\n...\n---\n3\n"), r#"[{"a": 1}, [2], 3]"#);
    assert_eq!(read(""), "[]");
    assert_eq!(read("---\n---\n"), "[null, null]");
    assert_eq!(read("%YAML 1.1\n---\na\n...\n%YAML 1.2\n---\nb"), r#"["a", "b"]"#);
    let document = stream.decode(b"a: 1\n---\n- 2\n---\n\"---\"\n--- []").expect("a list");
    let text = stream.encode(&document).expect("text");
    assert_eq!(String::from_utf8_lossy(&text), "---\na: 1\n---\n- 2\n---\n\"---\"\n---\n[]\n");
    assert_eq!(stream.decode(&text).expect("a list"), document);
    let error = stream.encode(&Document::default()).expect_err("no list");
    assert_eq!(error.message(), "expected a list of documents for a YAML stream, found null");
    let error = yaml.decode(b"a\n---\nb").expect_err("two");
    assert!(error.message().contains("the codec yaml-stream reads several"), "{error}");
}

/// Cases in which the parser differs from the specification, or did.
#[test]
fn corner_cases_of_the_specification_are_followed() {
    for text in [
        // 9C9N: a flow collection must be indented more than its parent
        "---\nflow: [a,\nb,\nc]\n",
        // a tab is not indentation
        "-\t- a\n",
        "a:\n\t- b\n",
        "-\n\t- a\n",
        "? \t- a\n",
        // in a flow collection, an explicit key needs a space after its question mark
        "[?]",
        "{?}",
        "[a, ?, b]",
        "{a: 1, ?}",
        "%YAML 2.0\n---\na",
    ] {
        assert!(
            read(Config::default(), text).is_err(),
            "{text:?}: {:?}",
            read(Config::default(), text)
        );
    }
    for (text, expected) in [
        ("|\n foo", r#""foo\n""#),
        (">\n foo", r#""foo\n""#),
        ("|-\n foo", r#""foo""#),
        ("a: |\n foo", r#"{"a": "foo\n"}"#),
        ("%YAML 1.1\n---\nyes", r#""yes""#),
        ("%YAML 1.3\n---\na", r#""a""#),
        ("[? ]", "[{null: null}]"),
        ("[? a]", r#"[{"a": null}]"#),
        ("[?a, a?]", r#"["?a", "a?"]"#),
        ("- \ta\n-\tb", r#"["a", "b"]"#),
    ] {
        assert_eq!(read(Config::default(), text).as_deref(), Ok(expected), "{text:?}");
    }
}

#[test]
fn integers_are_exact_whatever_their_size() {
    for (text, expected) in [
        ("18446744073709551616", "2(h'010000000000000000')"),
        ("-18446744073709551617", "3(h'010000000000000000')"),
        ("0x1_0", r#""0x1_0""#),
        ("0x10000000000000000", "2(h'010000000000000000')"),
    ] {
        assert_eq!(read(Config::default(), text).as_deref(), Ok(expected), "{text}");
    }
    for text in ["18446744073709551616\n", "-340282366920938463463374607431768211457\n"] {
        let document = yaml().decode(text.as_bytes()).expect("a document");
        assert_eq!(yaml().encode(&document).expect("text"), text.as_bytes());
    }
    let error = read(Config::default(), &"9".repeat(400)).expect_err("too long");
    assert!(error.contains("at most 1024 bits"), "{error}");
}

fn written(json: &str) -> String {
    let document = plugbay_document::json::read(json.as_bytes()).expect("a document");
    let text = yaml().encode(&document).expect("text");
    assert_eq!(yaml().decode(&text).expect("YAML"), document, "{}", String::from_utf8_lossy(&text));
    String::from_utf8(text).expect("utf-8")
}

#[test]
fn the_output_is_readable() {
    let json = r#"{"name":"Ada","tags":["a","b: c","yes","1"],"rows":[{"id":1,"at":"2001-12-14"},[[],{}],[[1],2]],"deep":{"er":{"x":null}}}"#;
    let expected = "name: Ada\ntags:\n- a\n- \"b: c\"\n- \"yes\"\n- \"1\"\nrows:\n- id: 1\n  at: \"2001-12-14\"\n- - []\n  - {}\n- - - 1\n  - 2\ndeep:\n  er:\n    x: null\n";
    assert_eq!(written(json), expected);
    let long = format!(r#"{{"{}":[1],"b":{{"a b":2}}}}"#, "k".repeat(2000));
    assert_eq!(written(&long), format!("? {}\n: - 1\nb:\n  a b: 2\n", "k".repeat(2000)));
}

/// 100 levels of lists, and a long list in the innermost: its indentation would be a hundred times
/// as long as its content.
#[test]
fn indentation_is_limited() {
    let json = format!("{}{}0{}", "[".repeat(100), "0,".repeat(100_000), "]".repeat(100));
    let text = written(&json);
    assert!(text.len() < 8 << 20, "{}", text.len());
    let small = format!("{}0,1{}", "[".repeat(100), "]".repeat(100));
    assert!(written(&small).contains("- - - 0\n"), "{}", written(&small));
}
