//! The neighbour, a plugin that is called all the time during an attack.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Site, request, until};

/// The deadline of the neighbour's calls. Far more than a call takes on a busy machine, and less
/// than a plugin may spin in `describe`.
pub(crate) const DEADLINE: Duration = Duration::from_secs(4);

/// The minimum number of the neighbour's calls during an attack.
const CALLS: u64 = 100;

/// The results of the neighbour's calls.
pub(crate) struct Watch {
    over: AtomicBool,
    answered: AtomicU64,
    slowest: Mutex<Duration>,
    failed: Mutex<Option<String>>,
}

impl Watch {
    /// Calls the neighbour's codec and its handler, each on a separate thread, for as long as
    /// `attack` takes and at least a hundred times. Panics unless every call succeeded within
    /// the neighbour's deadline.
    pub(crate) fn during<R>(site: &Site, attack: impl FnOnce() -> R) -> R {
        let watch = Self {
            over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            slowest: Mutex::default(),
            failed: Mutex::default(),
        };
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                let codec = site.codec("neighbour").unwrap();
                watch.repeat(|| match codec.encode_document(b"in") {
                    Ok(answer) => Ok(answer == b"inhere"),
                    Err(error) => Err(error.to_string()),
                });
            });
            scope.spawn(|| {
                let handler = site.handler("neighbour").unwrap();
                let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
                watch.repeat(|| match tokio.block_on(handler.handle(request("in"))) {
                    Ok(answer) => Ok(answer.body == b"inhere"),
                    Err(error) => Err(error.to_string()),
                });
            });
            // The two threads end even if the attack panics.
            let _end = End(&watch.over);
            let result = attack();
            watch.wait_for_calls();
            result
        });
        assert_eq!(*watch.failed.lock().unwrap(), None);
        let slowest = *watch.slowest.lock().unwrap();
        assert!(slowest < DEADLINE, "a call of the neighbour took {slowest:?}");
        result
    }

    fn repeat(&self, mut call: impl FnMut() -> Result<bool, String>) {
        while !self.over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let answer = call();
            let took = began.elapsed();
            let mut slowest = self.slowest.lock().unwrap();
            *slowest = took.max(*slowest);
            if answer != Ok(true) {
                *self.failed.lock().unwrap() = Some(format!("{answer:?} after {took:?}"));
                return;
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wait_for_calls(&self) {
        until("calls of the neighbour", || {
            self.answered.load(Ordering::Relaxed) >= CALLS || self.failed.lock().unwrap().is_some()
        });
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
