//! Threads for what plugins are asked beside their calls.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Does this on a thread of its own, and says what came of it. Plugins cannot use such threads up,
/// as they can the blocking threads of the async runtime, on which calls run; and whoever hangs
/// there holds up nobody else.
///
/// The answer fails to come if the work panics.
///
/// # Errors
///
/// If the system gives no thread.
pub(crate) fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (answer, answered) = oneshot::channel();
    thread::Builder::new().name(format!("plugbay-{name}")).spawn(move || {
        // Whoever asked may have gone.
        let _ = answer.send(work());
    })?;
    Ok(answered)
}
