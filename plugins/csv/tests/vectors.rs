//! RFC 4180, rule by rule, and the configurations.

use plugbay_plugin_csv::{Config, Form, Quotes, Ragged, Tabular};
use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_sdk::{Codec, ErrorKind, Plugin as _};

fn tabular(config: Config) -> Tabular {
    Tabular::new(config).expect("a plugin")
}

fn read(codec: &impl Codec, text: &str) -> String {
    diagnostic(codec.decode(text.as_bytes()).expect("a document").as_cbor())
}

fn rewrite(codec: &impl Codec, text: &str) -> String {
    let document = codec.decode(text.as_bytes()).expect("a document");
    String::from_utf8(codec.encode(&document).expect("a table")).expect("utf-8")
}

#[test]
fn the_rules_of_the_rfc_are_followed() {
    let plugin = tabular(Config::default());
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 15, |case| {
        let document = plugin.csv().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))?;
        let text = plugin.csv().encode(&document).map_err(|error| error.to_string())?;
        let again = plugin.csv().decode(&text).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(again.as_cbor()))
    });
}

#[test]
fn invalid_texts_are_refused_with_the_reason() {
    let plugin = tabular(Config::default());
    let cases = vectors::blocks(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 9, |case| vectors::refused(case, plugin.csv().decode(&case.input)));
}

#[test]
fn the_output_follows_the_rfc() {
    let plugin = tabular(Config::default());
    assert_eq!(rewrite(plugin.csv(), "a,b\n1,\"x\"\n"), "a,b\r\n1,x\r\n");
    assert_eq!(rewrite(plugin.csv(), "a,b\n\"1,2\",\"\"\"\"\n"), "a,b\r\n\"1,2\",\"\"\"\"\r\n");
    assert_eq!(rewrite(plugin.csv(), "a\n\"\"\n"), "a\r\n\"\"\r\n");
}

#[test]
fn delimiter_and_quote_are_configurable() {
    let plugin = tabular(Config { delimiter: ';', quote: '\'', ..Config::default() });
    assert_eq!(read(plugin.csv(), "a;b\n'1;2';\"3\n"), r#"[{"a": "1;2", "b": "\"3"}]"#);
    for (delimiter, quote) in [('"', '"'), ('é', '"'), ('\n', '"'), (',', '😀')] {
        let error =
            Tabular::new(Config { delimiter, quote, ..Config::default() }).expect_err("no dialect");
        assert_eq!(error.kind(), Some(ErrorKind::InvalidInput));
    }
}

#[test]
fn without_a_header_rows_are_lists() {
    let plugin = tabular(Config { header: false, ..Config::default() });
    assert_eq!(read(plugin.csv(), "a,b\n1,2\n"), r#"[["a", "b"], ["1", "2"]]"#);
    assert_eq!(rewrite(plugin.csv(), "a,b\n1,2\n"), "a,b\r\n1,2\r\n");
    assert!(plugin.csv().decode(b"a,b\n1\n").is_err());
}

#[test]
fn tsv_has_tabs_and_no_quotes() {
    let plugin = tabular(Config::default());
    assert_eq!(read(plugin.tsv(), "a\tb\n\"1\t2,3\n"), r#"[{"a": "\"1", "b": "2,3"}]"#);
    assert_eq!(rewrite(plugin.tsv(), "a\tb\n\"1\"\t2,3\n"), "a\tb\r\n\"1\"\t2,3\r\n");
}

#[test]
fn an_empty_line_is_a_record_in_a_table_with_one_column() {
    let plugin = tabular(Config::default());
    assert_eq!(read(plugin.csv(), "a\n\n1\n\n"), r#"[{"a": ""}, {"a": "1"}, {"a": ""}]"#);
    assert_eq!(read(plugin.csv(), "\n\na,b\n\n1,2\n\n"), r#"[{"a": "1", "b": "2"}]"#);
    let lists = tabular(Config { header: false, ..Config::default() });
    assert_eq!(read(lists.csv(), "\n\r\n1\n\n"), r#"[[""], [""], ["1"], [""]]"#);
    assert_eq!(read(lists.csv(), "\n1,2\n\n"), r#"[["1", "2"]]"#);
    assert_eq!(read(lists.csv(), "\n\n"), r#"[[""], [""]]"#);
    // Without quotes, an empty line is the only form of an empty cell alone in its row.
    assert_eq!(rewrite(lists.tsv(), "\n1\n"), "\r\n1\r\n");
    assert_eq!(rewrite(plugin.tsv(), "a\n\n"), "a\r\n\r\n");
    assert_eq!(rewrite(lists.csv(), "\n1\n"), "\"\"\r\n1\r\n");
}

#[test]
fn a_table_keeps_its_header_without_rows() {
    let table = tabular(Config { form: Form::Table, ..Config::default() });
    assert_eq!(read(table.csv(), "a,b\n"), r#"{"columns": ["a", "b"], "rows": []}"#);
    assert_eq!(rewrite(table.csv(), "a,b\n"), "a,b\r\n");
    assert_eq!(rewrite(table.tsv(), "a\tb\n1\t2\n"), "a\tb\r\n1\t2\r\n");
    assert_eq!(read(table.csv(), ""), r#"{"rows": []}"#);
    let lists = tabular(Config { form: Form::Table, header: false, ..Config::default() });
    assert_eq!(read(lists.csv(), "1,2\n"), r#"{"rows": [["1", "2"]]}"#);
    // Documents of both forms are written with any `form`.
    let document = table.csv().decode(b"a,b\n1,2\n").expect("a document");
    let text = tabular(Config::default()).csv().encode(&document).expect("a table");
    assert_eq!(text, b"a,b\r\n1,2\r\n");
    let error = table.csv().encode(&json(r#"{"rows":[],"more":1}"#)).expect_err("another key");
    assert!(error.message().contains("columns and rows"), "{error}");
    let error = table.csv().encode(&json(r#"{"columns":["a"],"rows":[["1","2"]]}"#));
    assert!(error.expect_err("too long").message().contains("longer or shorter"));
}

fn json(text: &str) -> plugbay_sdk::Document {
    plugbay_document::json::read(text.as_bytes()).expect("a document")
}

#[test]
fn ragged_rows_are_accepted_by_option() {
    let plugin = tabular(Config { ragged: Ragged::Accept, ..Config::default() });
    assert_eq!(read(plugin.csv(), "a,b\n1\n2,3\n"), r#"[{"a": "1"}, {"a": "2", "b": "3"}]"#);
    assert_eq!(rewrite(plugin.csv(), "a,b\n1,2\n3\n"), "a,b\r\n1,2\r\n3,\r\n");
    let error = plugin.csv().decode(b"a,b\n1,2,3\n").expect_err("a cell without a column");
    assert_eq!(error.message(), "expected 2 fields, found 3 in record 1 (line 2)");
    let config = Config { ragged: Ragged::Accept, header: false, ..Config::default() };
    assert_eq!(rewrite(tabular(config).csv(), "1\n2,3\n"), "1\r\n2,3\r\n");
    let error = tabular(Config::default()).csv().encode(&json(r#"[{"a":1,"b":2},{"a":3}]"#));
    assert!(error.expect_err("a missing column").message().contains("lacks a column"));
}

#[test]
fn stray_quotes_are_read_by_option() {
    let plugin = tabular(Config { quotes: Quotes::Lax, ..Config::default() });
    assert_eq!(read(plugin.csv(), "a,b\n1\"2,\"3\"4\n"), r#"[{"a": "1\"2", "b": "34"}]"#);
    assert!(plugin.csv().decode(b"a\n\"1\n").is_err(), "a quote that is never closed");
}

#[test]
fn a_byte_order_mark_is_written_by_option() {
    let plugin = tabular(Config { bom: true, ..Config::default() });
    assert_eq!(rewrite(plugin.csv(), "\u{feff}a\n1\n"), "\u{feff}a\r\n1\r\n");
    assert_eq!(rewrite(plugin.csv(), "\u{feff}\u{feff}a\n1\n"), "\u{feff}\u{feff}a\r\n1\r\n");
    let error = tabular(Config::default()).csv().encode(&json(r#"[{"\ufeffa":1}]"#));
    assert!(error.expect_err("U+FEFF").message().contains("bom = true"));
}

/// A text of 115 kB, whose document would have 513 MB.
#[test]
fn repeated_names_are_limited() {
    let plugin = tabular(Config::default());
    let text = format!("{}\n{}", "x".repeat(100_000), "1\n".repeat(10_000));
    let error = plugin.csv().decode(text.as_bytes()).expect_err("too many repetitions");
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    assert!(error.message().contains("form = \"table\" in [plugins.csv.config]"), "{error}");
    let table = tabular(Config { form: Form::Table, ..Config::default() });
    assert!(table.csv().decode(text.as_bytes()).is_ok());
}
