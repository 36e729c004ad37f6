//! HTTP routes of one generation: method and pattern to handler.
//!
//! A path may have several routes, for different methods. Literal segments come before
//! `{name}`, `{name}` before `{*rest}`, whatever the order in which they were written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Who asked for a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RouteOrigin {
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
    pub(crate) origin: RouteOrigin,
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
        let mut there = self.paths.iter().flatten().filter(|it| it.origin == RouteOrigin::Config);
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

    /// The routes of the pattern that a path matches, and the values of its parameters.
    pub(crate) fn at<'p>(&self, path: &'p str) -> Option<(&[Route], matchit::Params<'_, 'p>)> {
        let matched = self.patterns.at(path).ok()?;
        Some((&self.paths[*matched.value], matched.params))
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

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}
