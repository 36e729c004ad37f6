//! The responses of the handler, with formats that are made up for the tests.

use plugbay_plugin_transcode::{Formats, Transcode};
use plugbay_sdk::{Document, Error, Handler as _, Request, Response, Result};

/// The formats `json`, `cbor` and `upper`: each decodes bytes by writing its name before them, and
/// encodes them in the same way. `upper` cannot write digits, and no format reads `!`.
struct Fake;

impl Formats for Fake {
    fn available(&self) -> Vec<(String, String)> {
        let known = [
            ("cbor", "application/cbor"),
            ("json", "application/json"),
            ("json", "text/json"),
            ("upper", "text/x-upper"),
        ];
        known.map(|(codec, media_type)| (codec.to_owned(), media_type.to_owned())).to_vec()
    }

    fn encode(&self, codec: &str, document: &Document) -> Result<Vec<u8>> {
        let body = document.as_cbor().to_vec();
        if codec == "upper" && body.iter().any(u8::is_ascii_digit) {
            return Err(Error::unsupported("upper cannot hold digits"));
        }
        Ok([codec.as_bytes(), b":", &body].concat())
    }

    fn decode(&self, codec: &str, bytes: &[u8]) -> Result<Document> {
        if bytes.contains(&b'!') {
            return Err(Error::invalid_input(format!("{codec}: found !")));
        }
        Ok(Document::from_trusted_cbor([codec.as_bytes(), b">", bytes].concat()))
    }
}

fn post(content_type: Option<&str>, accept: Option<&str>, body: &str) -> Result<Response> {
    let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = [
        content_type.map(|value| field("content-type", value)),
        accept.map(|value| field("accept", value)),
    ];
    let request = Request {
        headers: headers.into_iter().flatten().collect(),
        body: body.into(),
        ..Request::new("POST", "/transcode")
    };
    Transcode::over(Fake).handle(request)
}

fn header(response: &Response, name: &str) -> String {
    let field = response.headers.iter().find(|(key, _)| key == name).expect("a header field");
    String::from_utf8(field.1.clone()).expect("utf-8")
}

/// The status, the content type and the body.
fn answer(content_type: &str, accept: Option<&str>, body: &str) -> (u16, String, String) {
    let response = post(Some(content_type), accept, body).expect("an answer");
    let content_type = header(&response, "content-type");
    (response.status, content_type, String::from_utf8(response.body).expect("utf-8"))
}

#[test]
fn reads_by_content_type_and_writes_by_accept() {
    let ok = |media_type: &str, body: &str| (200, media_type.to_owned(), body.to_owned());
    let json = "application/json";
    assert_eq!(answer(json, Some("application/cbor"), "x"), ok("application/cbor", "cbor:json>x"));
    assert_eq!(answer("application/cbor", Some(json), "x"), ok(json, "json:cbor>x"));
    assert_eq!(answer(json, Some("text/json"), "x"), ok("text/json", "json:json>x"));
    assert_eq!(
        answer(json, Some("text/x-upper;q=0.2, application/*;q=0.1"), "x"),
        ok("text/x-upper", "upper:json>x")
    );
}

#[test]
fn a_client_that_accepts_anything_gets_json() {
    for accept in [None, Some("*/*"), Some(""), Some("application/*")] {
        assert_eq!(answer("application/cbor", accept, "x").1, "application/json");
    }
}

#[test]
fn parameters_of_the_content_type_are_ignored_and_suffixes_used() {
    for content_type in [
        "Application/JSON; charset=utf-8",
        "text/json;charset=\"UTF-8\"",
        "application/vnd.x+json; v=1",
    ] {
        assert_eq!(answer(content_type, None, "x").2, "json:json>x", "{content_type}");
    }
    let (status, _, body) = answer("text/json; charset=latin1", None, "x");
    assert_eq!(status, 415);
    assert!(body.contains("expected charset utf-8, found \\\"latin1\\\""), "{body}");
}

#[test]
fn the_error_for_an_unknown_content_type_lists_the_known_ones() {
    for content_type in
        [None, Some("image/png"), Some("application/x+y"), Some("json"), Some("application/*")]
    {
        let response = post(content_type, None, "x").expect("an answer");
        assert_eq!(response.status, 415, "{content_type:?}");
        assert_eq!(header(&response, "content-type"), "application/problem+json");
        assert_eq!(
            header(&response, "accept-post"),
            "application/cbor, application/json, text/json, text/x-upper"
        );
        let body = String::from_utf8(response.body).expect("utf-8");
        assert!(body.contains(r#""media_types":["application/cbor","application/json","text/json","text/x-upper"]"#), "{body}");
    }
}

#[test]
fn the_error_for_an_unacceptable_accept_lists_the_known_types() {
    for accept in ["image/png", "*/*;q=0", "text/html, application/xml;q=0.9"] {
        let (status, content_type, body) = answer("text/json", Some(accept), "x");
        assert_eq!((status, content_type.as_str()), (406, "application/problem+json"));
        assert!(body.contains("text/x-upper"), "{body}");
    }
}

#[test]
fn errors_of_codecs_name_the_codec_and_the_reason() {
    let error = post(Some("text/json"), None, "!").expect_err("unreadable");
    assert_eq!(error.message(), "reading json: json: found !");
    let (status, _, body) = answer("text/json", Some("text/x-upper"), "1");
    assert_eq!(status, 422);
    assert!(body.contains("writing upper: upper cannot hold digits"), "{body}");
}
