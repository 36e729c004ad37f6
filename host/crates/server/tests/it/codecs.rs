//! Codecs over HTTP.

use plugbay_fixtures::{Behaviour, Export, Guest};

use super::support::host;

/// The path, header fields and body of a request, and the expected status and code.
type Case =
    (&'static str, &'static [(&'static str, &'static str)], &'static [u8], u16, &'static str);

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const CBOR: (&str, &str) = ("content-type", "application/cbor");

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_encoded_and_decoded() {
    let guest = Guest::codec("echo").media_type("application/x-one").media_type("text/two");
    let serving = host().plugin("echo.wasm", &guest).serve().await;

    // The fixture's codec returns the bytes of the document unchanged.
    let json = ("content-type", "application/json; charset=utf-8");
    let encoded = serving.send("POST", "/v1/codecs/echo/encode", &[json], r#"{"a":1}"#).await;
    assert_eq!((encoded.status, &*encoded.body), (200, &b"\xa1\x61a\x01"[..]), "{encoded:?}");
    assert_eq!(encoded.header("content-type"), Some("application/x-one"));
    let encoded = serving.send("POST", "/v1/codecs/echo/encode", &[CBOR], b"\xa1\x61a\x01").await;
    assert_eq!(&*encoded.body, b"\xa1\x61a\x01");

    let decode = async |accept: &str| {
        let accept = [("accept", accept)];
        serving.send("POST", "/v1/codecs/echo/decode", &accept, b"\xa1\x61a\x01").await
    };
    let decoded = decode("*/*").await;
    assert_eq!((decoded.status, decoded.text().as_str()), (200, r#"{"a":1}"#));
    assert_eq!(decoded.header("content-type"), Some("application/json"));
    let decoded = decode("application/json;q=0.1, application/cbor").await;
    assert_eq!(&*decoded.body, b"\xa1\x61a\x01");
    assert_eq!(decoded.header("content-type"), Some("application/cbor"));
    assert_eq!(decode("text/html").await.code(), "not-acceptable");

    let listed = serving.get("/v1/codecs").await.json();
    assert_eq!(listed["codecs"][0]["name"], "echo");
    assert_eq!(listed["codecs"][0]["media_types"][1], "text/two");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused() {
    let trap = Guest::codec("trap").on(Export::Encode, Behaviour::Trap);
    let garbage = Guest::codec("garbage").on(Export::Decode, Behaviour::Garbage(vec![0xff]));
    let serving = host()
        .plugin("echo.wasm", &Guest::codec("echo"))
        .plugin("trap.wasm", &trap)
        .plugin("garbage.wasm", &garbage)
        .serve()
        .await;
    let nan = b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00";
    let cases: [Case; 8] = [
        ("echo/encode", &[], b"{", 400, "invalid-input"),
        ("echo/encode", &[CBOR], b"\x81", 400, "invalid-input"),
        ("echo/encode", &[FORM], b"a=1", 415, "unsupported"),
        ("ehco/encode", &[], b"1", 404, "not-found"),
        ("trap/encode", &[], b"1", 502, "trap"),
        ("garbage/decode", &[], b"1", 502, "contract"),
        // JSON can hold neither, and must not replace them silently.
        ("echo/decode", &[], b"\x41\xff", 415, "unsupported"),
        ("echo/decode", &[], nan, 415, "unsupported"),
    ];
    for (path, headers, body, status, code) in cases {
        let answer = serving.send("POST", &format!("/v1/codecs/{path}"), headers, body).await;
        assert_eq!((answer.status, &*answer.code()), (status, code), "{path}: {answer:?}");
    }
    let missed = serving.send("POST", "/v1/codecs/ehco/encode", &[], "1").await;
    assert!(missed.text().contains("echo"), "expected the nearest name: {missed:?}");
}

/// A codec that uses all its CPU time does not block another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_codec_does_not_affect_another_one() {
    let spin = Guest::codec("spin").on(Export::Encode, Behaviour::Spin);
    let serving = host()
        .plugin("spin.wasm", &spin)
        .plugin("echo.wasm", &Guest::codec("echo"))
        .set("defaults.cpu", "300ms")
        .set("defaults.instances", "2")
        .serve()
        .await;
    let busy = (0..8).map(|_| {
        let data = serving.data();
        let path = "/v1/codecs/spin/encode";
        tokio::spawn(async move { super::support::ask(data, "POST", path, &[], b"1".into()).await })
    });
    let busy: Vec<_> = busy.collect();
    let echo = serving.send("POST", "/v1/codecs/echo/encode", &[], "1").await;
    assert_eq!(echo.status, 200, "{echo:?}");
    for call in busy {
        let answer = call.await.unwrap();
        let code = answer.code();
        assert!(matches!(&*code, "cpu" | "deadline" | "overloaded" | "breaker-open"), "{answer:?}");
    }
}
