//! `[[routes]]`.

use std::time::Duration;

use plugbay_core::Kind as _;
use plugbay_core::handler::Handler;
use plugbay_registry::nearest;
use plugbay_registry::router::{PatternProblem, Route, RouteError, Router};
use serde::Serialize;

use super::cors::{self, CorsSettings};
use super::keys;
use super::server::read_peers;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::section::{self, Refusal, Section};
use crate::config::read::tree::{Node, Table, Value};
use crate::config::value::duration::{self, DAY, MILLISECOND};
use crate::config::value::peer::Peer;
use crate::config::value::rate::Rate;
use crate::config::value::size::Size;

/// One route: which requests go to which handler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteSettings {
    /// A pattern such as `/hello/{name}` or `/files/{*rest}`.
    pub path: String,
    /// Empty = every method.
    pub methods: Vec<String>,
    /// The name of a capability of the kind `handler`.
    pub handler: String,
    /// For people: metrics and logs name the route by it.
    pub name: Option<String>,
    /// How its requests are served.
    #[serde(flatten)]
    pub options: RouteOptions,
}

/// How the requests of a route are served, where it differs from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteOptions {
    /// Instead of `server.timeout`.
    #[serde(
        serialize_with = "duration::serialize_optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    /// Instead of `server.max_body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
    /// The most requests of one client for this route.
    #[serde(skip_serializing_if = "Rate::is_none")]
    pub rate: Rate,
    /// The only clients that are served; empty = all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Peer>,
    /// Clients that are not served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Peer>,
    /// Which pages of other origins may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsSettings>,
}

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
const LONGEST_PATH: usize = 1024;

pub(crate) fn read(root: &Table, report: &mut Report<'_>) -> Vec<RouteSettings> {
    let Some(entry) = root.get("routes") else {
        return Vec::new();
    };
    let Value::Array(items) = &entry.node.value else {
        let message = format!("expected an array of tables, found {}", entry.node.value.found());
        let hint = "routes are written in the file only, each under a line [[routes]]";
        report.wrong_type(&entry.node.at, "routes", message, Some(hint.to_owned()));
        return Vec::new();
    };
    let mut seen = Seen::default();
    let mut routes = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        routes.extend(read_one(node, &format!("routes[{index}]"), &mut seen, report));
    }
    routes
}

fn read_one(
    node: &Node,
    path: &str,
    seen: &mut Seen,
    report: &mut Report<'_>,
) -> Option<RouteSettings> {
    let Value::Table(table) = &node.value else {
        let message = format!("expected a table, found {}", node.value.found());
        report.wrong_type(
            &node.at,
            path,
            message,
            Some("write [[routes]], and its keys below".to_owned()),
        );
        return None;
    };
    for required in ["path", "handler"] {
        if !table.contains_key(required) {
            let hint =
                "a route needs a path and a handler: path = \"/hello/{name}\", handler = \"hello\"";
            let message = format!("expected the key `{required}`, found none");
            report.value(&node.at, path, message, Some(hint.to_owned()));
        }
    }
    let mut section = Section::over(Some(table), path.to_owned(), keys::ROUTE, report);
    let methods = read_methods(&mut section);
    let handler = read_handler(&mut section);
    let name = section.get("name");
    let options = read_options(&mut section);
    let path = section.get::<String>("path")?;
    let methods = methods?;
    if let Err((message, hint)) = seen.add(&path, &methods, &section) {
        section.refuse("path", message, hint);
        return None;
    }
    Some(RouteSettings { path, methods, handler: handler?, name, options })
}

fn read_options(section: &mut Section<'_, '_>) -> RouteOptions {
    let mut options = RouteOptions::default();
    let (mut timeout, mut max_body) = (MILLISECOND, Size::bytes(1));
    if section.has("timeout") {
        section.read_within("timeout", &mut timeout, MILLISECOND..=DAY);
        options.timeout = Some(timeout);
    }
    if section.has("max_body") {
        section.read_within("max_body", &mut max_body, Size::bytes(1)..=Size::gib(4));
        options.max_body = Some(max_body);
    }
    section.read("rate", &mut options.rate);
    read_peers(section, "allow", &mut options.allow);
    read_peers(section, "deny", &mut options.deny);
    options.cors = cors::read(section);
    options
}

/// The methods; `None` if one was refused.
fn read_methods(section: &mut Section<'_, '_>) -> Option<Vec<String>> {
    let Some(node) = section.node("methods") else {
        return Some(Vec::new());
    };
    let path = section.key("methods");
    let Value::Array(items) = &node.value else {
        let message = format!("expected an array such as [\"GET\"], found {}", node.value.found());
        section.report.wrong_type(&node.at, &path, message, None);
        return None;
    };
    let mut methods: Vec<String> = Vec::with_capacity(items.len());
    let mut good = true;
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(method) = section::read_node::<String>(item, &path, section.report) else {
            good = false;
            continue;
        };
        if !METHODS.contains(&method.as_str()) {
            let message = match nearest(&method, METHODS) {
                Some(near) => format!(
                    "expected an HTTP method, found {}; did you mean {near:?}?",
                    render::quoted(&method)
                ),
                None => format!("expected an HTTP method, found {}", render::quoted(&method)),
            };
            let hint = format!("methods: {}; an empty array means all", METHODS.join(", "));
            section.report.value(&item.at, &path, message, Some(hint));
            good = false;
        } else if methods.contains(&method) {
            let message = format!("expected each method once, found {method:?} again");
            section.report.value(&item.at, &path, message, None);
            good = false;
        } else {
            methods.push(method);
        }
    }
    good.then_some(methods)
}

fn read_handler(section: &mut Section<'_, '_>) -> Option<String> {
    let handler: String = section.get("handler")?;
    let wrong = handler.is_empty()
        || handler.len() > 128
        || handler.chars().any(|c| c == ':' || c.is_whitespace() || c.is_control());
    if wrong {
        let hint = match handler.split_once(':') {
            Some((Handler::NAME, name)) => {
                format!("write the name without its kind: {}", render::quoted(name))
            }
            _ => "write the name of a capability of the kind handler, such as \"hello\"".to_owned(),
        };
        let message = format!("expected the name of a handler, found {}", render::quoted(&handler));
        section.refuse("handler", message, Some(hint));
        return None;
    }
    Some(handler)
}

/// The routes so far, in a router that detects clashes. The value of each is its key.
#[derive(Default)]
struct Seen(Router<String>);

impl Seen {
    fn add(
        &mut self,
        path: &str,
        methods: &[String],
        section: &Section<'_, '_>,
    ) -> Result<(), Refusal> {
        let Self(router) = self;
        let mut is_new = true;
        for other in router.of_pattern(path) {
            is_new = false;
            if let Some(method) = shared(methods, &other.methods) {
                return Err((
                    format!(
                        "expected one route for {method} {}, found {} as well",
                        render::quoted(path),
                        other.value
                    ),
                    Some("give the two routes different methods, or remove one".to_owned()),
                ));
            }
        }
        if is_new {
            pattern(path)?;
        }
        let route = Route::new(path, section.path().to_owned()).on(methods);
        router.insert(route).map_err(|error| refusal(path, &error))
    }
}

/// A method that both routes serve.
fn shared<'a>(mine: &'a [String], theirs: &'a [String]) -> Option<&'a str> {
    match (mine, theirs) {
        ([], []) => Some("every method of"),
        ([], [any, ..]) | ([any, ..], []) => Some(any),
        _ => mine.iter().find(|method| theirs.contains(method)).map(String::as_str),
    }
}

/// Checks that the router does not make.
fn pattern(path: &str) -> Result<(), Refusal> {
    let expected = "expected a path that begins with '/'";
    if !path.starts_with('/') {
        let hint = format!("write {}", render::quoted(&format!("/{path}")));
        return Err((format!("{expected}, found {}", render::quoted(path)), Some(hint)));
    }
    if path.len() > LONGEST_PATH {
        return Err((format!("expected at most {LONGEST_PATH} bytes, found {}", path.len()), None));
    }
    if let Some(letter) =
        path.chars().find(|c| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control())
    {
        return Err((
            format!(
                "{expected} and holds no blank, '?' or '#', found {letter:?} in {}",
                render::quoted(path)
            ),
            Some("routes match the path only; a handler sees the query itself".to_owned()),
        ));
    }
    Ok(())
}

fn refusal(path: &str, error: &RouteError) -> Refusal {
    let found = render::quoted(path);
    let RouteError::Pattern { problem, .. } = error else { return (error.to_string(), None) };
    let (message, hint) = match problem {
        PatternProblem::Conflict { with } => (
            format!(
                "expected a path of another shape than {}, found {found}",
                render::quoted(with)
            ),
            "both match the same requests; name their parameters alike, or change one path",
        ),
        PatternProblem::CatchAll => (
            format!("expected {{*rest}} at the end of the path only, found {found}"),
            "write the pattern as \"/files/{*rest}\"",
        ),
        PatternProblem::Segment => (
            format!("expected one parameter between two slashes, found {found}"),
            "write the pattern as \"/{first}/{second}\"",
        ),
        _ => (
            format!("expected named parameters in matching braces, found {found}"),
            "write the pattern as \"/hello/{name}\"; a literal brace is doubled: {{ or }}",
        ),
    };
    (message, Some(hint.to_owned()))
}
