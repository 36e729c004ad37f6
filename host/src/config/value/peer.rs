//! Who connects: `"10.0.0.0/8"`, `"192.0.2.7"`, or `"unix"` for processes that come over a Unix socket.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

const UNIX: &str = "unix";

/// A network of clients, or those without an address.
///
/// ```
/// use plugbay::config::Peer;
///
/// let network: Peer = "10.0.0.0/8".parse()?;
/// assert!(network.holds(Some([10, 1, 2, 3].into())) && !network.holds(None));
/// assert!("unix".parse::<Peer>()?.holds(None));
/// # Ok::<(), plugbay::config::PeerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// The addresses of a network. An IPv4 address in the form of IPv6 counts as IPv4.
    Network(IpNet),
    /// Processes of this machine that come over a Unix socket.
    Unix,
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a network such as \"10.0.0.0/8\", an address, or \"unix\"")]
pub struct PeerError;

impl Peer {
    /// Whether a client is one of these; `None` is one that came over a Unix socket.
    #[must_use]
    pub fn holds(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Network(network), Some(address)) => network.contains(&address.to_canonical()),
            (Self::Unix, None) => true,
            _ => false,
        }
    }
}

impl FromStr for Peer {
    type Err = PeerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == UNIX {
            return Ok(Self::Unix);
        }
        let network: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse().map_err(|_| PeerError)?,
        };
        // A network whose address has bits beyond its prefix is more probably a mistake than a wish.
        if network.addr() == network.network() {
            Ok(Self::Network(network))
        } else {
            Err(PeerError)
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str(UNIX),
        }
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses() {
        let holds = |peer: &str, address: &str| {
            peer.parse::<Peer>().unwrap().holds(Some(address.parse().unwrap()))
        };
        assert!(holds("10.0.0.0/8", "10.9.8.7") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "the same address");
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("2001:db8::/32", "2001:db8::1") && !holds("2001:db8::/32", "10.0.0.1"));
        assert!(!holds("unix", "127.0.0.1") && holds("0.0.0.0/0", "127.0.0.1"));
        for bad in ["", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "UNIX", "::1/64"] {
            assert_eq!(bad.parse::<Peer>(), Err(PeerError), "{bad}");
        }
    }
}
