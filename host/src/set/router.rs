//! HTTP routes of one generation: method and pattern to handler. The router itself is in the
//! registry crate; this module has the values of its routes.

use std::sync::Arc;

use plugbay_core::Kind as _;
use plugbay_core::handler::Handler;
use plugbay_registry::router;
use serde::Serialize;

use crate::config::RouteOptions;

/// Where a route comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RouteOrigin {
    /// `[[routes]]` in the configuration.
    Config,
    /// The plugin's description.
    Plugin(String),
}

/// The handler of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteTarget {
    /// `handler:name`.
    pub(crate) key: String,
    pub(crate) origin: RouteOrigin,
    /// How its requests are served, if the configuration says something about it.
    pub(crate) options: Option<Arc<RouteOptions>>,
}

impl RouteTarget {
    /// A capability of the kind `handler`, by name.
    pub(crate) fn new(handler: &str, origin: RouteOrigin) -> Self {
        Self { key: format!("{}:{handler}", Handler::NAME), origin, options: None }
    }

    /// This target, with these options.
    pub(crate) fn served_as(mut self, options: &RouteOptions) -> Self {
        let is_plain = *options == RouteOptions::default();
        self.options = (!is_plain).then(|| Arc::new(options.clone()));
        self
    }

    /// The handler's name.
    pub(crate) fn handler(&self) -> &str {
        self.key.split_once(':').map_or("", |(_kind, name)| name)
    }
}

/// One route: a handler's name for some methods of a pattern.
pub(crate) type Route = router::Route<RouteTarget>;
/// The routes of a generation.
pub(crate) type Router = router::Router<RouteTarget>;
