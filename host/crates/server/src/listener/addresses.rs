//! Limits the connections of each client address, so that one client cannot use them all.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// By its address; an IPv4 address is never in the form of IPv6.
    Address(IpAddr),
    /// One without an address, such as that of a Unix socket. It may be a proxy that speaks for many, and has no
    /// limits of its own.
    Unknown,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Client {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }

    /// Its address, if it has one.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Unknown => None,
        }
    }

    /// What counts as one client, for limits. With IPv6, a client has a whole network of addresses (RFC 6177): all of a
    /// /64.
    pub(crate) fn counted(self) -> Self {
        match self {
            Self::Address(IpAddr::V6(address)) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
                Self::Address(network.into())
            }
            other => other,
        }
    }
}

/// Counts the connections of each client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    open: Arc<Mutex<HashMap<Client, usize>>>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    client: Client,
    addresses: Addresses,
}

impl Addresses {
    /// Counts a connection; `None` if its client has `most` already.
    pub(crate) fn count(&self, client: Client, most: usize) -> Option<Counted> {
        let client = client.counted();
        if client == Client::Unknown {
            return Some(Counted { client, addresses: self.clone() });
        }
        let mut open = self.lock();
        let count = open.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Counted { client, addresses: self.clone() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Client, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.addresses.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_leaves_connections_for_the_others() {
        let addresses = Addresses::default();
        let client = |address: &str| Client::of(address.parse().unwrap());
        let held = [addresses.count(client("10.0.0.1"), 2), addresses.count(client("10.0.0.1"), 2)];
        assert!(held.iter().all(Option::is_some));
        assert!(addresses.count(client("10.0.0.1"), 2).is_none());
        assert!(addresses.count(client("::ffff:10.0.0.1"), 2).is_none(), "the same address");
        assert!(addresses.count(client("10.0.0.2"), 2).is_some());
        drop(held);
        assert!(addresses.count(client("10.0.0.1"), 2).is_some());
        assert!(addresses.lock().is_empty());
        let proxy: Vec<_> = (0..9).map(|_| addresses.count(Client::Unknown, 2)).collect();
        assert!(proxy.iter().all(Option::is_some));
        let counted = |address| client(address).counted();
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::2:0:0:1"), "one network");
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
    }
}
