//! The memory that bodies hold, of requests and answers, over all connections.
//!
//! One body is bounded by `server.max_body`; thousands of them that arrive slowly, or that nobody reads,
//! are bounded here, by `server.max_buffered`. One client address holds half of it at most. What is small
//! is not counted: connections are counted, too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::StatusCode;

use crate::listener::Client;
use crate::problem::Problem;

/// What each body may hold beside the budget.
const FREE: usize = 16 << 10;

/// What all bodies hold.
#[derive(Default)]
pub(crate) struct Budget(Mutex<Held>);

#[derive(Default)]
struct Held {
    bytes: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// What one body holds, until it is dropped.
pub(super) struct Share {
    budget: Arc<Budget>,
    client: IpAddr,
    most: usize,
    bytes: usize,
}

impl Share {
    /// A share of a budget of `most` bytes, which holds nothing yet.
    pub(super) fn new(budget: &Arc<Budget>, Client(client): Client, most: usize) -> Self {
        Self { budget: Arc::clone(budget), client, most, bytes: 0 }
    }

    /// Takes or gives back, for a body of `size` bytes.
    ///
    /// # Errors
    ///
    /// A 503, if the budget has no room. The share holds what it held.
    pub(super) fn resize(&mut self, size: usize) -> Result<(), Problem> {
        let wanted = size.saturating_sub(FREE);
        if wanted == self.bytes {
            return Ok(());
        }
        let mut held = self.budget.lock();
        let Held { bytes, by_client } = &mut *held;
        let own = by_client.get(&self.client).copied().unwrap_or_default();
        let all_then = *bytes - self.bytes + wanted;
        let own_then = own - self.bytes + wanted;
        if wanted > self.bytes && (all_then > self.most || own_then > self.most / 2) {
            return Err(full(self.most));
        }
        *bytes = all_then;
        if own_then == 0 {
            by_client.remove(&self.client);
        } else {
            by_client.insert(self.client, own_then);
        }
        drop(held);
        self.bytes = wanted;
        Ok(())
    }

    /// An answer's bytes, which hold the share until they are written.
    pub(super) fn bytes(self, bytes: Vec<u8>) -> Bytes {
        if self.bytes == 0 { Bytes::from(bytes) } else { Bytes::from_owner(Answer(bytes, self)) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Giving back never fails.
        let _ = self.resize(0);
    }
}

struct Answer(Vec<u8>, #[expect(dead_code, reason = "dropped with the bytes")] Share);

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Budget {
    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(most: usize) -> Problem {
    let detail = format!(
        "expected room for the body among those of all connections, which hold {most} bytes at most \
         (server.max_buffered), half of that from one address"
    );
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Client {
        Client::of([127, 0, 0, last].into())
    }

    #[test]
    fn all_bodies_and_those_of_a_client_are_bounded() {
        let budget = Arc::<Budget>::default();
        let share = |last| Share::new(&budget, client(last), 100);
        let (mut one, mut two, mut three) = (share(1), share(1), share(2));
        assert!(one.resize(FREE + 30).is_ok() && two.resize(FREE + 20).is_ok());
        assert_eq!(two.resize(FREE + 21).unwrap_err().code(), "overloaded");
        assert!(two.resize(FREE).is_ok(), "small bodies are not counted");
        assert!(two.resize(FREE + 20).is_ok() && three.resize(FREE + 50).is_ok());
        assert!(share(3).resize(FREE + 1).is_err(), "all of it is held");
        drop(one.bytes(vec![0; FREE + 30]));
        drop((two, three));
        let held = budget.lock();
        assert_eq!((held.bytes, held.by_client.len()), (0, 0));
    }
}
