//! The helpers for authors in C: `plugbay_json.h`, `plugbay_json_write.h` and `plugbay_cbor.h`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use plugbay_core::CallErrorKind;
use plugbay_core::document::Document;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::compile::{self, can_compile, plugin};
use crate::site::{Site, Started};

const CHECK: u32 = 0;
const JSON: u32 = 1;
const CONFIG: u32 = 2;

/// The example with this config. `None` if there is no compiler.
fn properties(site: &Site, config: Value) -> Option<Started> {
    let path = compile::example(site.folder(), "properties.c")?;
    Some(site.run(&path, config).unwrap())
}

/// The fixture with this config; the error is the message of its refusal.
fn fixture(site: &Site, config: Value) -> Result<Started, String> {
    let path = site.path("document.so");
    if !path.exists() {
        plugin("document.c", &["-shared", "-std=c99"], &path);
    }
    site.run(&path, config).map_err(|refusal| refusal.message)
}

fn document(value: &Value) -> Vec<u8> {
    Document::from_value(value).unwrap().into_cbor()
}

#[test]
fn a_codec_in_c_with_a_config_converts_both_ways() {
    let site = Site::new();
    let Some(codec) = properties(&site, json!({})) else { return };
    let cbor = document(&json!({"empty": "", "host": "::1", "path": "/a=b", "é": "ü"}));
    let lines = "empty=\nhost=::1\npath=/a=b\né=ü\n";
    assert_eq!(codec.encode(0, &cbor).unwrap(), lines.as_bytes());
    assert_eq!(codec.decode(0, lines.as_bytes()).unwrap(), cbor);
    // Comments and empty lines are skipped, and the last line needs no end.
    assert_eq!(codec.decode(0, b"# a=b\n\na=1").unwrap(), document(&json!({"a": "1"})));
    assert_eq!(codec.decode(0, b"").unwrap(), document(&json!({})));
    // From 24 pairs on the head of the map is longer than the byte that was kept for it.
    for count in [23, 24, 255, 256, 9000] {
        let many: serde_json::Map<_, _> =
            (0..count).map(|n| (format!("{n}"), json!("x"))).collect();
        let cbor = document(&Value::Object(many));
        let lines = codec.encode(0, &cbor).unwrap();
        assert!(codec.decode(0, &lines).unwrap() == cbor, "{count} pairs");
    }

    let config = json!({"separator": ": \u{2192} ", "comment": "", "max_lines": 2});
    let codec = properties(&site, config).unwrap();
    let cbor = document(&json!({"# a": "1"}));
    assert_eq!(codec.encode(0, &cbor).unwrap(), "# a: → 1\n".as_bytes());
    assert_eq!(codec.decode(0, "# a: → 1\n".as_bytes()).unwrap(), cbor);
    let error = codec.decode(0, b"\n\n\n").unwrap_err();
    assert_eq!(error.message(), "expected at most 2 lines, found more");
}

#[test]
fn a_codec_in_c_refuses_what_its_format_cannot_hold() {
    let site = Site::new();
    let Some(codec) = properties(&site, json!({})) else { return };
    for (value, found) in [
        (json!([]), "expected a map, found another document"),
        (json!({"a": 1}), "expected a map of texts, found another value"),
        (json!({"a": "1\n2"}), "found the key \"a\""),
        (json!({"a=b": "1"}), "found the key \"a=b\""),
        (json!({"#a": "1"}), "found the key \"#a\""),
        (json!({"": "1"}), "found the key \"\""),
    ] {
        let error = codec.encode(0, &document(&value)).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Unsupported, "{value}: {error}");
        assert!(error.message().contains(found), "{value}: {error}");
    }
    for (lines, found) in [
        (b"a=1\na=2".as_slice(), "expected each key of a map once, found this one twice: a"),
        (b"a=1\nb", "line 2: expected a key before \"=\", found none"),
        (b"=1", "line 1: expected a key before \"=\", found none"),
        (b"a=\xff", "expected a text in UTF-8, found other bytes"),
    ] {
        let error = codec.decode(0, lines).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::InvalidInput, "{error}");
        assert!(error.message().contains(found), "{error}");
    }
    // The separator would be found one byte earlier than it was written.
    let codec = properties(&site, json!({"separator": "::"})).unwrap();
    let error = codec.encode(0, &document(&json!({"a:": "1"}))).unwrap_err();
    assert!(error.message().contains("found the key \"a:\""), "{error}");
}

#[test]
fn the_headers_are_cpp_too() {
    let site = Site::new();
    for header in ["plugbay_output.h", "plugbay_json.h", "plugbay_json_write.h", "plugbay_cbor.h"] {
        compile::text_in_cpp(site.folder(), &format!("#include \"{header}\"\n"));
    }
}

#[test]
fn config_is_read_by_its_keys() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let read = |config: Value| {
        let started = fixture(&site, config)?;
        Ok::<Value, String>(serde_json::from_slice(&started.encode(CONFIG, b"").unwrap()).unwrap())
    };
    assert_eq!(read(json!({})), Ok(json!(["default", -1, 0.5, true, 0])));
    let config = json!({"text": "\u{1f980}\"\\\n", "integer": i64::MIN, "real": 1e-7, "truth": false,
        "list": [1, -2, 40], "more": {"text": "not this one", "deep": [[{}]]}});
    assert_eq!(read(config), Ok(json!(["\u{1f980}\"\\\n", i64::MIN, 1e-7, false, 39])));
    assert_eq!(read(json!({"real": 3, "integer": 9})).unwrap()[2], json!(3.0));

    for (config, expected) in [
        (
            json!({"text": 7}),
            r#"expected a text of at most 7 bytes without U+0000 at "text", found a number"#,
        ),
        (json!({"text": "12345678"}), r#"without U+0000 at "text", found another"#),
        (json!({"text": "1\u{0}2"}), r#"without U+0000 at "text", found another"#),
        (json!({"integer": "7"}), r#"expected an integer of 64 bits at "integer", found a text"#),
        (json!({"integer": 1.5}), r#"expected an integer of 64 bits at "integer", found a number"#),
        (
            json!({"integer": u64::MAX}),
            r#"expected an integer of 64 bits at "integer", found a number"#,
        ),
        (json!({"real": null}), r#"at "real", found null"#),
        (json!({"truth": {}}), r#"expected a boolean at "truth", found an object"#),
        (json!({"list": [1, true]}), r#"expected integers at "list", found a boolean"#),
        (json!({"list": "1"}), "expected an array"),
    ] {
        let error = read(config).unwrap_err();
        assert!(error.contains(expected), "expected {expected}, found {error}");
    }
}

#[test]
fn hostile_documents_are_refused() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let fixture = fixture(&site, json!({})).unwrap();
    let check = |cbor: &[u8]| fixture.encode(CHECK, cbor);
    assert_eq!(check(&[[0x81; 128].as_slice(), b"\x00"].concat()).unwrap(), b"good");
    for (cbor, expected) in [
        (vec![0x81; 1 << 20], "expected at most 128 levels, found more"),
        (vec![0xc1; 1 << 20], "expected at most 128 levels, found more"),
        (vec![0xa1; 1 << 20], "expected at most 128 levels, found more"),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "as much as its length says"),
        (b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff\0\0".to_vec(), "as much as its length says"),
        (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec(), "as much as its length says"),
        (b"\x7a\xff\xff\xff\xff\0".to_vec(), "as much as its length says"),
        (b"\x1b\0\0\0\0\0\0\0".to_vec(), "expected the rest of a number, found the end"),
        (b"\x82\x01".to_vec(), "as much as its length says"),
        (b"\x82\x81\x01".to_vec(), "expected an item, found the end"),
        (b"\x9f\x01".to_vec(), "expected a break, found the end"),
        (b"\xbf\x61a\xff".to_vec(), "found a byte that begins none"),
        (b"\xff".to_vec(), "found a byte that begins none"),
        (b"\xf8\x1f".to_vec(), "found a byte that begins none"),
        (b"\x1c".to_vec(), "found a byte that begins none"),
        (b"\x62\xc3\x28".to_vec(), "expected a text in UTF-8"),
        (b"\x01\x02".to_vec(), "expected the end, found more"),
        (b"".to_vec(), "expected an item, found the end"),
        (b"\xa2\x61a\x01\x61a\x02".to_vec(), "found this one twice: a"),
        // The same keys in other widths, and in other forms.
        (b"\xa2\x01\x01\x18\x01\x02".to_vec(), "one that is not a text"),
        (b"\xa2\xf9\x3c\0\x01\xfa\x3f\x80\0\0\x02".to_vec(), "one that is not a text"),
        (b"\xa2\x81\x01\x01\x9f\x01\xff\x02".to_vec(), "one that is not a text"),
        (b"\x81\xa1\x61a\xa2\x61b\x01\x78\x01b\x02".to_vec(), "found this one twice: b"),
    ] {
        let error = check(&cbor).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::InvalidInput, "{cbor:02x?}: {error}");
        assert!(error.message().contains(expected), "{cbor:02x?}: {error}");
    }
    let error = check(b"\x7f\x61a\xff").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Unsupported, "{error}");
}

#[test]
fn many_keys_are_compared_in_time() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let fixture = fixture(&site, json!({})).unwrap();
    // Each with each, these would be twenty thousand million comparisons.
    let many: serde_json::Map<_, _> = (0..200_000).map(|n| (n.to_string(), json!(n))).collect();
    let mut cbor = document(&Value::Object(many));
    assert_eq!(fixture.encode(CHECK, &cbor).unwrap(), b"good");
    let last = cbor.windows(7).rposition(|it| it == b"\x66199999").unwrap();
    cbor[last + 6] = b'8';
    let error = fixture.encode(CHECK, &cbor).unwrap_err();
    assert!(error.message().ends_with("found this one twice: 199998"), "{error}");
}

/// A value that JSON, CBOR and integers of 64 bits with a sign have.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |it| it.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 30, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..30)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Bytes with a few of them changed, removed and added.
fn mutated(bytes: &[u8], changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte, how) in changes {
        let at = at % (bytes.len() + 1);
        match how % 3 {
            0 => bytes.insert(at, *byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = *byte,
            _ => {}
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    // Bytes that mean something, in CBOR or in JSON, more often than others.
    let telling = prop::sample::select(
        b"\x9f\xbf\xff\x5f\x7f\x80\xa0\xa1\xa2\x60\x61\x18\x1b\xf8\xf9\xfb\xc0\xc2\xed{}[]\",:\\u0.e-".to_vec(),
    );
    prop::collection::vec((any::<usize>(), prop_oneof![telling, any::<u8>()], any::<u8>()), 1..4)
}

#[test]
fn documents_are_what_the_host_has() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let fixture = fixture(&site, json!({})).unwrap();
    proptest!(|(inner in value(), changes in changes())| {
        let value = json!([inner]);
        let cbor = document(&value);
        let text = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(&fixture.decode(JSON, &text).unwrap(), &cbor);
        let again = fixture.encode(JSON, &cbor).unwrap();
        prop_assert_eq!(&fixture.decode(JSON, &again).unwrap(), &cbor);

        // Both refuse the same documents, but for strings in chunks and bignums as keys.
        let other = mutated(&cbor, &changes);
        match (fixture.encode(CHECK, &other), Document::check(&other)) {
            (Ok(_), Err(refused)) => {
                let has_bignum = other.iter().any(|byte| matches!(byte, 0xc2 | 0xc3));
                prop_assert!(has_bignum && refused.to_string().contains("duplicate"), "{refused}");
            }
            (Err(refused), Ok(())) => {
                prop_assert_eq!(refused.kind(), CallErrorKind::Unsupported, "{}", refused);
            }
            _ => {}
        }

        // And the same texts.
        let other = mutated(&text, &changes);
        if other.first() == Some(&b'[') {
            let (in_c, in_rust) = (fixture.decode(JSON, &other), serde_json::from_slice::<Document>(&other));
            prop_assert_eq!(in_c.is_ok(), in_rust.is_ok(), "{:?}: {:?} {:?}",
                String::from_utf8_lossy(&other), in_c, in_rust.map(drop));
        }
    });
}

/// Truncated and changed documents and texts go to a program that stops at the first read beyond them.
#[test]
fn nothing_is_read_beyond_its_end() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let flags = [&["-DEXECUTABLE", "-std=c99"], compile::sanitizers(site.folder())].concat();
    let program = plugin("document.c", &flags, &site.path("document"));
    let text = r#"{"text":"a\u00e9\ud83d\ude00\n\"","integer":-12,"real":1.5e-3,"truth":true,"list":[1,[],{}]}"#;
    let cbor = b"\xa6\x61a\x9f\x01\xff\x18\x64\xf9\x3c\0\xc2\x43abc\xfb\0\0\0\0\0\0\0\0\x63\xe2\x86\x92\xbf\x20\x38\xff\xff\x1a\0\x01\0\0\xf6\x81\xf5\x40";
    let mut inputs = Vec::new();
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for seed in [text.as_bytes(), cbor] {
        inputs.extend((0..=seed.len()).map(|end| seed[..end].to_vec()));
        inputs.extend((0..4000).map(|_| {
            let [byte, how, at, _, other, kind, place, end] = next().to_le_bytes();
            let both = [(usize::from(at), byte, how), (usize::from(place), other, kind)];
            let bytes = mutated(seed, &both);
            let end = usize::from(end);
            bytes[..end.min(bytes.len())].to_vec()
        }));
    }
    let mut calls = Vec::new();
    for input in &inputs {
        for letter in b"cdex" {
            calls.push(*letter);
            calls.extend_from_slice(&u32::try_from(input.len()).unwrap().to_le_bytes());
            calls.extend_from_slice(input);
        }
    }
    let mut child = Command::new(&program);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || drop(stdin.write_all(&calls)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (mut answers, mut good) = (output.stdout.as_slice(), 0);
    for _ in 0..inputs.len() * 4 {
        let (head, rest) = answers.split_first_chunk::<5>().unwrap();
        good += usize::from(head[0] == 0);
        answers = &rest[u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize..];
    }
    assert!(answers.is_empty() && good > 100, "{good} of {} were good", inputs.len() * 4);
}
