//! Limits the connections of each client address, so that one client cannot use them all.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// By its address. With IPv6, a client has a whole network of addresses (RFC 6177): all of a /64 count as one
    /// client.
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
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Counts the connections of each client.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    open: Arc<Mutex<HashMap<Client, usize>>>,
    most: usize,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    client: Client,
    addresses: Addresses,
}

impl Addresses {
    /// `most` is the maximum number of connections of one client.
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// Counts a connection; `None` if its client has the maximum already.
    pub(crate) fn count(&self, client: Client) -> Option<Counted> {
        if client == Client::Unknown {
            return Some(Counted { client, addresses: self.clone() });
        }
        let mut open = self.lock();
        let count = open.entry(client).or_default();
        if *count >= self.most {
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
        let addresses = Addresses::new(2);
        let client = |address: &str| Client::of(address.parse().unwrap());
        let held = [addresses.count(client("10.0.0.1")), addresses.count(client("10.0.0.1"))];
        assert!(held.iter().all(Option::is_some));
        assert!(addresses.count(client("10.0.0.1")).is_none());
        assert!(addresses.count(client("::ffff:10.0.0.1")).is_none(), "the same address");
        assert!(addresses.count(client("10.0.0.2")).is_some());
        drop(held);
        assert!(addresses.count(client("10.0.0.1")).is_some());
        assert!(addresses.lock().is_empty());
        let proxy: Vec<_> = (0..9).map(|_| addresses.count(Client::Unknown)).collect();
        assert!(proxy.iter().all(Option::is_some));
        assert_eq!(client("2001:db8::1"), client("2001:db8::2:0:0:1"), "one network");
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
    }
}
