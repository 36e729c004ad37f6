//! Plugins in C and C++ that include only the generated header.

use std::time::Duration;

use plugbay_core::{CallErrorKind, GuestMetric, Isolation, MetricValue, Runtime as _};
use plugbay_native::Libraries;
use serde_json::json;

use crate::compile;
use crate::log::logged;
use crate::site::Site;

#[test]
fn a_codec_in_c_describes_itself() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    let artifact = Site::read(&path);
    assert!(site.runtime().recognises(&artifact) && site.runtime().is_whole(&artifact));
    let prepared = site.runtime().prepare(&artifact).unwrap();
    let description = prepared.describe(Isolation::InProcess).unwrap();
    assert_eq!(
        serde_json::to_value(&description).unwrap(),
        json!({
            "name": "rot13",
            "version": "1.0.0",
            "description": "texts, moved by 13 places",
            "capabilities": [
                { "kind": "codec", "name": "rot13", "description": "",
                  "media_types": ["text/x-rot13"], "routes": [] },
                { "kind": "codec", "name": "rot13-json", "description": "",
                  "media_types": [], "routes": [] },
            ],
            "config_schema": { "type": "object", "additionalProperties": false },
        })
    );
    assert_eq!(prepared.code_size(), artifact.bytes.len() as u64);
}

#[test]
fn a_codec_in_c_converts() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    let (rot13, lines) = logged(|| site.run(&path, json!({})).unwrap());
    assert_eq!(
        lines,
        [r#"INFO message=created plugin="rot13" version="1.0.0" fields={"language":"C"}"#
            .to_owned()]
    );
    // "Hello, World!", as a CBOR text and as plain bytes
    assert_eq!(rot13.encode(0, b"\x6dHello, World!").unwrap(), b"Uryyb, Jbeyq!");
    assert_eq!(rot13.decode(0, b"Uryyb, Jbeyq!").unwrap(), b"\x6dHello, World!");
    for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
        let text = vec![b'n'; length];
        let document = rot13.decode(0, &text).unwrap();
        assert_eq!(rot13.encode(0, &document).unwrap(), text, "{length} bytes");
    }
    let metrics = rot13.plugin.stats().metrics;
    assert!(metrics.contains(&GuestMetric::gauge("last", 65_536.0)));
    let encoded = metrics.iter().find_map(|metric| match metric.value {
        MetricValue::Counter { value } if metric.name == "encoded" => Some(value),
        _ => None,
    });
    assert!(encoded.is_some_and(|bytes| bytes > 131_000), "{metrics:?}");
    rot13.plugin.health(Duration::from_secs(5)).unwrap();
    rot13.plugin.shutdown();
}

#[test]
fn errors_of_a_codec_in_c_reach_the_caller() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    let rot13 = site.run(&path, json!({})).unwrap();
    // a number, a truncated text, a text in chunks, a text with a wrong length, a length without
    // its text, and no bytes
    for document in [b"\x07".as_slice(), b"\x63ab", b"\x7f\x61a\xff", b"\x61ab", b"\x7b\xff", b""] {
        let error = rot13.encode(0, document).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "plugin rot13@1.0.0: expected a text, found another document"
        );
    }
    let error = rot13.decode(0, b"\xff").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::InvalidInput);
    assert_eq!(error.message(), "expected ASCII, found a byte above 127");
}

#[test]
fn a_codec_in_c_calls_the_hosts_codecs() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    let rot13 = site.run(&path, json!({})).unwrap();
    // {"a": [1, true]}
    let document = b"\xa1\x61a\x82\x01\xf5";
    let text = rot13.encode(1, document).unwrap();
    assert_eq!(text, br#"{"n":[1,gehr]}"#);
    assert_eq!(rot13.decode(1, &text).unwrap(), document);
    // The plugin forwards the host's error.
    let error = rot13.decode(1, b"{").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::InvalidInput);
    assert!(error.message().contains("EOF"), "{error}");
}

#[test]
fn a_library_is_loaded_once_from_its_copy() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    // The bytes are changed, because other tests load the example, too.
    let bytes =
        compile::patched(&std::fs::read(&path).unwrap(), b"out of memory", b"out of money!");
    std::fs::write(&path, bytes).unwrap();
    let artifact = Site::read(&path);
    let loaded_copies = || {
        let all = Libraries::of_this_process().loaded();
        all.into_iter().filter(|it| it.digest == artifact.digest).collect::<Vec<_>>()
    };
    let prepared = site.runtime().prepare(&artifact).unwrap();
    assert!(loaded_copies().is_empty(), "preparing a library does not load it");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| prepared.describe(Isolation::InProcess).unwrap());
            scope.spawn(|| site.run(&path, json!({})).unwrap());
        }
    });
    let loaded = loaded_copies();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].size, artifact.bytes.len() as u64);
    assert!(loaded[0].path.ends_with(format!(
        "copies/{}.{}",
        artifact.digest.hex(),
        std::env::consts::DLL_EXTENSION
    )));
}

#[test]
fn a_codec_in_cpp_runs_on_the_same_header() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "reverse.cpp") else { return };
    let reverse = site.run(&path, json!({})).unwrap();
    assert_eq!(reverse.encode(0, b"\x43abc").unwrap(), b"cba");
    assert_eq!(reverse.decode(0, b"abc").unwrap(), b"\x43cba");
    let error = reverse.encode(0, b"\x63abc").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Unsupported);
    let error = reverse.decode(0, &[0; 24]).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Internal);
    assert_eq!(error.message(), "an exception was thrown");
}
