//! Binds the planes, serves, and stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use plugbay::config::{AdminSettings, ConnectionSettings, ListenAddress};
use plugbay::metrics::Collector;
use plugbay::{Config, Host, Liveness};
use tokio::runtime::{self, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::access::{Tokens, TokensCollector};
use crate::admin::AdminPlane;
use crate::audit::{AuditCollector, AuditLog};
use crate::bind_error::BindError;
use crate::data::DataPlane;
use crate::descriptors;
use crate::directory::HostedDirectory;
use crate::guests::Guests;
use crate::listener::{ADMIN, Bounds, ConnectionBounds, Handed, Listener, Plane, SERVER, Sockets};
use crate::listeners::Listeners;
use crate::log::LogTail;
use crate::shared::Shared;
use crate::tls::{Tls, TlsCollector};
use crate::upgrades::Upgrades;
use crate::watched;

/// How long answers close their connections before idle ones are closed: a request that is on its
/// way when the signal arrives is still accepted.
const LAME_DUCK: Duration = Duration::from_millis(250);
/// How long the admin plane's last answers may take.
const ADMIN_CLOSE: Duration = Duration::from_secs(1);

/// Planes whose listeners are bound. The admin plane answers; all other connections wait.
pub struct Listening {
    data: Vec<Listener>,
    apps: Vec<(Router, Listener)>,
    admin: Option<Admin>,
    /// Listeners of the admin plane that answer once the host is built.
    admin_later: Vec<Listener>,
    sockets: Vec<Handed>,
    /// The certificates of the planes.
    tls: Vec<Arc<Tls>>,
    /// Those of the admin plane.
    settings: AdminSettings,
    shared: Arc<Shared>,
    guests: Arc<Guests>,
}

/// Planes that are served.
pub struct Server {
    host: Host,
    /// The data plane's listeners and the application's.
    planes: Vec<Plane>,
    data_addresses: Vec<ListenAddress>,
    admin: Option<Admin>,
    /// For the process that will replace this one.
    sockets: Vec<Handed>,
    shared: Arc<Shared>,
}

/// The admin plane, on a runtime of its own: it answers even if the data plane is busy.
struct Admin {
    planes: Vec<Plane>,
    addresses: Vec<ListenAddress>,
    bounds: Bounds,
    runtime: AdminRuntime,
}

/// Ends the runtime in the background: a runtime must not be dropped on a thread of another one.
struct AdminRuntime(Option<Runtime>);

impl Drop for AdminRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The result of stopping a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections of the data plane, and of the application's routers, that were still busy at the deadline.
    pub cut_off: usize,
}

impl Server {
    /// Binds both planes where the configuration says. From now on the admin plane answers: not ready, and
    /// alive as long as `liveness` is, which is that of the [`Builder`](plugbay::Builder) of the host.
    ///
    /// Must be called in a tokio runtime, which then runs the data plane. Starts threads of its own
    /// for the admin plane, and for calls of plugins that take longer than a slice.
    ///
    /// # Errors
    ///
    /// If one of the addresses cannot be bound; the file of the admin plane's tokens, its audit log or a certificate
    /// cannot be used; the admin plane would listen beyond this machine without tokens and TLS; or no threads can be
    /// started.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(config: &Config, liveness: Liveness) -> Result<Listening, BindError> {
        Self::listen(Listeners::bind(config, &mut Sockets::default())?, liveness)
    }

    /// As [`Server::bind`], with listeners that are bound already.
    ///
    /// # Errors
    ///
    /// If no threads can be started, or a listener cannot be watched or its socket duplicated.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn listen(listeners: Listeners, liveness: Liveness) -> Result<Listening, BindError> {
        Self::take_over(listeners, liveness)?.with_admin()
    }

    /// As [`Server::listen`], but the admin plane answers only from [`Listening::serve`] on: until then that of the
    /// process that this one replaces does.
    ///
    /// # Errors
    ///
    /// As for [`Server::listen`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn take_over(listeners: Listeners, liveness: Liveness) -> Result<Listening, BindError> {
        let Listeners { data, admin, tls, tokens, audit, settings } = listeners;
        let mut listening = Self::with(liveness, tokens, audit, settings)?;
        for (key, listeners) in [(SERVER, &data), (ADMIN, &admin)] {
            for listener in listeners {
                let socket = listener.socket(key).map_err(BindError::Listener)?;
                listening.sockets.extend(socket);
            }
        }
        listening.data.extend(data);
        listening.admin_later.extend(admin);
        listening.shared.tokens.iter().for_each(watched::watch);
        tls.iter().for_each(watched::watch);
        listening.tls.extend(tls);
        Ok(listening)
    }

    /// A server without listeners; [`Listening`] adds them. Otherwise as [`Server::bind`].
    ///
    /// # Errors
    ///
    /// If no threads can be started.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn unbound(liveness: Liveness) -> Result<Listening, BindError> {
        Self::with(liveness, None, None, AdminSettings::default())
    }

    fn with(
        liveness: Liveness,
        tokens: Option<Arc<Tokens>>,
        audit: Option<Arc<AuditLog>>,
        settings: AdminSettings,
    ) -> Result<Listening, BindError> {
        let guests = Arc::new(Guests::start(&Handle::current()).map_err(BindError::Threads)?);
        let shared = Arc::new(Shared::new(liveness, tokens, audit, &settings));
        Ok(Listening {
            data: Vec::new(),
            apps: Vec::new(),
            admin: None,
            admin_later: Vec::new(),
            sockets: Vec::new(),
            tls: Vec::new(),
            settings,
            shared,
            guests,
        })
    }

    /// Where the data plane listens, with the ports that the system chose, in the order in which the listeners
    /// were added. Listeners of the application have no address here.
    #[must_use]
    pub fn data_addresses(&self) -> &[ListenAddress] {
        &self.data_addresses
    }

    /// Where the admin plane listens, likewise.
    #[must_use]
    pub fn admin_addresses(&self) -> &[ListenAddress] {
        addresses_of(self.admin.as_ref())
    }

    /// Shows the services of a directory in the admin plane. The first directory counts.
    pub fn show_services(&self, directory: &HostedDirectory) {
        if let Some(shown) = directory.shown() {
            let _ = self.shared.directory.set(shown);
        }
    }

    /// The host that serves.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Stops without losing an accepted request: answers new requests for a moment, stops
    /// listening, waits for requests in flight, then shuts the host down. `drain` bounds all of this; if
    /// calls use it up, the plugins' `shutdown` gets one second more.
    pub async fn stop(mut self, drain: Duration) -> Stopped {
        // As long as another descriptor of a socket is open, its port is not closed.
        self.sockets.clear();
        self.end(drain).await
    }

    /// The sockets of the planes and their names, for the [`Sockets`] of a process that will replace this one.
    /// Listeners of the application are not among them.
    #[cfg(unix)]
    pub fn sockets(&self) -> impl Iterator<Item = (std::os::fd::BorrowedFd<'_>, &str)> {
        use std::os::fd::AsFd as _;

        self.sockets.iter().map(|handed| (handed.socket.as_fd(), &*handed.name))
    }

    /// Stops as [`Server::stop`] does, except that another process serves [`Server::sockets`] from now on: this one
    /// accepts no further connections, and no client is refused.
    pub async fn hand_over(self, drain: Duration) -> Stopped {
        let admin = self.admin.iter().flat_map(|admin| &admin.planes);
        self.planes.iter().chain(admin).for_each(Plane::leave);
        self.shared.replaced.cancel();
        self.end(drain).await
    }

    async fn end(self, drain: Duration) -> Stopped {
        let deadline = Instant::now() + drain;
        self.shared.draining.cancel();
        tracing::info!(?drain, "stopping");
        let idle = async {
            for plane in &self.planes {
                plane.idle().await;
            }
        };
        // Ends early once no connection is open.
        let _ = tokio::time::timeout(LAME_DUCK.min(drain / 2), idle).await;
        let cut_off = close_all(self.planes, deadline).await;
        if cut_off > 0 {
            tracing::warn!(cut_off, "cut off connections that were busy at the drain deadline");
        }
        self.host.shutdown(deadline.saturating_duration_since(Instant::now())).await;
        self.shared.stopped.cancel();
        if let Some(Admin { planes, runtime, .. }) = self.admin {
            close_all(planes, Instant::now() + ADMIN_CLOSE).await;
            drop(runtime);
        }
        Stopped { cut_off }
    }
}

/// Closes all at the same time, so that they share the deadline. Returns how many connections were cut off.
async fn close_all(planes: Vec<Plane>, deadline: Instant) -> usize {
    let closing: JoinSet<usize> = planes.into_iter().map(|plane| plane.close(deadline)).collect();
    closing.join_all().await.into_iter().sum()
}

impl Listening {
    /// Lets the admin plane answer from now on.
    fn with_admin(mut self) -> Result<Self, BindError> {
        let admin = std::mem::take(&mut self.admin_later);
        admin.into_iter().try_fold(self, Self::admin)
    }

    /// Adds a listener of the data plane. All of them share the plane's limits of connections and bodies.
    #[must_use]
    pub fn data(mut self, listener: Listener) -> Self {
        self.data.push(listener);
        self
    }

    /// Adds a listener of the admin plane, which answers there from now on. Unless the configuration has tokens,
    /// everyone who reaches the plane may use it, and it answers only requests whose `Host` is a name of this machine:
    /// so the listener should be one to which only this machine can connect. Otherwise see [`Listening::app`].
    ///
    /// # Errors
    ///
    /// If no thread can be started, or the listener cannot be watched.
    pub fn admin(mut self, listener: Listener) -> Result<Self, BindError> {
        let admin = match self.admin.take() {
            Some(admin) => admin,
            None => Admin::start(&self.settings)?,
        };
        self.admin = Some(admin.with(listener, self.admin_plane().router())?);
        Ok(self)
    }

    /// Adds a listener for a router of the application, such as one that checks who may use
    /// [`Listening::admin_plane`]. It is served and stopped together with the data plane, and its connections are
    /// limited like those of the data plane.
    #[must_use]
    pub fn app(mut self, router: Router, listener: Listener) -> Self {
        self.apps.push((router, listener));
        self
    }

    /// Shows these lines of the log in the admin plane. The first tail counts.
    #[must_use]
    pub fn logs(self, tail: LogTail) -> Self {
        let _ = self.shared.logs.set(tail);
        self
    }

    /// Lets the admin plane ask the program to replace its process: `POST /v1/upgrade`. The first call counts.
    #[must_use]
    pub fn upgrades(self) -> (Self, Upgrades) {
        let (ask, requests) = Upgrades::new();
        let _ = self.shared.upgrades.set(ask);
        (self, requests)
    }

    /// The admin plane of this server, for a router of the application.
    #[must_use]
    pub fn admin_plane(&self) -> AdminPlane {
        AdminPlane::of(Arc::clone(&self.shared))
    }

    /// Where the data plane listens, as [`Server::data_addresses`].
    #[must_use]
    pub fn data_addresses(&self) -> Vec<ListenAddress> {
        self.data.iter().filter_map(Listener::address).cloned().collect()
    }

    /// Where the admin plane listens, likewise.
    #[must_use]
    pub fn admin_addresses(&self) -> &[ListenAddress] {
        addresses_of(self.admin.as_ref())
    }

    /// Opens the data plane, and serves the application's routers.
    ///
    /// # Errors
    ///
    /// If a listener cannot be watched.
    pub fn serve(mut self, host: Host) -> Result<Server, BindError> {
        self.shared.history.follow(&host, self.shared.stopped.clone());
        // Cannot be set already: only this function sets it, and it consumes `self`.
        let _ = self.shared.host.set(host.clone());
        self = self.with_admin()?;
        let data_addresses = self.data_addresses();
        let Self { data, apps, admin, sockets, tls, shared, guests, .. } = self;
        if let Some(tokens) = &shared.tokens {
            let collector = Arc::new(TokensCollector(Arc::clone(tokens)));
            register(&host, "admin-tokens", collector);
        }
        if let Some(audit) = &shared.audit {
            register(&host, "admin-audit", Arc::new(AuditCollector(Arc::clone(audit))));
        }
        for tls in &tls {
            tls.tell_to(host.event_sink());
        }
        if !tls.is_empty() {
            register(&host, "tls", Arc::new(TlsCollector(tls)));
        }
        let settings = host.clone();
        let wanted = settings.config().server.connections.max_connections as usize;
        let connections = descriptors::connections(wanted);
        if connections < wanted {
            tracing::warn!(
                connections,
                "few open descriptors allowed, so the data plane accepts fewer connections; raise the limit (ulimit -n)"
            );
        }
        let bounds = Bounds::new(connections, move || {
            let server = &settings.config().server;
            ConnectionBounds { timeout: server.timeout, settings: server.connections.clone() }
        });
        let plane = DataPlane::of(host.clone(), shared.draining.clone(), guests);
        // Likewise.
        let _ = shared.data.set(plane.clone());
        let mut planes = Vec::new();
        for listener in data {
            if let Some(address) = listener.address() {
                tracing::info!(%address, "data plane listening");
            }
            let opened = listener.open(plane.clone(), bounds.clone());
            planes.push(opened.map_err(BindError::Listener)?);
        }
        for (router, listener) in apps {
            let opened = listener.open(router, bounds.clone());
            planes.push(opened.map_err(BindError::Listener)?);
        }
        Ok(Server { host, planes, data_addresses, admin, sockets, shared })
    }
}

impl Admin {
    fn start(settings: &AdminSettings) -> Result<Self, BindError> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("plugbay-admin")
            .enable_all()
            .build();
        let runtime = AdminRuntime(Some(runtime.map_err(BindError::Threads)?));
        let (most, timeout) = (settings.max_connections, settings.timeout);
        // A reload may take long and is not bounded by the timeout.
        let each = ConnectionSettings {
            header_timeout: timeout,
            idle_timeout: timeout,
            ..Default::default()
        };
        let each = ConnectionBounds { timeout, settings: each };
        let bounds = Bounds::new(most as usize, move || each.clone());
        Ok(Self { planes: Vec::new(), addresses: Vec::new(), bounds, runtime })
    }

    fn with(mut self, listener: Listener, router: Router) -> Result<Self, BindError> {
        let address = listener.address().cloned();
        let plane = {
            // Sockets are served by the runtime in which they are opened.
            let _entered = self.runtime.0.as_ref().map(Runtime::enter);
            listener.open(router, self.bounds.clone()).map_err(BindError::Listener)?
        };
        if let Some(address) = address {
            tracing::info!(%address, "admin plane listening");
            self.addresses.push(address);
        }
        self.planes.push(plane);
        Ok(self)
    }
}

/// Adds the figures of this server to those of its host.
fn register(host: &Host, name: &str, figures: Arc<dyn Collector>) {
    // An application may have several servers of one host: the first one shows its figures.
    if let Err(error) = host.collectors().register(name, figures) {
        tracing::debug!(collector = name, %error, "figures are not shown");
    }
}

fn addresses_of(admin: Option<&Admin>) -> &[ListenAddress] {
    admin.map_or(&[], |admin| &admin.addresses)
}
