//! RFC 4180, rule by rule, and the configurations.

use plugbay_plugin_csv::{Config, Tabular};
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
fn the_rules_of_the_rfc() {
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
fn what_breaks_them_is_refused_and_says_why() {
    let plugin = tabular(Config::default());
    let cases = vectors::blocks(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 9, |case| vectors::refused(case, plugin.csv().decode(&case.input)));
}

#[test]
fn what_is_written_follows_the_rfc() {
    let plugin = tabular(Config::default());
    assert_eq!(rewrite(plugin.csv(), "a,b\n1,\"x\"\n"), "a,b\r\n1,x\r\n");
    assert_eq!(rewrite(plugin.csv(), "a,b\n\"1,2\",\"\"\"\"\n"), "a,b\r\n\"1,2\",\"\"\"\"\r\n");
    assert_eq!(rewrite(plugin.csv(), "a\n\"\"\n"), "a\r\n\"\"\r\n");
}

#[test]
fn delimiter_and_quote_can_be_others() {
    let plugin = tabular(Config { delimiter: ';', quote: '\'', header: true });
    assert_eq!(read(plugin.csv(), "a;b\n'1;2';\"3\n"), r#"[{"a": "1;2", "b": "\"3"}]"#);
    for (delimiter, quote) in [('"', '"'), ('é', '"'), ('\n', '"'), (',', '😀')] {
        let error =
            Tabular::new(Config { delimiter, quote, header: true }).expect_err("no dialect");
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
