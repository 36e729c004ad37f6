//! The answers of the handler.

use plugbay_plugin_hello::{Config, Hello};
use plugbay_sdk::{Handler as _, Plugin as _, Request};

/// Sends a request with a name and an `Accept` field, and returns the content type and the body.
fn get(config: Config, name: Option<&str>, accept: Option<&str>) -> (String, String) {
    let request = Request {
        params: name.map(|name| ("name".to_owned(), name.to_owned())).into_iter().collect(),
        headers: accept.map(|accept| ("accept".to_owned(), accept.into())).into_iter().collect(),
        ..Request::new("GET", "/hello")
    };
    let response = Hello::new(config).and_then(|hello| hello.handle(request)).expect("an answer");
    assert_eq!(response.status, 200);
    let content_type =
        response.headers.iter().find(|(name, _)| name == "content-type").expect("a type");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("utf-8");
    (text(&content_type.1), text(&response.body))
}

#[test]
fn greets_the_world_or_the_name_in_the_path() {
    assert_eq!(get(Config::default(), None, None).1, "Hello, world!");
    assert_eq!(get(Config::default(), Some("Ada"), None).1, "Hello, Ada!");
    let config = Config { greeting: "Grüß Gott".to_owned() };
    assert_eq!(get(config, Some("Zoë"), None).1, "Grüß Gott, Zoë!");
}

#[test]
fn answers_in_text_or_json_by_the_accept_field() {
    let text = "text/plain; charset=utf-8";
    for accept in ["*/*", "text/plain", "text/*, application/json;q=0.9", "image/png"] {
        assert_eq!(get(Config::default(), None, Some(accept)).0, text, "{accept}");
    }
    for accept in ["application/json", "text/plain;q=0.5, application/json", "application/*"] {
        let (content_type, body) = get(Config::default(), Some("A\"<b>"), Some(accept));
        assert_eq!(content_type, "application/json", "{accept}");
        assert_eq!(body, r#"{"greeting":"Hello","name":"A\"<b>","message":"Hello, A\"<b>!"}"#);
    }
}
