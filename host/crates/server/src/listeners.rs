//! Binds the listeners of both planes, and reads what secures them: certificates, tokens, the audit log.

use std::path::PathBuf;
use std::sync::Arc;

use plugbay::Config;
use plugbay::config::{AdminSettings, ListenAddress, TlsSettings};

use crate::access::Tokens;
use crate::audit::AuditLog;
use crate::bind_error::BindError;
use crate::listener::{ADMIN, Listener, SERVER, Sockets};
use crate::tls::Tls;

/// The listeners of both planes, bound and not served yet: clients can connect, and wait. See
/// [`Server::listen`](crate::Server::listen).
pub struct Listeners {
    pub(crate) data: Vec<Listener>,
    pub(crate) admin: Vec<Listener>,
    /// The certificates of the planes.
    pub(crate) tls: Vec<Arc<Tls>>,
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) audit: Option<Arc<AuditLog>>,
    /// Those of the admin plane.
    pub(crate) settings: AdminSettings,
}

impl Listeners {
    /// Binds both planes where the configuration says. An address of one of the inherited `sockets` uses that
    /// socket; those that are left belong to no address of the configuration.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`](crate::Server::bind), except for threads.
    pub fn bind(config: &Config, sockets: &mut Sockets) -> Result<Self, BindError> {
        let AdminSettings { enabled, listen, tokens, audit, tls, .. } = &config.admin;
        if let Some(address) = config.admin.exposed() {
            return Err(BindError::Exposed(address.clone()));
        }
        let named = |file: &PathBuf| *enabled && !file.as_os_str().is_empty();
        let tokens = named(tokens)
            .then(|| Tokens::read(tokens.clone(), config.admin.attempt_rate))
            .transpose()?;
        let audit = named(audit).then(|| AuditLog::open(audit.clone())).transpose()?;
        let data_tls = read_tls("server", "server.tls", config.server.tls.as_ref())?;
        let admin_tls = read_tls("admin", "admin.tls", tls.as_ref().filter(|_| *enabled))?;
        let mut bind_all =
            |key, addresses: &[ListenAddress], bind: Bind, tls: Option<&Arc<Tls>>| {
                let one =
                    |address: &ListenAddress| {
                        let bound = Listener::inherit(sockets, key, address, bind);
                        bound.map(|listener| listener.tls(tls)).map_err(|source| {
                            BindError::Address { key, address: address.clone(), source }
                        })
                    };
                addresses.iter().map(one).collect::<Result<_, _>>()
            };
        let admin = if *enabled { &**listen } else { &[] };
        Ok(Self {
            data: bind_all(SERVER, &config.server.listen, Listener::bind, data_tls.as_ref())?,
            admin: bind_all(ADMIN, admin, bind_admin, admin_tls.as_ref())?,
            tls: [data_tls, admin_tls].into_iter().flatten().collect(),
            tokens: tokens.map(Arc::new),
            audit: audit.map(Arc::new),
            settings: config.admin.clone(),
        })
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data, admin, .. } = self;
        f.debug_struct("Listeners")
            .field("data", data)
            .field("admin", admin)
            .finish_non_exhaustive()
    }
}

/// Listens on an address.
type Bind = fn(&ListenAddress) -> std::io::Result<Listener>;

/// As [`Listener::bind`], but only the socket's owner may connect.
fn bind_admin(address: &ListenAddress) -> std::io::Result<Listener> {
    match address {
        #[cfg(unix)]
        ListenAddress::Unix(path) => Listener::unix(path, 0o600),
        other => Listener::bind(other),
    }
}

/// The certificate of a plane, if it has one.
fn read_tls(
    plane: &'static str,
    key: &'static str,
    files: Option<&TlsSettings>,
) -> Result<Option<Arc<Tls>>, BindError> {
    let Some(files) = files else { return Ok(None) };
    let read = Tls::read(plane, files.clone());
    read.map(|tls| Some(Arc::new(tls))).map_err(|source| BindError::Tls { key, source })
}
