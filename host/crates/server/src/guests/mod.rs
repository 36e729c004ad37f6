//! Where plugins run while they answer requests: not for long on a thread that serves sockets.
//!
//! A call begins on the thread of its connection. Most calls end within microseconds, and two changes of
//! the thread would take longer than they do. A guest gives way at the next tick of the epoch, which is a
//! millisecond away at most; if its call is not over by then, it goes on on a thread of [`queue`]. Those
//! threads leave the processor to the others, and plugins take turns on them.
//!
//! A tick stops what a guest computes. It does not stop the host while that copies a guest's large answer,
//! or the arguments of a call of the host. So a request with a large body does not begin on its connection's
//! thread, and neither does one for a plugin whose calls have held such a thread for too long ([`slow`]).

mod queue;
mod slow;

use std::io;
use std::time::Instant;

use futures_lite::future::poll_once;
use tracing::{Instrument as _, Span};

use self::queue::Queue;
use self::slow::Slow;

/// The largest body, in bytes, of a request that begins on its connection's thread: it is copied into the
/// guest there.
const SMALL: usize = 64 << 10;

/// Runs the calls of requests.
pub(crate) struct Guests {
    queue: Queue,
    slow: Slow,
}

/// The call was lost with the threads that would have run it.
#[derive(Debug)]
pub(crate) struct Lost;

impl Guests {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { queue: Queue::start()?, slow: Slow::default() })
    }

    /// Runs a call to its end. `plugin` is the name of whom it takes a turn from, and `size` is that of the
    /// request's body.
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
        if size <= SMALL && !self.slow.holds(plugin) {
            let began = Instant::now();
            let answer = poll_once(&mut call).await;
            self.slow.note(plugin, began.elapsed());
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        self.queue.spawn(plugin, call.instrument(Span::current())).await.ok_or(Lost)
    }
}
