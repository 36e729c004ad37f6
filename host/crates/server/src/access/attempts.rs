//! How many wrong tokens of one client are answered one by one.
//!
//! A token has 256 random bits, so that no number of attempts finds one. The limit keeps a client that tries from
//! filling the log, and from costing more than a short answer. A right token is accepted at any time: otherwise
//! a program that shares an address with the operator, such as one on the same machine, could lock the operator out.

use std::sync::atomic::{AtomicU64, Ordering};

use plugbay::config::Rate;

use crate::listener::Client;
use crate::rate::Limiter;

/// The most clients that are told apart.
const MAX_CLIENTS: usize = 10_000;

/// Counts the wrong tokens of each client.
pub(crate) struct Attempts {
    limiter: Limiter<Client>,
    wrong: AtomicU64,
}

impl Attempts {
    /// At most as many wrong tokens of each client are answered one by one.
    pub(crate) fn new(rate: Rate) -> Self {
        Self { limiter: Limiter::new(rate, MAX_CLIENTS), wrong: AtomicU64::new(0) }
    }

    /// Counts a wrong token of this client; whether it had as many as allowed before.
    pub(crate) fn is_one_too_many(&self, client: Client) -> bool {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        // So many clients at the same time are one attack: those that are not known yet are not told apart.
        let standing = self.limiter.count(&client.counted(), &Client::Unknown);
        standing.is_some_and(|it| it.wait.is_some())
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
        let attempts = Attempts::new("10/1m".parse().unwrap());
        let client = |address: &str| Client::of(address.parse().unwrap());
        let one: Vec<_> = (0..12).map(|_| attempts.is_one_too_many(client("10.0.0.1"))).collect();
        assert_eq!(one.iter().filter(|it| !**it).count(), 10, "{one:?}");
        assert!(!attempts.is_one_too_many(client("10.0.0.2")));
        assert!(!attempts.is_one_too_many(Client::Unknown));
    }
}
