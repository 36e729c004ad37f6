//! The examples of the TOML specifications.

#![expect(clippy::format_collect, reason = "texts of a test")]

use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_plugin_toml::{Config, Datetimes, IntegerKeys, Toml};
use plugbay_sdk::{Codec as _, Document, ErrorKind, Plugin as _};

fn toml() -> Toml {
    Toml::new(Config::default()).expect("a plugin")
}

#[test]
fn valid_texts_are_read() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 40, |case| {
        let document = toml().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))
    });
}

#[test]
fn written_documents_are_read_back_unchanged() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 40, |case| {
        let document = toml().decode(&case.input).map_err(|error| error.to_string())?;
        let text = toml().encode(&document).map_err(|error| error.to_string())?;
        let again = toml().decode(&text).map_err(|error| error.to_string())?;
        let text = toml().encode(&again).map_err(|error| error.to_string())?;
        let third = toml().decode(&text).map_err(|error| error.to_string())?;
        // Tables are written after values, so the first time the order may change.
        assert_eq!(diagnostic(again.as_cbor()), diagnostic(third.as_cbor()));
        let mut sorted = [document, again].map(|document| {
            let mut letters: Vec<char> = diagnostic(document.as_cbor()).chars().collect();
            letters.sort_unstable();
            letters
        });
        if sorted[0] == sorted[1] { Ok(()) } else { Err(format!("{:?}", sorted.as_mut_slice())) }
    });
}

#[test]
fn invalid_texts_are_refused_with_the_reason() {
    let cases = vectors::blocks(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 55, |case| vectors::refused(case, toml().decode(&case.input)));
}

#[test]
fn dates_can_be_refused() {
    let toml =
        Toml::new(Config { datetimes: Datetimes::Refuse, ..Config::default() }).expect("a plugin");
    let error = toml.decode(b"a = 1\nb = [1979-05-27]").expect_err("a date");
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    assert!(error.message().contains("1979-05-27 at line 2 column 6"), "{error}");
}

fn read(text: &str) -> Result<String, String> {
    let document = toml().decode(text.as_bytes()).map_err(|error| error.message().to_owned())?;
    Ok(diagnostic(document.as_cbor()))
}

fn rewritten(text: &str) -> String {
    let document = toml().decode(text.as_bytes()).expect("a document");
    String::from_utf8(toml().encode(&document).expect("text")).expect("utf-8")
}

#[test]
fn dates_stay_dates() {
    let text = "a = 1979-05-27T07:32:00.5-07:00\nb = 1979-05-27\n";
    assert_eq!(rewritten(text), text);
    // A document has no dates without an offset.
    assert_eq!(
        rewritten("a = 1979-05-27 07:32\nb = 07:32\n"),
        "a = \"1979-05-27T07:32:00\"\nb = \"07:32:00\"\n"
    );
    let config = Config { datetimes: Datetimes::Text, ..Config::default() };
    let document =
        Toml::new(config).expect("a plugin").decode(text.as_bytes()).expect("a document");
    let expected = r#"{"a": "1979-05-27T07:32:00.5-07:00", "b": "1979-05-27"}"#;
    assert_eq!(diagnostic(document.as_cbor()), expected);
    // A date that TOML cannot express is written as text.
    let date = Document::from_trusted_cbor(vectors::from_hex("a1 6161 c0 6178"));
    assert_eq!(toml().encode(&date).expect("text"), b"a = \"x\"\n");
}

#[test]
fn tables_come_in_any_order() {
    for (text, expected) in [
        (
            "[a.b]\nx=1\n[a]\ny=2\n[c]\n[a.d]\nz=3",
            r#"{"a": {"b": {"x": 1}, "y": 2, "d": {"z": 3}}, "c": {}}"#,
        ),
        (
            "[[a]]\nb=1\n[a.c]\nd=2\n[[a]]\n[[a.e]]\n[[a.e]]\nf=3",
            r#"{"a": [{"b": 1, "c": {"d": 2}}, {"e": [{}, {"f": 3}]}]}"#,
        ),
        (
            "a.b.c=1\na.b.d=2\na.e=3\n[a.b.x]\ny=4",
            r#"{"a": {"b": {"c": 1, "d": 2, "x": {"y": 4}}, "e": 3}}"#,
        ),
        (
            "a={b.c=1,b.d=[{e.f=2,e.g=3}]}",
            r#"{"a": {"b": {"c": 1, "d": [{"e": {"f": 2, "g": 3}}]}}}"#,
        ),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
    for text in [
        "[a]\n[a]",
        "a=1\n[a]",
        "[a]\nb=1\n[a.b]",
        "[[a]]\n[a]",
        "[a]\n[[a]]",
        "a=[]\n[[a]]",
        "a={}\n[a.b]",
        "a={}\na.b=1",
        "[a.b.c]\n[a]\nb.d=1",
        "[a]\nb.c=1\n[a.b]",
        "a=1\na.b=2",
        "a.b=1\na=2",
        "{a=1,a=2}",
        "a={b=1,b=2}",
        "a={b.c=1,b=2}",
        "[a]\nb.c=1\n[a.b.c]",
    ] {
        assert!(read(text).is_err(), "{text}: {:?}", read(text));
    }
    // Many tables are looked up by a hash.
    let many: String = (0..200).map(|n| format!("[t.k{n}]\na=1\n[[u.k{n}]]\n")).collect();
    let more: String = (0..200).map(|n| format!("[t.k{n}.b]\n[[u.k{n}]]\n")).collect();
    assert!(
        read(&format!("{many}{more}"))
            .expect("a document")
            .contains(r#""k199": {"a": 1, "b": {}}"#)
    );
    assert!(read(&format!("{many}[t.k7]")).expect_err("twice").starts_with("duplicate key k7"));
}

fn written(json: &str) -> Result<String, String> {
    let document = plugbay_document::json::read(json.as_bytes()).expect("a document");
    let text = toml().encode(&document).map_err(|error| error.message().to_owned())?;
    Ok(String::from_utf8(text).expect("utf-8"))
}

#[test]
fn tables_are_written_after_values() {
    let json =
        r#"{"t":{"x":{"y":1}},"a":[1,{"b":2}],"u":[{"v":1},{"w":{"z":[]}}],"e":{},"q\"":"\n"}"#;
    let expected = "a = [1, { b = 2 }]\n\"q\\\"\" = \"\\n\"\n\n[t.x]\ny = 1\n\n[[u]]\nv = 1\n\n[[u]]\n\n[u.w]\nz = []\n\n[e]\n";
    assert_eq!(written(json).as_deref(), Ok(expected));
}

/// A name of 100 kB with 1,000 tables below it, whose headers would have 100 MB.
#[test]
fn the_length_of_headers_is_limited() {
    let tables: Vec<String> =
        (0..1000).map(|n| format!("\"t{n}\":{{\"x\":{{\"y\":1}}}}")).collect();
    let json = format!("{{\"{}\":{{{}}}}}", "k".repeat(100_000), tables.join(","));
    let text = written(&json).expect("text");
    assert!(text.len() < 8 << 20, "{}", text.len());
    let again = toml().decode(text.as_bytes()).expect("TOML");
    let sorted = |document: &Document| {
        let mut letters: Vec<char> = diagnostic(document.as_cbor()).chars().collect();
        letters.sort_unstable();
        letters
    };
    let document = plugbay_document::json::read(json.as_bytes()).expect("a document");
    assert!(sorted(&again) == sorted(&document), "not the same");
}

#[test]
fn integer_keys_become_text_by_option() {
    let config = Config { integer_keys: IntegerKeys::Text, ..Config::default() };
    let toml = Toml::new(config).expect("a plugin");
    let write = |hex: &str| {
        let document = Document::from_trusted_cbor(vectors::from_hex(hex));
        let text = toml.encode(&document).map_err(|error| error.message().to_owned())?;
        Ok::<_, String>(String::from_utf8(text).expect("utf-8"))
    };
    assert_eq!(write("a2 18c8 01 20 a1 01 02").as_deref(), Ok("200 = 1\n\n[-1]\n1 = 2\n"));
    let error = write("a1 6161 a2 01 00 6131 00").expect_err("1 and \"1\"");
    assert_eq!(error, r#"TOML cannot hold an integer and the text "1" as two keys in a"#);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4_000))]

    /// Another reader accepts and refuses the same texts.
    #[test]
    fn another_reader_agrees(text in "([a-c]{1,2}|\"[a ]\"|[0-9]|1979-05-27|07:32|[=.\\[\\]{},#\n \"]|= ?[0-9]\n|\\[\\[?[a-c](\\.[a-c])?\\]\\]?\n){0,14}") {
        let theirs = ::toml::de::DeTable::parse(&text);
        let ours = toml().decode(text.as_bytes());
        let same = theirs.is_ok() == ours.is_ok();
        let theirs = theirs.map(drop).map_err(|error| error.message().to_owned());
        proptest::prop_assert!(same, "{text:?}: {theirs:?}, {ours:?}");
    }
}
