//! One timer for each thread of the process.
//!
//! A timer of the whole process would send one signal at a time, however many processors compute; and it would
//! interrupt the thread that happens to run then. The timer of a thread counts the time of that thread alone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::signal::ThreadTimer;

/// Lists the threads of this process.
const TASKS: &str = "/proc/self/task";

/// The threads of the process, each with its timer while it lives.
pub(super) struct Threads {
    period: Duration,
    own: i32,
    known: BTreeMap<i32, Thread>,
    /// Why the latest thread without a timer has none.
    failed: Option<io::Error>,
}

struct Thread {
    name: Arc<str>,
    /// `None` if there was an error, or the thread has ended.
    timer: Option<ThreadTimer>,
}

impl Threads {
    /// Without the calling thread, which records the profile.
    pub(super) fn new(period: Duration) -> Self {
        // The link `/proc/thread-self` leads to `PROCESS/task/THREAD`.
        let own = std::fs::read_link("/proc/thread-self").ok();
        let own = own.and_then(|path| path.file_name()?.to_str()?.parse().ok()).unwrap_or_default();
        Self { period, own, known: BTreeMap::new(), failed: None }
    }

    /// Starts timers for new threads, and deletes those of threads that have ended.
    ///
    /// # Errors
    ///
    /// If the threads cannot be listed.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let mut there = Vec::new();
        for task in std::fs::read_dir(TASKS)? {
            there.extend(task?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
        }
        there.sort_unstable();
        for (id, thread) in &mut self.known {
            if there.binary_search(id).is_err() {
                thread.timer = None;
            }
        }
        for id in there {
            let is_known = self.known.get(&id).is_some_and(|thread| thread.timer.is_some());
            if id == self.own || is_known {
                continue;
            }
            let timer = match ThreadTimer::start(id, self.period) {
                Ok(timer) => Some(timer),
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => continue,
                Err(error) => {
                    self.failed = Some(error);
                    None
                }
            };
            self.known.insert(id, Thread { name: name_of(id), timer });
        }
        Ok(())
    }

    /// Deletes all timers.
    pub(super) fn stop(&mut self) {
        for (id, thread) in &mut self.known {
            // A thread gives itself its name after it was started.
            if thread.timer.take().is_some() {
                let name = name_of(*id);
                if !name.is_empty() {
                    thread.name = name;
                }
            }
        }
    }

    /// The name of a thread, also of one that has ended.
    pub(super) fn name(&self, id: usize) -> Arc<str> {
        let thread = i32::try_from(id).ok().and_then(|id| self.known.get(&id));
        thread.map_or_else(|| Arc::from(""), |thread| Arc::clone(&thread.name))
    }

    /// Why not every thread has a timer.
    pub(super) fn failed(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }

    /// Why no thread has a timer, if the system gave none.
    pub(super) fn take_refusal(&mut self) -> Option<io::Error> {
        let any = self.known.values().any(|thread| thread.timer.is_some());
        if any { None } else { self.failed.take() }
    }
}

/// The name that the system knows for a thread; empty if it has ended.
fn name_of(id: i32) -> Arc<str> {
    let name = std::fs::read_to_string(format!("{TASKS}/{id}/comm")).unwrap_or_default();
    Arc::from(name.trim_end())
}
