//! Where a plane listens: `"127.0.0.1:7070"`, or `"unix:/run/plugbay.sock"`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The prefix of the path of a Unix socket.
const UNIX: &str = "unix:";
/// The longest path of a socket, in bytes, on all systems.
const MAX_PATH: usize = 103;

/// Where a plane listens.
///
/// ```
/// use plugbay::config::ListenAddress;
///
/// let socket: ListenAddress = "unix:/run/plugbay.sock".parse()?;
/// assert_eq!(socket, ListenAddress::Unix("/run/plugbay.sock".into()));
/// let port: ListenAddress = "127.0.0.1:7070".parse()?;
/// assert_eq!(port.to_string(), "127.0.0.1:7070");
/// # Ok::<(), plugbay::config::ListenAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddress {
    /// An IP address and a TCP port.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenAddressError {
    /// It is no address and port.
    #[error("expected an IP address and a port, or `unix:` and a path")]
    Address,
    /// The path of the socket is relative.
    #[error("expected an absolute path after `unix:`")]
    Relative,
    /// The path of the socket is too long for the system.
    #[error("expected at most {MAX_PATH} bytes after `unix:`")]
    Long,
}

impl ListenAddress {
    /// The IP address and port, if it has one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only processes of this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }

    /// Whether the system chooses the port.
    #[must_use]
    pub fn is_any_port(&self) -> bool {
        self.tcp().is_some_and(|address| address.port() == 0)
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Tcp).map_err(|_| ListenAddressError::Address);
        };
        match Path::new(path) {
            it if !it.is_absolute() || path.contains('\0') => Err(ListenAddressError::Relative),
            _ if path.len() > MAX_PATH => Err(ListenAddressError::Long),
            it => Ok(Self::Unix(it.to_owned())),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Writes addresses as in the file: one as a text, several as a list.
pub(crate) fn serialize<S: Serializer>(
    addresses: &[ListenAddress],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match addresses {
        [only] => only.serialize(serializer),
        several => several.serialize(serializer),
    }
}

/// Addresses, for people.
pub(crate) fn show(addresses: &[ListenAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
