//! How many wrong tokens of one client are answered one by one.
//!
//! A token has 256 random bits, so that no number of attempts finds one. The limit keeps a client that tries from
//! filling the log, and from costing more than a short answer. A right token is accepted at any time: otherwise
//! a program that shares an address with the operator, such as one on the same machine, could lock the operator out.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::listener::Client;

/// The attempts at once.
const BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The attempts a minute after that.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The most clients that are told apart.
const MAX_CLIENTS: usize = 10_000;

/// Counts the wrong tokens of each client.
pub(crate) struct Attempts {
    limiter: DefaultKeyedRateLimiter<Client>,
    wrong: AtomicU64,
}

impl Default for Attempts {
    fn default() -> Self {
        let quota = Quota::per_minute(PER_MINUTE).allow_burst(BURST);
        Self { limiter: RateLimiter::keyed(quota), wrong: AtomicU64::new(0) }
    }
}

impl Attempts {
    /// Counts a wrong token of this client; whether it had as many as allowed before.
    pub(crate) fn is_one_too_many(&self, client: Client) -> bool {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        if self.limiter.len() >= MAX_CLIENTS {
            self.limiter.retain_recent();
            if self.limiter.len() >= MAX_CLIENTS {
                // So many at the same time are one attack: those that are not known yet are not told apart.
                return true;
            }
        }
        self.limiter.check_key(&client).is_err()
    }

    /// The wrong tokens of all clients.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_does_not_use_up_the_attempts_of_another() {
        let attempts = Attempts::default();
        let client = |address: &str| Client::of(address.parse().unwrap());
        let one: Vec<_> = (0..12).map(|_| attempts.is_one_too_many(client("10.0.0.1"))).collect();
        assert_eq!(one.iter().filter(|it| !**it).count(), 10, "{one:?}");
        assert!(!attempts.is_one_too_many(client("10.0.0.2")));
        assert!(!attempts.is_one_too_many(Client::Unknown));
    }

    #[test]
    fn many_clients_do_not_fill_the_memory() {
        let attempts = Attempts::default();
        for number in 0..u32::try_from(MAX_CLIENTS).unwrap() + 100 {
            attempts.is_one_too_many(Client::of(std::net::Ipv4Addr::from_bits(number).into()));
        }
        assert!(attempts.limiter.len() <= MAX_CLIENTS);
    }
}
