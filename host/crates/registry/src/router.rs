//! A router: finds the value that was registered for a method and a path pattern.
//!
//! A pattern may have several routes, for different methods. A literal segment comes before a
//! parameter, in whatever order they were added; `{name}` and `{*rest}` in the same place are
//! refused, as are two names for one parameter. The value of a route is a type parameter: a
//! handler's name, a closure, an `Arc`.
//!
//! Paths and patterns are compared in their normal form (RFC 3986, section 6.2.2): `/%61/./é` and
//! `/a/%C3%A9` are one path. An encoded slash is part of its segment.
//!
//! ```
//! use plugbay_registry::router::{Match, Route, Router};
//!
//! let mut router = Router::new();
//! router.insert(Route::new("/users", "list").on(["GET"]))?;
//! router.insert(Route::new("/users", "create").on(["POST"]))?;
//! router.insert(Route::new("/users/{id}", "show").on(["GET"]))?;
//! router.insert(Route::new("/files/{*rest}", "files"))?; // for every method
//!
//! let Match::Found(found) = router.find("GET", "/users/Ada%20L") else { panic!() };
//! assert_eq!(found.route.value, "show");
//! assert_eq!(found.params, [("id".to_owned(), "Ada L".to_owned())]);
//!
//! let Match::MethodNotAllowed { allow } = router.find("DELETE", "/users") else { panic!() };
//! assert_eq!(allow, ["GET", "HEAD", "OPTIONS", "POST"]);
//! assert!(matches!(router.find("GET", "/"), Match::NotFound));
//! # Ok::<(), plugbay_registry::router::RouteError>(())
//! ```
//!
//! A router is a plain value. To replace it while it is in use, keep it in a
//! [`Swap`](crate::Swap), beside whatever has to change together with it.

mod path;
mod pattern;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use thiserror::Error;

use self::path::{normal, normal_pattern};
pub use self::pattern::{PatternProblem, same_shape, shape};

/// A route: some methods of a pattern, and the value that serves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<V> {
    /// Such as `/users/{id}` or `/files/{*rest}`.
    pub pattern: String,
    /// In upper case; empty means every method.
    pub methods: Vec<String>,
    /// What serves it.
    pub value: V,
}

impl<V> Route<V> {
    /// A route for every method.
    pub fn new(pattern: impl Into<String>, value: V) -> Self {
        Self { pattern: pattern.into(), methods: Vec::new(), value }
    }

    /// This route, for these methods only, in upper case.
    #[must_use]
    pub fn on(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a method belongs to this route.
    #[must_use]
    pub fn serves(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|it| it == method)
    }

    /// Whether some method belongs to this route and to another.
    #[must_use]
    pub fn shares_methods<W>(&self, other: &Route<W>) -> bool {
        self.methods.is_empty()
            || other.methods.is_empty()
            || self.methods.iter().any(|method| other.methods.contains(method))
    }
}

/// A route that conflicts with another, or whose pattern is malformed. The router is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Another route has the pattern and a method in common.
    #[error("route {pattern}: expected no other route for the same methods, found one")]
    Taken {
        /// The pattern of both.
        pattern: String,
    },
    /// The pattern is malformed, or matches what another one matches, by other names.
    #[error("route {pattern}: expected {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: PatternProblem,
    },
}

/// What serves a request.
#[derive(Debug)]
pub enum Match<'r, V> {
    /// A route.
    Found(Found<'r, V>),
    /// The path is there, for other methods.
    MethodNotAllowed {
        /// These, sorted, `HEAD` and `OPTIONS` included: the value of the header `Allow`.
        allow: Vec<String>,
    },
    /// No route has the path.
    NotFound,
}

/// A route that serves a request.
#[derive(Debug)]
pub struct Found<'r, V> {
    /// The route, which can be kept without a copy.
    pub route: &'r Arc<Route<V>>,
    /// The path's parameters, percent-decoded, in the pattern's order.
    pub params: Vec<(String, String)>,
    /// Whether the request is a HEAD that is served as a GET: the body must not be sent.
    pub head: bool,
}

/// Routes by pattern, and a search for the one that matches a request.
#[derive(Clone)]
pub struct Router<V> {
    patterns: matchit::Router<usize>,
    /// By the number in `patterns`: all routes of one pattern.
    paths: Vec<Vec<Arc<Route<V>>>>,
    /// The key is the normal form of the pattern.
    index: BTreeMap<String, usize>,
}

impl<V> Router<V> {
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        Self { patterns: matchit::Router::new(), paths: Vec::new(), index: BTreeMap::new() }
    }

    /// Adds a route.
    ///
    /// # Errors
    /// [`RouteError`], if the route conflicts with another or its pattern is malformed.
    pub fn insert(&mut self, route: Route<V>) -> Result<(), RouteError> {
        if self.taken(&route).is_some() {
            return Err(RouteError::Taken { pattern: route.pattern });
        }
        let pattern = normal_pattern(&route.pattern);
        if let Some(&index) = self.index.get(&*pattern) {
            self.paths[index].push(Arc::new(route));
            return Ok(());
        }
        let index = self.paths.len();
        self.patterns.insert(&*pattern, index).map_err(|error| RouteError::Pattern {
            pattern: route.pattern.clone(),
            problem: error.into(),
        })?;
        self.index.insert(pattern.into_owned(), index);
        self.paths.push(vec![Arc::new(route)]);
        Ok(())
    }

    /// Undoes the last insertion, which must have been of this pattern: insertions are undone in reverse
    /// order.
    ///
    /// Returns the route, or `None` if there is no route with this pattern.
    pub fn undo_insert(&mut self, pattern: &str) -> Option<Arc<Route<V>>> {
        let pattern = normal_pattern(pattern);
        let index = *self.index.get(&*pattern)?;
        let route = self.paths[index].pop();
        if self.paths[index].is_empty() && index + 1 == self.paths.len() {
            self.paths.pop();
            self.index.remove(&*pattern);
            self.patterns.remove(&*pattern);
        }
        route
    }

    /// The route that has this one's pattern and one of its methods.
    #[must_use]
    pub fn taken<W>(&self, route: &Route<W>) -> Option<&Route<V>> {
        self.of_pattern(&route.pattern).find(|other| other.shares_methods(route))
    }

    /// All routes of this pattern; patterns with the same normal form are equal.
    pub fn of_pattern(&self, pattern: &str) -> impl Iterator<Item = &Route<V>> {
        let index = self.index.get(&*normal_pattern(pattern));
        index.into_iter().flat_map(|&index| &self.paths[index]).map(|route| &**route)
    }

    /// All routes, by pattern.
    pub fn routes(&self) -> impl Iterator<Item = &Route<V>> {
        self.index.values().flat_map(|&index| &self.paths[index]).map(|route| &**route)
    }

    /// Finds what serves a request. `path` is percent-encoded as it came, without the query.
    ///
    /// A HEAD without a route of its own is a GET without its body (RFC 9110, section 9.3.2).
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Match<'_, V> {
        let path = normal(path);
        let Ok(matched) = self.patterns.at(&path) else { return Match::NotFound };
        let routes = &self.paths[*matched.value];
        let serving = |method: &str| routes.iter().find(|route| route.serves(method));
        let (route, head) = match serving(method) {
            Some(route) => (Some(route), method == "HEAD" && route.methods.is_empty()),
            None if method == "HEAD" => (serving("GET"), true),
            None => (None, false),
        };
        let Some(route) = route else {
            return Match::MethodNotAllowed { allow: allow(routes) };
        };
        let params = matched.params.iter().map(|(name, value)| {
            (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned())
        });
        Match::Found(Found { route, params: params.collect(), head })
    }
}

/// The methods of some routes, as the header `Allow` lists them.
fn allow<V>(routes: &[Arc<Route<V>>]) -> Vec<String> {
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

impl<V> Default for Router<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for Router<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}
