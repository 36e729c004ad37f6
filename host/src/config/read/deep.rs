//! Runs work on deeply nested input on a thread with a large stack.
//!
//! TOML's parser bounds the levels of brackets and the parts of a dotted key, but not their product:
//! a few hundred kilobytes make values that are thousands of levels deep, and already dropping one
//! overflows the stack of a worker thread, which ends the process. The same holds for compiling a
//! chain of references in a plugin's schema.

use std::thread;

/// The stack size: several times what the deepest input takes in a debug build. It is address
/// space; pages that are not touched cost nothing.
const STACK: usize = 64 << 20;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The work panicked: a bug, which must not end the host.
    Panicked,
    /// The system gave no thread.
    NoThread(std::io::Error),
}

/// Runs `work` on a new thread and waits for it.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Failed> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("plugbay-config".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(Failed::NoThread)?
            .join()
            .map_err(|_| Failed::Panicked)
    })
}
