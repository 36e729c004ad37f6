//! What serves an HTTP request: a route of the caller's snapshot, and the call of its handler.

use percent_encoding::percent_decode_str;
use plugbay_core::handler::{Handler, Request, Response};

use super::error::Error;
use super::options::CallOptions;
use super::snapshot::Snapshot;
use crate::set::Route;

impl Snapshot {
    /// Finds what serves an HTTP request. `path` is percent-encoded as it came, without the
    /// query.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> RouteMatch {
        let generation = &self.published.generation;
        let Some((routes, params)) = generation.router.at(path) else {
            return RouteMatch::NotFound;
        };
        let for_method = |method: &str| {
            routes
                .iter()
                .find(|route| route.methods.is_empty() || route.methods.iter().any(|m| m == method))
        };
        // A HEAD without a route of its own is a GET without its body (RFC 9110, section 9.3.2).
        let (route, head) = match for_method(method) {
            Some(route) => (Some(route), method == "HEAD" && route.methods.is_empty()),
            None if method == "HEAD" => (for_method("GET"), true),
            None => (None, false),
        };
        let Some(route) = route else {
            return RouteMatch::MethodNotAllowed { allow: allow(routes) };
        };
        let params = params.iter().map(|(name, value)| {
            (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned())
        });
        RouteMatch::Found(Routed {
            snapshot: self.clone(),
            handler: route.handler.clone(),
            pattern: route.path.clone(),
            params: params.collect(),
            head,
        })
    }
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
    pub async fn handle(
        self,
        options: CallOptions<'_>,
        mut request: Request,
    ) -> Result<Response, Error> {
        request.params = self.params;
        if self.head {
            request.method = "GET".into();
        }
        let leased = self.snapshot.lease::<Handler>(&self.handler)?;
        Ok(leased.handle(options, request).await?)
    }
}
