//! A fence with two sides that cost differently.
//!
//! Two threads that each write one place and then read the other's need a fence between the two
//! steps, or both can miss what the other one wrote. Here one of the two threads does this in every
//! call, and the other one only when an entry is closed. So the first side, *light*, is a fence for the
//! compiler only, and the second side, [`heavy`], makes the system run a full fence on every processor
//! that runs a thread of this process (`membarrier`, "private expedited").
//!
//! What callers may conclude: while `heavy` runs, each other thread executes one sequentially consistent
//! fence, at some point between two of its steps. So for each other thread, its steps before its light
//! side are visible to the steps after `heavy`, or its steps after the light side see what came before
//! `heavy`.
//!
//! Where the system has no such call, the light side has to be a sequentially consistent fence, which
//! gives the same: `counts.rs` chooses, by [`is_asymmetric`]. loom knows nothing of `membarrier`, so its
//! models run with such fences on both sides.

#[cfg(not(all(loom, test)))]
pub(super) use self::system::{heavy, is_asymmetric};

#[cfg(not(all(loom, test)))]
mod system {
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::atomic::fence;

    /// Whether a fence for the compiler is enough for the light side. Found out once in a process:
    /// registering a process that has threads can take milliseconds.
    pub(in super::super) fn is_asymmetric() -> bool {
        static WORKS: OnceLock<bool> = OnceLock::new();
        *WORKS.get_or_init(|| membarrier::register() && membarrier::fence_all_threads())
    }

    /// The side of the one who waits for others. Returns false if the system refuses what it granted
    /// before, for example because a filter of system calls was installed: then nothing can be
    /// concluded.
    #[must_use = "without the fence nothing can be concluded"]
    pub(in super::super) fn heavy() -> bool {
        fence(SeqCst);
        let fenced = !is_asymmetric()
            || membarrier::fence_all_threads()
            // The child of a fork may have to register again.
            || (membarrier::register() && membarrier::fence_all_threads());
        fence(SeqCst);
        fenced
    }

    #[cfg(target_os = "linux")]
    mod membarrier {
        use rustix::thread::{MembarrierCommand, membarrier};

        pub(super) fn register() -> bool {
            membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
        }

        pub(super) fn fence_all_threads() -> bool {
            membarrier(MembarrierCommand::PrivateExpedited).is_ok()
        }
    }

    #[cfg(not(target_os = "linux"))]
    mod membarrier {
        pub(super) fn register() -> bool {
            false
        }

        pub(super) fn fence_all_threads() -> bool {
            false
        }
    }
}

#[cfg(all(loom, test))]
#[must_use = "without the fence nothing can be concluded"]
pub(super) fn heavy() -> bool {
    use loom::sync::atomic::{Ordering::SeqCst, fence};
    fence(SeqCst);
    true
}
