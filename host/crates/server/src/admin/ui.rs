//! The dashboard: the files of `ui/`, from the program.
//!
//! They hold no data, so they need no token. The page reads everything from the same paths as other clients of the
//! admin plane. It connects to no other origin and runs no inline script: what plugins wrote cannot become code.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::{OriginalUri, Path};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use plugbay::Digest;

use crate::problem::Problem;

/// What the page may do. `require-trusted-types-for` also refuses texts where a browser would parse them as HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
/// A browser asks each time whether it has the current file, which costs it nothing else: a page of one version never
/// loads modules of another one.
const CACHE: &str = "no-cache";

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// The paths below `ui/`, and the texts.
        const FILES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../ui/", $path)))),*];
    };
}

files!(
    "index.html",
    "app.css",
    "icon.svg",
    "app/actions.js",
    "app/api.js",
    "app/commands.js",
    "app/format.js",
    "app/main.js",
    "app/parts.js",
    "app/store.js",
    "app/views/capabilities.js",
    "app/views/config.js",
    "app/views/events.js",
    "app/views/generations.js",
    "app/views/overview.js",
    "app/views/plugin.js",
    "app/views/plugins.js",
    "app/views/rejected.js",
    "app/views/routes.js",
    "app/views/services.js",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
    "vendor/signals-core.js",
    "vendor/signals.js",
);

/// The page, as it is at the root of the plane.
const INDEX: &str = "index.html";
/// The page, as it is at `ui/`.
const BELOW: &str = "";

/// A file as it is sent.
struct Page {
    path: &'static str,
    media_type: &'static str,
    tag: String,
    text: Cow<'static, str>,
    gzip: Vec<u8>,
}

static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
    let page = FILES.iter().filter(|(path, _)| *path == INDEX);
    let below = page.map(|(_, text)| Page::of(BELOW, text.replace("\"ui/", "\"").into()));
    FILES
        .iter()
        .map(|(path, text)| Page::of(path, without_comments(path, text)))
        .chain(below)
        .collect()
});

impl Page {
    fn of(path: &'static str, text: Cow<'static, str>) -> Self {
        let media_type = match path.rsplit('.').next() {
            Some("html" | "") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        let tag = format!("\"{}\"", Digest::of(text.as_bytes()).hex());
        let gzip = gzip(text.as_bytes());
        Self { path, media_type, tag, text, gzip }
    }
}

/// A module without its lines of comments, which readers of the source need and browsers do not. The numbers of the other
/// lines stay, so that a browser names the same lines as an editor. No line of a template begins like a comment.
fn without_comments(path: &str, text: &'static str) -> Cow<'static, str> {
    if !path.starts_with("app/") {
        return text.into();
    }
    let lines = text.lines();
    let lines = lines.map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    lines.flat_map(|line| [line, "\n"]).collect::<String>().into()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The routes of the files.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let below = get(async |headers: HeaderMap| send(BELOW, &headers));
    Router::new().route("/", get(index)).route("/ui/", below).route("/ui/{*path}", get(file))
}

/// The page. Its links are relative, so that the plane can lie below a prefix; there a router serves its root without a
/// slash at the end, from which they would lead elsewhere.
async fn index(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    match uri.path().rsplit('/').next() {
        Some(last) if !last.is_empty() => {
            let to = format!("{last}/ui/");
            (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
        _ => send(INDEX, &headers),
    }
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    send(&path, &headers)
}

fn send(path: &str, headers: &HeaderMap) -> Response {
    let Some(page) = PAGES.iter().find(|page| page.path == path) else {
        return Problem::not_found("the dashboard has no such file").into_response();
    };
    let mut fields = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, page.media_type);
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::CACHE_CONTROL, CACHE);
    set(header::ETAG, &page.tag);
    set(header::VARY, "accept-encoding");
    let named = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let known = named(header::IF_NONE_MATCH).flat_map(|value| value.split(','));
    let known = known.map(|tag| tag.trim().trim_start_matches("W/"));
    if known.into_iter().any(|tag| tag == page.tag || tag == "*") {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    if named(header::ACCEPT_ENCODING).any(accepts_gzip) {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return (fields, page.gzip.clone()).into_response();
    }
    (fields, &*page.text).into_response()
}

/// Whether the value of `Accept-Encoding` has gzip, and not as one that is refused.
fn accepts_gzip(value: &str) -> bool {
    value.split(',').any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&parameters.trim());
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    /// The most bytes of all files, and of all of them compressed.
    const MAX: usize = 150 << 10;
    const MAX_GZIP: usize = 50 << 10;

    #[test]
    fn the_dashboard_is_small() {
        // A browser loads one of the two forms of the page.
        let loaded = || PAGES.iter().filter(|page| page.path != BELOW);
        let raw: usize = loaded().map(|page| page.text.len()).sum();
        let gzip: usize = loaded().map(|page| page.gzip.len()).sum();
        assert!(raw <= MAX, "expected at most {MAX} bytes, found {raw}");
        assert!(gzip <= MAX_GZIP, "expected at most {MAX_GZIP} bytes compressed, found {gzip}");
    }

    #[test]
    fn modules_are_sent_without_comments_and_with_the_same_lines() {
        for (path, text) in FILES.iter().filter(|(path, _)| path.starts_with("app/")) {
            let sent = &PAGES.iter().find(|page| page.path == *path).unwrap().text;
            assert_eq!(sent.lines().count(), text.lines().count(), "{path}");
            let is_comment = |line: &str| line.trim_start().starts_with("//");
            for (sent, written) in sent.lines().zip(text.lines()) {
                assert_eq!(sent, if is_comment(written) { "" } else { written }, "{path}");
            }
        }
    }

    #[test]
    fn every_file_of_the_dashboard_is_served() {
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ui"));
        let mut folders = vec![root.to_owned()];
        let mut found = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let path = entry.path();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                let notes = ["md", "toml"].iter().any(|end| path.ends_with(&format!(".{end}")));
                assert!(notes || found.insert(path.clone()), "{path}");
            }
        }
        let served: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(served, found);
    }

    #[test]
    fn texts_of_plugins_never_become_code() {
        // The browser's tests have hostile texts; this finds what they do not reach.
        let sinks = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "srcdoc",
            "eval(",
            "new Function",
            "javascript:",
            "style=\"",
            "onclick=\"",
        ];
        for (path, text) in FILES.iter().filter(|(path, _)| !path.starts_with("vendor/")) {
            for sink in sinks {
                assert!(!text.contains(sink), "{path} has {sink}");
            }
            if *path == INDEX {
                assert!(!text.contains("<style"), "{path} has inline style");
                let inline = text.matches("<script").count() - text.matches("src=").count();
                assert_eq!(inline, 0, "{path} has inline script");
            }
        }
    }

    #[test]
    fn a_refused_coding_is_not_sent() {
        assert!(accepts_gzip("br, GZIP;q=0.5") && accepts_gzip("gzip"));
        assert!(!accepts_gzip("gzip;q=0, br") && !accepts_gzip("x-gzip") && !accepts_gzip(""));
    }
}
