//! A listener that is bound and not served yet.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener as AxumListener;
use plugbay::config::ListenAddress;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use super::sockets::Sockets;
#[cfg(unix)]
use super::source::UnixSource;
use super::source::{Accept, ForeignSource};
#[cfg(unix)]
use super::unix::SocketFile;
use super::{Answers, Bounds, Plane};
use crate::tls::Tls;

/// The length of the kernel's queue of connections, if the system's own limit allows it.
const BACKLOG: i32 = 4096;

/// Where a plane gets its connections from: a port, a Unix socket, or a listener of the application, for
/// example for TLS. From now on clients can connect; they wait until a [`Server`](crate::Server) serves it.
///
/// ```
/// use plugbay_server::Listener;
///
/// let port = Listener::tcp(([127, 0, 0, 1], 0).into())?;
/// println!("{}", port.address().unwrap()); // 127.0.0.1:39121
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Listener {
    address: Option<ListenAddress>,
    bound: Bound,
    /// The name of the socket at a service manager that keeps it open when this process stops.
    manager: Option<String>,
    tls: Option<Arc<Tls>>,
}

enum Bound {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    /// The file is a service manager's if there is none here.
    Unix(Option<SocketFile>, std::os::unix::net::UnixListener),
    Foreign(Box<dyn Accept>),
}

impl Listener {
    /// Listens on an address. A Unix socket may be connected to by its owner and group (mode 0660).
    ///
    /// # Errors
    ///
    /// If the operating system refuses it; see [`Listener::unix`].
    pub fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => Self::tcp(*address),
            #[cfg(unix)]
            ListenAddress::Unix(path) => Self::unix(path, 0o660),
            other => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("expected an address that this system supports, found {other}"),
            )),
        }
    }

    /// Listens on a port; on one that the system chooses if it is 0.
    ///
    /// # Errors
    ///
    /// If the operating system refuses it.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // The kernel may still hold connections of a server that was just stopped.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = std::net::TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok(Self::own(address.into(), Bound::Tcp(listener)))
    }

    fn own(address: ListenAddress, bound: Bound) -> Self {
        Self { address: Some(address), bound, manager: None, tls: None }
    }

    /// Listens on a Unix socket, to which processes may connect that `mode` allows to write to its file, such as
    /// `0o600`. The file is removed when the server stops, and when this is dropped.
    ///
    /// # Errors
    ///
    /// If the operating system refuses it; if a process listens there already; or if there is another file. A
    /// socket that an earlier process left is replaced.
    #[cfg(unix)]
    pub fn unix(path: &std::path::Path, mode: u32) -> io::Result<Self> {
        let (socket, file) = super::unix::bind(path, mode, BACKLOG)?;
        let bound = Bound::Unix(Some(file), socket.into());
        Ok(Self::own(ListenAddress::Unix(path.to_owned()), bound))
    }

    /// Listens on this address of a key of the configuration by an inherited socket, if there is one of it, and
    /// otherwise by `bind`.
    pub(crate) fn inherit(
        sockets: &mut Sockets,
        key: &str,
        address: &ListenAddress,
        bind: impl FnOnce(&ListenAddress) -> io::Result<Self>,
    ) -> io::Result<Self> {
        let Some(inherited) = sockets.take(key, address) else { return bind(address) };
        let (tcp, manager) = (inherited.tcp(), inherited.manager());
        let socket = inherited.socket;
        match (tcp, address) {
            (Some(address), _) => {
                let bound = Bound::Tcp(socket.into());
                Ok(Self { manager, ..Self::own(address.into(), bound) })
            }
            #[cfg(unix)]
            (None, ListenAddress::Unix(path)) => {
                let file = manager.is_none().then(|| SocketFile::of(path)).transpose()?;
                let bound = Bound::Unix(file, socket.into());
                Ok(Self { manager, ..Self::own(address.clone(), bound) })
            }
            _ => bind(address),
        }
    }

    /// Another descriptor of its socket, for the process that will replace this one; `None` for a listener of the
    /// application.
    pub(crate) fn socket(&self, key: &'static str) -> io::Result<Option<Handed>> {
        let socket = match &self.bound {
            Bound::Tcp(listener) => listener.try_clone()?.into(),
            #[cfg(unix)]
            Bound::Unix(_, listener) => listener.try_clone()?.into(),
            Bound::Foreign(_) => return Ok(None),
        };
        let name = self.manager.clone().map_or(Cow::Borrowed(key), Cow::Owned);
        Ok(Some(Handed { socket, name }))
    }

    /// A listener of the application. Its connections have the limits of all connections, but the server sees of
    /// them only bytes, and of their clients the address if that is a [`SocketAddr`].
    #[must_use]
    pub fn of(listener: impl AxumListener) -> Self {
        Self { address: None, bound: Bound::Foreign(Box::new(listener)), manager: None, tls: None }
    }

    /// Speaks TLS, if this is a port. A Unix socket needs none: only processes of this machine reach it.
    pub(crate) fn tls(mut self, tls: Option<&Arc<Tls>>) -> Self {
        if matches!(self.bound, Bound::Tcp(_)) {
            self.tls = tls.cloned();
        }
        self
    }

    /// The address, with the chosen port if it was 0; `None` for a listener of the application.
    #[must_use]
    pub fn address(&self) -> Option<&ListenAddress> {
        self.address.as_ref()
    }

    /// Serves it in the current runtime.
    ///
    /// # Errors
    ///
    /// If the runtime cannot watch it.
    pub(crate) fn open(self, answers: impl Answers, bounds: Bounds) -> io::Result<Plane> {
        let tls = self.tls;
        let plane = match self.bound {
            Bound::Tcp(listener) => {
                Plane::open(TcpListener::from_std(listener)?, answers, tls, bounds)
            }
            #[cfg(unix)]
            Bound::Unix(file, listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                Plane::open(UnixSource { file, listener }, answers, tls, bounds)
            }
            Bound::Foreign(listener) => Plane::open(ForeignSource(listener), answers, tls, bounds),
        };
        if self.manager.is_some() {
            plane.leave_port();
        }
        Ok(plane)
    }
}

/// A socket for the process that will replace this one.
pub(crate) struct Handed {
    pub(crate) socket: Socket,
    pub(crate) name: Cow<'static, str>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}
