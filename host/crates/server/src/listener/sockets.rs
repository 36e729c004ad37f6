//! Listening sockets that this process inherits: of a service manager, or of the process that it replaces.

use std::fmt;
use std::net::SocketAddr;

use plugbay::config::ListenAddress;
use socket2::Socket;

/// The key of the data plane's addresses, and the name of their sockets.
pub(crate) const SERVER: &str = "server.listen";
/// The key of the admin plane's addresses, and the name of their sockets.
pub(crate) const ADMIN: &str = "admin.listen";

/// Listening sockets that were bound by another process. A [`Listener`](super::Listener) that is bound to the
/// address of one of them uses that socket, in whose queue no connection is lost while processes change.
#[derive(Default)]
pub struct Sockets(Vec<Inherited>);

/// A listening socket that another process bound.
pub(super) struct Inherited {
    address: ListenAddress,
    pub(super) socket: Socket,
    name: String,
}

/// A descriptor that is no listening socket.
#[derive(Debug, thiserror::Error)]
#[error("expected a listening TCP or Unix socket as descriptor {descriptor}, found {found}")]
pub struct NotListening {
    descriptor: i32,
    found: String,
}

impl Sockets {
    /// Adds a listening socket. Its name is that of [`Server::sockets`](crate::Server::sockets) if a server hands it
    /// over, which has stopped or will. With any other name a service manager holds it, too, and keeps it open when
    /// this process stops.
    ///
    /// # Errors
    ///
    /// If it is not a listening socket of TCP, or a Unix socket with a path.
    #[cfg(unix)]
    pub fn add(
        &mut self,
        socket: impl Into<std::os::fd::OwnedFd>,
        name: &str,
    ) -> Result<(), NotListening> {
        use std::os::fd::AsRawFd as _;

        let socket = Socket::from(socket.into());
        let not_listening = |found: String| NotListening { descriptor: socket.as_raw_fd(), found };
        match socket.is_listener() {
            Ok(true) => {}
            Ok(false) => return Err(not_listening("a socket that does not listen".into())),
            Err(error) => return Err(not_listening(error.to_string())),
        }
        let address = socket.local_addr().map_err(|error| not_listening(error.to_string()))?;
        let address = match (address.as_socket(), address.as_pathname()) {
            (Some(address), _) => ListenAddress::Tcp(address),
            (None, Some(path)) => ListenAddress::Unix(path.to_owned()),
            (None, None) => return Err(not_listening("another kind of address".into())),
        };
        socket.set_nonblocking(true).map_err(|error| not_listening(error.to_string()))?;
        self.0.push(Inherited { address, socket, name: name.to_owned() });
        Ok(())
    }

    /// The addresses of the sockets that no listener has taken.
    #[must_use]
    pub fn addresses(&self) -> Vec<&ListenAddress> {
        self.0.iter().map(|it| &it.address).collect()
    }

    /// Takes the socket of this address of a key of the configuration. A port of 0 takes one that a server bound for
    /// that key, with the same IP address.
    pub(super) fn take(&mut self, key: &str, address: &ListenAddress) -> Option<Inherited> {
        let at = self.0.iter().position(|it| match (address.tcp(), it.address.tcp()) {
            (Some(any), Some(bound)) if any.port() == 0 => any.ip() == bound.ip() && it.name == key,
            _ => *address == it.address,
        })?;
        Some(self.0.remove(at))
    }
}

impl Inherited {
    /// The port, if it is one.
    pub(super) fn tcp(&self) -> Option<SocketAddr> {
        self.address.tcp()
    }

    /// The name that a service manager gave it; `None` if a server handed it over.
    pub(super) fn manager(&self) -> Option<String> {
        let is_handed_over = [SERVER, ADMIN].contains(&&*self.name);
        (!is_handed_over).then(|| self.name.clone())
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|it| it.address.to_string())).finish()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn bound(sockets: &mut Sockets, name: &str) -> ListenAddress {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        sockets.add(listener, name).unwrap();
        address.into()
    }

    #[test]
    fn a_socket_is_taken_by_its_address_once() {
        let mut sockets = Sockets::default();
        let (first, second) = (bound(&mut sockets, ADMIN), bound(&mut sockets, "web.socket"));
        assert_eq!(sockets.addresses(), [&first, &second]);
        let taken = sockets.take(SERVER, &second).unwrap();
        assert_eq!(taken.manager().as_deref(), Some("web.socket"));
        assert!(sockets.take(SERVER, &second).is_none());
        assert!(sockets.take(SERVER, &"unix:/run/a.sock".parse().unwrap()).is_none());
        assert_eq!(sockets.addresses(), [&first]);
    }

    #[test]
    fn a_port_of_zero_takes_a_socket_of_its_own_key() {
        let mut sockets = Sockets::default();
        bound(&mut sockets, "web.socket");
        let (admin, data) = (bound(&mut sockets, ADMIN), bound(&mut sockets, SERVER));
        let any = "127.0.0.1:0".parse().unwrap();
        assert!(sockets.take(SERVER, &"127.0.0.2:0".parse().unwrap()).is_none());
        let taken = sockets.take(SERVER, &any).unwrap();
        assert_eq!((taken.tcp(), taken.manager()), (data.tcp(), None));
        assert!(sockets.take(SERVER, &any).is_none());
        assert_eq!(sockets.take(ADMIN, &any).unwrap().tcp(), admin.tcp());
    }

    #[test]
    fn other_descriptors_are_refused() {
        let mut sockets = Sockets::default();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = sockets.add(udp, SERVER).unwrap_err().to_string();
        assert!(error.ends_with("found a socket that does not listen"), "{error}");
        let file = tempfile::tempfile().unwrap();
        assert!(sockets.add(file, SERVER).is_err());
        assert!(sockets.addresses().is_empty());
    }
}
