//! Dedicated threads for the lifecycle calls of plugins: health checks, shutdown, freeing.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Runs `work` on a new thread, and sends its result. Plugins cannot use up such threads, unlike
/// the blocking threads of the async runtime, on which calls run; and a plugin that hangs delays no
/// other plugin.
///
/// The receiver fails if the work panics.
///
/// # Errors
///
/// If the system gives no thread.
pub(crate) fn spawn_dedicated<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (result, received) = oneshot::channel();
    thread::Builder::new().name(format!("plugbay-{name}")).spawn(move || {
        // The receiver may be gone.
        let _ = result.send(work());
    })?;
    Ok(received)
}
