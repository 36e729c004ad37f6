//! The HTML for Markdown, and the answers of the handler.

use plugbay_plugin_render::{Config, Render, html};
use plugbay_sdk::{ErrorKind, Handler as _, Plugin as _, Request, Response, Result};

fn page(markdown: &str) -> String {
    html(markdown, 100_000).expect("short")
}

#[test]
fn every_element_is_rendered() {
    for (markdown, expected) in [
        ("# a\n###### b", "<h1>a</h1>\n<h6>b</h6>\n"),
        ("a\nb  \nc", "<p>a\nb<br>\nc</p>\n"),
        ("*a* **b** `c<d`", "<p><em>a</em> <strong>b</strong> <code>c&lt;d</code></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("1. a", "<ol>\n<li>a</li>\n</ol>\n"),
        ("7. a", "<ol start=\"7\">\n<li>a</li>\n</ol>\n"),
        ("> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"),
        ("---", "<hr>\n"),
        ("```rust x\na < b\n```", "<pre><code class=\"language-rust\">a &lt; b\n</code></pre>\n"),
        ("    a", "<pre><code>a</code></pre>\n"),
        ("a & b &copy; \\*", "<p>a &amp; b © *</p>\n"),
    ] {
        assert_eq!(page(markdown), expected, "{markdown:?}");
    }
}

#[test]
fn links_and_images_are_rendered() {
    let rel = "rel=\"nofollow noopener\"";
    for (markdown, expected) in [
        ("[a](https://e.example/?x=1&y=2)", format!("<p><a href=\"https://e.example/?x=1&amp;y=2\" {rel}>a</a></p>\n")),
        ("[a](../b#c)", format!("<p><a href=\"../b#c\" {rel}>a</a></p>\n")),
        ("[a](b:c/d)", "<p>a</p>\n".to_owned()),
        ("[a](b/c:d)", format!("<p><a href=\"b/c:d\" {rel}>a</a></p>\n")),
        ("[a](/x \"t\")", format!("<p><a href=\"/x\" title=\"t\" {rel}>a</a></p>\n")),
        ("<a@b.example>", format!("<p><a href=\"mailto:a@b.example\" {rel}>a@b.example</a></p>\n")),
        ("<HTTP://e.example>", format!("<p><a href=\"HTTP://e.example\" {rel}>HTTP://e.example</a></p>\n")),
        ("![a *b*](c.png)", "<p><img src=\"c.png\" alt=\"a b\" loading=\"lazy\" referrerpolicy=\"no-referrer\"></p>\n".to_owned()),
    ] {
        assert_eq!(page(markdown), expected, "{markdown:?}");
    }
}

#[test]
fn raw_html_is_text() {
    assert_eq!(page("a <b>c</b>"), "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n");
    assert_eq!(page("<div>\n*a*\n</div>"), "<p>&lt;div&gt;\n*a*\n&lt;/div&gt;</p>\n");
}

fn post(config: Config, content_type: &str, body: &[u8]) -> Result<Response> {
    let headers = vec![("content-type".to_owned(), content_type.into())];
    Render::new(config)?.handle(Request {
        headers,
        body: body.to_vec(),
        ..Request::new("POST", "/render")
    })
}

#[test]
fn the_answer_has_headers_that_forbid_scripts() {
    let response = post(Config::default(), "text/markdown; charset=utf-8", b"a").expect("a page");
    assert_eq!(response.body, b"<p>a</p>\n");
    let field = |name: &str| response.headers.iter().any(|(key, _)| key == name);
    assert!(
        field("content-type")
            && field("content-security-policy")
            && field("x-content-type-options")
    );
}

#[test]
fn other_types_and_other_bytes_are_refused() {
    let error = post(Config::default(), "application/json", b"{}").expect_err("no Markdown");
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    let error = post(Config::default(), "text/plain", b"\xff").expect_err("no text");
    assert_eq!(error.kind(), Some(ErrorKind::InvalidInput));
}

#[test]
fn the_sizes_of_input_and_output_are_limited() {
    let config = || Config { max_input: 100, max_output: 200 };
    assert_eq!(post(config(), "text/plain", &[b'a'; 100]).expect("an answer").status, 200);
    assert_eq!(post(config(), "text/plain", &[b'a'; 101]).expect("an answer").status, 413);
    // One link definition that is used often: 100 bytes of Markdown are thousands of HTML.
    let bomb = format!("[a]: /{}\n{}", "x".repeat(60), "\n[a]".repeat(9));
    let response = post(config(), "text/plain", &bomb.as_bytes()[..100]).expect("an answer");
    assert_eq!(response.status, 413);
}
