//! Runs the calls of plugins for requests, so that they do not block the threads that serve sockets.
//!
//! A call begins on the thread of its connection. Most calls end within microseconds, and moving them to
//! another thread and back would take longer than that. A guest yields at a tick of the epoch, at most one and
//! a half milliseconds later; if its call has not ended by then, it continues on a thread of [`queue`].
//! Those threads have a lower priority, and plugins take turns on them.
//!
//! A tick interrupts a guest. It does not interrupt the host while it copies a guest's large answer. So a request
//! with a large body does not begin on its connection's thread, and neither does one for a plugin whose calls
//! have held such a thread too long ([`hold`], [`slow`]).

mod hold;
mod queue;
mod slow;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_lite::future::poll_once;
use tokio::runtime::Handle;
use tracing::{Instrument as _, Span};

use self::hold::Hold;
use self::queue::Queue;
use self::slow::{Begins, Slow};

/// The largest body, in bytes, of a request that begins on its connection's thread, which copies it into
/// the guest.
const SMALL: usize = 64 << 10;

/// Runs the calls of requests.
pub(crate) struct Guests {
    queue: Queue,
    slow: Slow,
}

/// A call without an answer, because the threads ended.
#[derive(Debug)]
pub(crate) struct Lost;

impl Guests {
    /// Starts the threads. Timers and sockets of calls belong to `runtime`.
    ///
    /// # Errors
    ///
    /// If the operating system cannot start a thread.
    pub(crate) fn start(runtime: &Handle) -> io::Result<Self> {
        Ok(Self { queue: Queue::start(runtime)?, slow: Slow::default() })
    }

    /// Runs a call to its end. `plugin` is the name by which calls take turns, and `size` is the size of
    /// the request's body.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the call.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        plugin: &str,
        size: usize,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Lost> {
        let mut call = Box::pin(call);
        if size > SMALL {
            return self.queued(plugin, call).await;
        }
        let begins = self.slow.begins(plugin);
        if begins == Begins::Queued {
            let (answer, too_long) = self.queued(plugin, measured(call)).await?;
            self.slow.ended(plugin, begins, too_long);
            return Ok(answer);
        }
        let hold = Hold::begin();
        let answer = poll_once(&mut call).await;
        self.slow.ended(plugin, begins, hold.is_too_long());
        match answer {
            Some(answer) => Ok(answer),
            None => self.queued(plugin, call).await,
        }
    }

    async fn queued<T: Send + 'static>(
        &self,
        plugin: &str,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Lost> {
        self.queue.spawn(plugin, call.instrument(Span::current())).await.ok_or(Lost)
    }
}

/// Runs a call on the queue. Also returns whether it held a thread too long between two ticks.
async fn measured<T>(mut call: Pin<Box<impl Future<Output = T>>>) -> (T, bool) {
    let mut too_long = false;
    let answer = poll_fn(|context| {
        let hold = Hold::begin();
        let polled = call.as_mut().poll(context);
        too_long |= hold.is_too_long();
        polled
    });
    let answer = answer.await;
    (answer, too_long)
}
