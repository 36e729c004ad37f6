//! `cors = { … }` of a route: which pages of other origins may use it.

use std::time::Duration;

use serde::Serialize;

use super::keys;
use crate::config::problem::render;
use crate::config::read::section::{Refusal, Section};
use crate::config::value::duration::{self, DAY};

/// Every origin, method or field.
const ANY: &str = "*";

/// Which pages of other origins may use a route (the Fetch standard, "CORS protocol").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CorsSettings {
    /// The origins of the pages, or only `*`.
    pub origins: Vec<String>,
    /// The methods that they may use, or only `*`.
    pub methods: Vec<String>,
    /// The header fields that they may send, or only `*`, beside those that every page may send.
    pub headers: Vec<String>,
    /// The header fields of answers that they may read, or only `*`, likewise.
    pub expose: Vec<String>,
    /// Whether they may send cookies and certificates.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    #[serde(serialize_with = "duration::serialize")]
    pub max_age: Duration,
}

impl CorsSettings {
    /// Whether a list stands for everything.
    #[must_use]
    pub fn is_any(list: &[String]) -> bool {
        list.iter().any(|it| it == ANY)
    }
}

impl Default for CorsSettings {
    fn default() -> CorsSettings {
        CorsSettings {
            origins: Vec::new(),
            methods: vec!["GET".to_owned(), "HEAD".to_owned(), "POST".to_owned()],
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: Duration::from_mins(5),
        }
    }
}

const KEY: &str = "cors";

/// The table `cors` of a route.
pub(super) fn read(section: &mut Section<'_, '_>) -> Option<CorsSettings> {
    section.node(KEY)?;
    let table = section.table(KEY)?;
    let path = section.key(KEY);
    let inner = &mut Section::over(Some(table), path, keys::CORS, section.report);
    let mut cors = CorsSettings::default();
    let token = |it: &String| check_token(it);
    let wanted = [
        ("origins", "a list of origins such as [\"https://app.example\"]", &mut cors.origins),
        ("methods", "a list of methods such as [\"GET\"]", &mut cors.methods),
        ("headers", "a list of header fields", &mut cors.headers),
        ("expose", "a list of header fields", &mut cors.expose),
    ];
    for (key, expected, list) in wanted {
        let check = if key == "origins" { check_origin } else { token };
        if let Some(items) = inner.list(key, expected, check) {
            *list = items;
        }
    }
    inner.read("credentials", &mut cors.credentials);
    inner.read_within("max_age", &mut cors.max_age, Duration::ZERO..=DAY);
    refuse_mixtures(inner, &cors);
    if !inner.has("origins") {
        let hint =
            "write cors = { origins = [\"https://app.example\"] }, or [\"*\"] for every page";
        let message = "expected `origins`, found none".to_owned();
        section.refuse(KEY, message, Some(hint.to_owned()));
        return None;
    }
    Some(cors)
}

/// Refuses `*` beside others, and `*` together with cookies, which browsers refuse, too.
fn refuse_mixtures(section: &mut Section<'_, '_>, cors: &CorsSettings) {
    let lists = [
        ("origins", &cors.origins),
        ("methods", &cors.methods),
        ("headers", &cors.headers),
        ("expose", &cors.expose),
    ];
    for (key, list) in lists {
        if !CorsSettings::is_any(list) {
            continue;
        }
        if list.len() > 1 {
            let message = "expected \"*\" alone, found others beside it".to_owned();
            section.refuse(key, message, Some("write [\"*\"], or name each".to_owned()));
        } else if cors.credentials {
            let message = "expected names, because `credentials` is true, found \"*\"".to_owned();
            let hint =
                "a page that may send cookies must be named, and so must all that it may use";
            section.refuse(key, message, Some(hint.to_owned()));
        }
    }
}

fn check_origin(origin: &String) -> Result<(), Refusal> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let good = |host: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        !host.is_empty() && host.bytes().all(plain) && host == host.to_ascii_lowercase()
    };
    if origin == ANY || host.is_some_and(good) {
        return Ok(());
    }
    let message = format!("expected an origin, found {}", render::quoted(origin));
    let hint = "a scheme, a host in lower case and perhaps a port, without a path: \"https://app.example\"";
    Err((message, Some(hint.to_owned())))
}

/// The name of a method or a field (RFC 9110, section 5.6.2).
fn check_token(token: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !token.is_empty() && token.len() <= 64 && token.bytes().all(plain) {
        return Ok(());
    }
    Err((format!("expected a name of 1 to 64 letters, found {}", render::quoted(token)), None))
}
