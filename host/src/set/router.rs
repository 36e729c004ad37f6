//! HTTP routes of one generation: method and pattern to handler.
//!
//! The router itself is the registry's; here is what its routes lead to.

use plugbay_registry::router;
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

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteTarget {
    /// The name of a capability of the kind `handler`.
    pub(crate) handler: String,
    pub(crate) origin: RouteOrigin,
}

/// One route: a handler's name for some methods of a pattern.
pub(crate) type Route = router::Route<RouteTarget>;
/// The routes of a generation.
pub(crate) type Router = router::Router<RouteTarget>;
