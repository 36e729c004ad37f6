//! The listening sockets that this process inherits: of a service manager, by its protocol `sd_listen_fds(3)`, or by the
//! same protocol of a process that it replaces. Other systems have none.

use std::io;
#[cfg(unix)]
use std::os::{fd::OwnedFd, unix::net::UnixStream};

use plugbay::Config;
use plugbay_server::{Listeners, Sockets};

use crate::cli::failure::Failure;

/// The first descriptor of the inherited sockets.
#[cfg(unix)]
pub(super) const FIRST: i32 = 3;
/// What a process writes to its predecessor once it serves.
#[cfg(unix)]
pub(super) const SERVES: u8 = b'1';

/// What this process inherits.
#[derive(Default)]
pub(super) struct Inherited {
    sockets: Sockets,
    pub(super) predecessor: Option<Predecessor>,
}

/// The process that this one replaces.
pub(super) struct Predecessor {
    #[cfg(unix)]
    channel: UnixStream,
}

impl Inherited {
    /// Finds the sockets in the environment, and the predecessor on the standard input. Must be called before this
    /// process has other threads, because it changes the environment.
    #[cfg(unix)]
    pub(super) fn find(takes_over: bool) -> Result<Self, Failure> {
        let sockets = sockets().map_err(|error| {
            let hint = "each must be a stream socket that listens: ListenStream= in a socket unit";
            Failure::new(format!("inherited sockets (LISTEN_FDS): {error}")).hint(hint)
        })?;
        let predecessor = takes_over.then(Predecessor::find).transpose().map_err(|error| {
            Failure::usage(format!(
                "--take-over is only for a process that replaces itself: {error}"
            ))
        })?;
        Ok(Self { sockets, predecessor })
    }

    /// Nothing.
    #[cfg(not(unix))]
    pub(super) fn find(_: bool) -> Result<Self, Failure> {
        Ok(Self::default())
    }

    /// Binds the listeners, by inherited sockets where there are any.
    pub(super) fn bind(&mut self, config: &Config) -> Result<Listeners, Failure> {
        let listeners = Listeners::bind(config, &mut self.sockets)?;
        let unused: Vec<_> = self.sockets.addresses().iter().map(ToString::to_string).collect();
        if unused.is_empty() {
            return Ok(listeners);
        }
        let unused = unused.join(", ");
        if self.predecessor.is_none() {
            // Clients would connect, and wait for ever.
            return Err(Failure::usage(format!(
                "expected server.listen or admin.listen to name each inherited socket (LISTEN_FDS), found {unused} in neither"
            ))
            .hint("set server.listen to the address of the socket unit, such as \"[::]:8080\" for ListenStream=8080"));
        }
        tracing::info!("closing listeners that the configuration does not name any more: {unused}");
        self.sockets = Sockets::default();
        Ok(listeners)
    }
}

#[cfg(unix)]
fn sockets() -> io::Result<Sockets> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut found = listenfd::ListenFd::from_env();
    let mut sockets = Sockets::default();
    for index in 0..found.len() {
        let name = names.next().unwrap_or_default();
        let socket = match found.take_tcp_listener(index) {
            Ok(socket) => socket.map(OwnedFd::from),
            Err(_) => found.take_unix_listener(index)?.map(OwnedFd::from),
        };
        if let Some(socket) = socket {
            sockets.add(socket, name).map_err(io::Error::other)?;
        }
    }
    Ok(sockets)
}

impl Predecessor {
    /// Takes the channel from the standard input, which is empty from then on.
    #[cfg(unix)]
    fn find() -> io::Result<Self> {
        let channel = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST)?;
        // Fails unless it is a connected socket.
        rustix::net::getpeername(&channel)?;
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Ok(Self { channel: channel.into() })
    }

    /// Tells the predecessor that this process serves.
    #[cfg(unix)]
    pub(super) fn serves(mut self) -> io::Result<()> {
        io::Write::write_all(&mut self.channel, &[SERVES])
    }

    /// There is none.
    #[cfg(not(unix))]
    pub(super) fn serves(self) -> io::Result<()> {
        Ok(())
    }
}
