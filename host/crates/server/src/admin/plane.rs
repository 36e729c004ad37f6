//! The admin plane without a listener, for an application that has an HTTP server of its own.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use plugbay::Host;

use super::guard::Hosts;
use super::router::router;
use crate::log::LogTail;
use crate::shared::Shared;

/// The admin plane of a host as an [`axum::Router`], for the application's own, at its root or below a prefix. Each
/// clone is the same plane.
///
/// The plane has no password: the application decides who may use it. Without
/// [`AdminPlane::allow_any_host`] it answers only requests whose `Host` is a name of this machine, so that a page in
/// a browser cannot reach it by a name of its own; requests of pages of another origin are always refused.
///
/// ```
/// use axum::{Router, routing::get};
/// use plugbay::Host;
/// use plugbay_server::{AdminPlane, DataPlane};
/// # use plugbay::Config;
/// # use tower::ServiceExt as _;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let host = Host::builder().config(config).watch(false).build().await?;
/// let app: Router = Router::new()
///     .route("/own", get(|| async { "mine" }))
///     .nest("/admin", AdminPlane::new(&host).router())
///     .fallback_service(DataPlane::new(host)?);
/// # let request = axum::http::Request::get("/admin/readyz").header("host", "localhost");
/// # let response = app.clone().oneshot(request.body(axum::body::Body::empty())?).await?;
/// # assert_eq!(response.status(), 200);
/// // axum::serve(listener, app)
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AdminPlane {
    shared: Arc<Shared>,
    hosts: Hosts,
}

impl AdminPlane {
    /// The admin plane of this host. Keeps the host's latest events from now on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(host: &Host) -> Self {
        let shared = Arc::new(Shared::new(host.liveness(), None, None, &host.config().admin));
        shared.history.follow(host, shared.stopped.clone());
        // Cannot be set already: it was just made.
        let _ = shared.host.set(host.clone());
        Self::of(shared)
    }

    /// The admin plane of a server.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        // A page in a browser has no token, so that it may reach the plane by any name.
        let hosts = if shared.tokens.is_some() { Hosts::Any } else { Hosts::Loopback };
        Self { shared, hosts }
    }

    /// Answers requests whatever their `Host` is: for applications that check themselves who may use the plane.
    #[must_use]
    pub fn allow_any_host(mut self) -> Self {
        self.hosts = Hosts::Any;
        self
    }

    /// Shows these lines of the log. The first tail counts.
    #[must_use]
    pub fn logs(self, tail: LogTail) -> Self {
        let _ = self.shared.logs.set(tail);
        self
    }

    /// The routes of the plane.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.shared), self.hosts)
    }

    /// Ends the event streams, and makes `/readyz` fail: for applications that stop, whose server would wait for the
    /// streams. Does nothing to the host.
    pub fn close(&self) {
        self.shared.draining.cancel();
        self.shared.stopped.cancel();
    }
}

impl fmt::Debug for AdminPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminPlane").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
