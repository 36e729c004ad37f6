//! HTTP routes of one generation: method and pattern to handler.
//!
//! A path may have several routes, for different methods. Literal segments come before
//! `{name}`, `{name}` before `{*rest}`, whatever the order in which they were written.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode_str;
use plugbay_core::handler::{Handler, Request, Response};
use serde::Serialize;

use crate::calling::Calling;
use crate::error::Error;
use crate::generation::Snapshot;

/// Who asked for a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// `[[routes]]` in the configuration.
    Config,
    /// The plugin's description.
    Plugin(String),
}

/// One route: the handler's name for some methods of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) path: String,
    /// Upper case; empty means every method.
    pub(crate) methods: Vec<String>,
    pub(crate) handler: String,
    pub(crate) origin: Origin,
}

impl Route {
    fn overlaps(&self, other: &Self) -> bool {
        self.methods.is_empty()
            || other.methods.is_empty()
            || self.methods.iter().any(|method| other.methods.contains(method))
    }
}

/// A route that cannot stand beside another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RouteError {
    /// Another route has the pattern and a method in common.
    #[error(
        "route {path}: expected no other route for the same methods, found one to handler {other}"
    )]
    Taken { path: String, other: String },
    /// The pattern is malformed, or matches what another pattern matches, by other names.
    #[error("route {path}: expected a pattern beside those there are: {message}")]
    Pattern { path: String, message: String },
}

/// The routes of a generation.
#[derive(Clone, Default)]
pub(crate) struct Router {
    patterns: matchit::Router<usize>,
    /// By index: all routes of one pattern.
    paths: Vec<Vec<Route>>,
    index: BTreeMap<String, usize>,
}

impl Router {
    /// Adds a route.
    pub(crate) fn insert(&mut self, route: Route) -> Result<(), RouteError> {
        if let Some(&index) = self.index.get(&route.path) {
            let routes = &mut self.paths[index];
            if let Some(other) = routes.iter().find(|other| other.overlaps(&route)) {
                return Err(RouteError::Taken { path: route.path, other: other.handler.clone() });
            }
            routes.push(route);
            return Ok(());
        }
        let index = self.paths.len();
        self.patterns.insert(route.path.clone(), index).map_err(|error| RouteError::Pattern {
            path: route.path.clone(),
            message: error.to_string(),
        })?;
        self.index.insert(route.path.clone(), index);
        self.paths.push(vec![route]);
        Ok(())
    }

    /// Whether the configuration says who serves what `route` asks for, by whatever names
    /// its pattern has for the parameters.
    pub(crate) fn is_configured(&self, route: &Route) -> bool {
        let wanted = shape(&route.path);
        let mut there = self.paths.iter().flatten().filter(|it| it.origin == Origin::Config);
        there.any(|other| other.overlaps(route) && shape(&other.path) == wanted)
    }

    /// Whether the route is there already: another provider of the same handler suggests it too.
    pub(crate) fn leads(&self, route: &Route) -> bool {
        let there = self.index.get(&route.path).map(|&index| &self.paths[index]);
        there.is_some_and(|routes| {
            routes.iter().any(|it| it.handler == route.handler && it.methods == route.methods)
        })
    }

    /// All routes, by pattern.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.index.values().flat_map(|&index| &self.paths[index])
    }

    /// Finds what serves a request, in the snapshot that this router is of.
    pub(crate) fn route(&self, snapshot: &Snapshot, method: &str, path: &str) -> RouteMatch {
        let Ok(matched) = self.patterns.at(path) else { return RouteMatch::NotFound };
        let routes = &self.paths[*matched.value];
        let for_method = |method: &str| {
            routes
                .iter()
                .find(|route| route.methods.is_empty() || route.methods.iter().any(|m| m == method))
        };
        // A HEAD that nobody asked for is a GET without its body (RFC 9110, section 9.3.2).
        let (route, head) = match for_method(method) {
            Some(route) => (Some(route), method == "HEAD" && route.methods.is_empty()),
            None if method == "HEAD" => (for_method("GET"), true),
            None => (None, false),
        };
        let Some(route) = route else {
            return RouteMatch::MethodNotAllowed { allow: allow(routes) };
        };
        let params = matched.params.iter().map(|(name, value)| {
            (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned())
        });
        RouteMatch::Found(Routed {
            snapshot: snapshot.clone(),
            handler: route.handler.clone(),
            pattern: route.path.clone(),
            params: params.collect(),
            head,
        })
    }
}

/// A pattern without the names of its parameters.
fn shape(pattern: &str) -> String {
    let mut shape = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        shape.push(next);
        if next == '{' && rest.next_if_eq(&'{').is_some() {
            // A brace itself, which a pattern doubles.
            shape.push('{');
        } else if next == '{' {
            let name: String = rest.by_ref().take_while(|&it| it != '}').collect();
            shape.push_str(if name.starts_with('*') { "*}" } else { "}" });
        }
    }
    shape
}

/// The methods of some routes, as the header `Allow` lists them.
fn allow(routes: &[Route]) -> Vec<String> {
    let mut methods: Vec<String> =
        routes.iter().flat_map(|route| route.methods.iter().cloned()).collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".into());
    }
    methods.push("OPTIONS".into());
    methods.sort();
    methods.dedup();
    methods
}

/// What serves an HTTP request.
#[derive(Debug)]
pub enum RouteMatch {
    /// A handler.
    Found(Routed),
    /// The path is there, for other methods: these, sorted, `HEAD` and `OPTIONS` included.
    MethodNotAllowed {
        /// The value of the header `Allow`.
        allow: Vec<String>,
    },
    /// No route has the path.
    NotFound,
}

/// A request's handler, in the snapshot that the request began with.
#[derive(Debug)]
pub struct Routed {
    snapshot: Snapshot,
    handler: String,
    pattern: String,
    params: Vec<(String, String)>,
    head: bool,
}

impl Routed {
    /// The handler's name.
    #[must_use]
    pub fn handler(&self) -> &str {
        &self.handler
    }

    /// The pattern that matched, for metrics and logs: bounded, unlike paths.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The path parameters, percent-decoded, in the pattern's order.
    #[must_use]
    pub fn params(&self) -> &[(String, String)] {
        &self.params
    }

    /// Whether the request is a HEAD that is served as a GET: the body must not be sent.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.head
    }

    /// The generation's number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.snapshot.generation()
    }

    /// Answers the request. Its `params` and, for a HEAD, its `method` are set here.
    ///
    /// # Errors
    ///
    /// If the handler gives no answer, or the generation does not hold it: a route of the
    /// configuration may name one that is not there.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this request; no other call notices.
    pub async fn handle(self, how: Calling<'_>, mut request: Request) -> Result<Response, Error> {
        request.params = self.params;
        if self.head {
            request.method = "GET".into();
        }
        let leased = self.snapshot.lease::<Handler>(&self.handler)?;
        Ok(leased.handle(how, request).await?)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}
