//! Routing of an HTTP request: finds the route in the caller's snapshot, and calls its handler.

use std::sync::Arc;

use plugbay_core::Kind as _;
use plugbay_core::handler::{Handler, Request, Response};
use plugbay_registry::router::{Found, Match};

use super::error::Error;
use super::leased::CapabilityLease;
use super::options::CallOptions;
use super::snapshot::Snapshot;
use crate::config::RouteOptions;
use crate::set::{NotServing, Route};

impl Snapshot {
    /// Finds the handler for an HTTP request. `path` is percent-encoded as received, without the
    /// query.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> RouteMatch {
        match self.published.generation.router.find(method, path) {
            Match::Found(Found { route, params, head }) => RouteMatch::Found(Routed {
                snapshot: self.clone(),
                route: Arc::clone(route),
                params,
                head,
            }),
            missed => match (self.published.absent.route(method, path), missed) {
                (Some(plugin), _) => RouteMatch::NotServing(plugin),
                (None, Match::MethodNotAllowed { allow }) => RouteMatch::MethodNotAllowed { allow },
                (None, _) => RouteMatch::NotFound,
            },
        }
    }

    /// The plugin that is known to offer a handler and does not serve, if there is one: for a route of the
    /// configuration whose handler the generation does not hold.
    #[must_use]
    pub fn not_serving(&self, handler: &str) -> Option<NotServing> {
        self.published.absent.offering(&format!("{}:{handler}", Handler::NAME))
    }
}

/// The result of routing an HTTP request.
#[derive(Debug)]
pub enum RouteMatch {
    /// A route and its handler.
    Found(Routed),
    /// The request would go to a route of this plugin, which does not serve now.
    NotServing(NotServing),
    /// The path has routes for other methods only: these, sorted, `HEAD` and `OPTIONS` included.
    MethodNotAllowed {
        /// The value of the header `Allow`.
        allow: Vec<String>,
    },
    /// No route matches the path.
    NotFound,
}

/// A request's handler, in the snapshot that the request began with.
#[derive(Debug)]
pub struct Routed {
    snapshot: Snapshot,
    route: Arc<Route>,
    params: Vec<(String, String)>,
    head: bool,
}

impl Routed {
    /// The handler's name.
    #[must_use]
    pub fn handler(&self) -> &str {
        self.route.value.handler()
    }

    /// The pattern that matched, for metrics and logs: bounded, unlike paths.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.route.pattern
    }

    /// How its requests are served, if the configuration says something about this route.
    #[must_use]
    pub fn options(&self) -> Option<&Arc<RouteOptions>> {
        self.route.value.options.as_ref()
    }

    /// Its methods; empty means every method.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.route.methods
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

    /// Leases the handler, for a call of [`CapabilityLease::handle`] with the returned request. Sets
    /// the request's `params`, and its `method` for a HEAD request.
    ///
    /// # Errors
    ///
    /// If the generation does not hold the handler: a route of the configuration may name a handler
    /// that is not loaded.
    pub fn into_call(
        self,
        mut request: Request,
    ) -> Result<(CapabilityLease<Handler>, Request), Error> {
        request.params = self.params;
        if self.head {
            request.method = "GET".into();
        }
        Ok((self.snapshot.lease_key(&self.route.value.key)?, request))
    }

    /// Answers the request. Sets its `params`, and its `method` for a HEAD request.
    ///
    /// # Errors
    /// If the handler gives no answer, or the generation does not hold it: a route of the
    /// configuration may name a handler that is not loaded.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this request; no other call notices.
    pub async fn handle(
        self,
        options: CallOptions<'_>,
        request: Request,
    ) -> Result<Response, Error> {
        let (handler, request) = self.into_call(request)?;
        Ok(handler.handle(options, request).await?)
    }
}
