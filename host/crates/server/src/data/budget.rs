//! The memory of all bodies, of requests and answers, over all connections.
//!
//! `server.max_body` limits one body. `server.max_buffered` limits the sum of all bodies here: thousands
//! of them may arrive slowly, or wait for clients that do not read. The bodies of one client address may
//! have half of it. Small bodies are not counted, because the number of connections is limited, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::StatusCode;

use crate::listener::Client;
use crate::problem::Problem;

/// The part of each body that is not counted, in bytes.
const UNCOUNTED: usize = 16 << 10;

/// The bytes that all bodies hold.
#[derive(Default)]
pub(crate) struct Budget(Mutex<Held>);

#[derive(Default)]
struct Held {
    bytes: usize,
    by_client: HashMap<Client, usize>,
}

/// The bytes of one body, counted until this is dropped.
pub(super) struct Share {
    budget: Arc<Budget>,
    client: Client,
    most: usize,
    bytes: usize,
}

impl Share {
    /// An empty share of a budget of `most` bytes.
    pub(super) fn new(budget: &Arc<Budget>, client: Client, most: usize) -> Self {
        Self { budget: Arc::clone(budget), client: client.counted(), most, bytes: 0 }
    }

    /// Counts a body of `size` bytes instead of its earlier size.
    ///
    /// # Errors
    ///
    /// A 503, if the budget has no room; the share stays as it is.
    pub(super) fn resize(&mut self, size: usize) -> Result<(), Problem> {
        let wanted = size.saturating_sub(UNCOUNTED);
        if wanted == self.bytes {
            return Ok(());
        }
        let mut held = self.budget.lock();
        let Held { bytes, by_client } = &mut *held;
        let own = by_client.get(&self.client).copied().unwrap_or_default();
        let all_then = *bytes - self.bytes + wanted;
        let own_then = own - self.bytes + wanted;
        let most_of_one = if self.client == Client::Unknown { self.most } else { self.most / 2 };
        if wanted > self.bytes && (all_then > self.most || own_then > most_of_one) {
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

    /// The bytes of an answer, which are counted until they are written.
    pub(super) fn bytes(self, bytes: Vec<u8>) -> Bytes {
        if self.bytes == 0 { Bytes::from(bytes) } else { Bytes::from_owner(Answer(bytes, self)) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A smaller size never fails.
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
        assert!(one.resize(UNCOUNTED + 30).is_ok() && two.resize(UNCOUNTED + 20).is_ok());
        assert_eq!(two.resize(UNCOUNTED + 21).unwrap_err().code(), "overloaded");
        assert!(two.resize(UNCOUNTED).is_ok(), "small bodies are not counted");
        assert!(two.resize(UNCOUNTED + 20).is_ok() && three.resize(UNCOUNTED + 50).is_ok());
        assert!(share(3).resize(UNCOUNTED + 1).is_err(), "all of it is held");
        drop(one.bytes(vec![0; UNCOUNTED + 30]));
        drop((two, three));
        let held = budget.lock();
        assert_eq!((held.bytes, held.by_client.len()), (0, 0));
    }
}
