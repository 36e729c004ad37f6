//! Threads for calls that take longer than a slice. Plugins take turns on them.
//!
//! A call that is ready to continue waits in its plugin's queue. The threads take one call of one plugin,
//! then one of the next. So a plugin with many calls that compute delays its own calls, not those of
//! others.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use async_task::{FallibleTask, Runnable};
use tokio::runtime::Handle;

/// The difference of the nice values of these threads and those that serve sockets. If both compete for a
/// processor, these get about a quarter of it.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// The threads, and the calls that wait for them.
pub(super) struct Queue(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    turns: Mutex<Turns>,
    ready: Condvar,
}

/// Calls that are ready to continue.
#[derive(Default)]
struct Turns {
    /// The queues of the plugins; none of them is empty.
    calls: HashMap<Arc<str>, VecDeque<Runnable>>,
    /// The plugins that have such calls, in the order of their turns.
    order: VecDeque<Arc<str>>,
    is_closed: bool,
}

impl Queue {
    /// Starts a thread for each core, and at least two, so that one remains if another is blocked.
    pub(super) fn start(runtime: &Handle) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for number in 0..cores.max(2) {
            let (waiting, runtime) = (Arc::clone(&queue.0), runtime.clone());
            let name = format!("plugbay-guest-{number}");
            thread::Builder::new().name(name).spawn(move || {
                // A linked handler may use timers and sockets of tokio, as on its connection's thread.
                let _entered = runtime.enter();
                waiting.run();
            })?;
        }
        Ok(queue)
    }

    /// Lets the threads run a call of the plugin. Dropping the task drops the call. The task has no result
    /// if the queue is dropped first.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        plugin: &str,
        call: impl Future<Output = T> + Send + 'static,
    ) -> FallibleTask<T> {
        let (waiting, plugin) = (Arc::downgrade(&self.0), Arc::<str>::from(plugin));
        let schedule = move |call| {
            if let Some(waiting) = waiting.upgrade() {
                waiting.add(&plugin, call);
            }
        };
        let builder = async_task::Builder::new().propagate_panic(true);
        let (call, task) = builder.spawn(|()| call, schedule);
        call.schedule();
        task.fallible()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.is_closed = true;
        // Dropping a call may wake another one, which takes the lock.
        let calls = std::mem::take(&mut turns.calls);
        turns.order.clear();
        drop(turns);
        drop(calls);
        self.0.ready.notify_all();
    }
}

impl Waiting {
    fn add(&self, plugin: &Arc<str>, call: Runnable) {
        let mut turns = self.lock();
        if turns.is_closed {
            drop(turns);
            return;
        }
        let Turns { calls, order, .. } = &mut *turns;
        let queue = calls.entry(Arc::clone(plugin)).or_insert_with(|| {
            order.push_back(Arc::clone(plugin));
            VecDeque::new()
        });
        queue.push_back(call);
        drop(turns);
        self.ready.notify_one();
    }

    fn run(&self) {
        lower_priority();
        while let Some(call) = self.next() {
            // A panic is propagated to the caller.
            call.run();
        }
    }

    /// Waits for the next call; `None` once the queue is closed.
    fn next(&self) -> Option<Runnable> {
        let mut turns = self.lock();
        loop {
            if turns.is_closed {
                return None;
            }
            if let Some(call) = turns.next() {
                return Some(call);
            }
            turns = self.ready.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn next(&mut self) -> Option<Runnable> {
        let plugin = self.order.pop_front()?;
        let queue = self.calls.get_mut(&plugin)?;
        let call = queue.pop_front();
        if queue.is_empty() {
            self.calls.remove(&plugin);
        } else {
            self.order.push_back(plugin);
        }
        call
    }
}

/// Lowers this thread's priority, on systems where threads have their own.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let nice = getpriority_process(None).unwrap_or(0).saturating_add(NICE).min(19);
        // An error only means that the priority stays.
        let _ = setpriority_process(None, nice);
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, yield_now};

    use super::*;

    fn turns() -> Arc<Mutex<Vec<&'static str>>> {
        Arc::default()
    }

    /// A queue without threads.
    fn idle() -> Queue {
        Queue(Arc::default())
    }

    #[test]
    fn plugins_take_turns() {
        let (queue, seen) = (idle(), turns());
        let call = |plugin: &'static str| {
            let seen = Arc::clone(&seen);
            queue.spawn(plugin, async move {
                for _ in 0..2 {
                    seen.lock().unwrap().push(plugin);
                    yield_now().await;
                }
            })
        };
        let tasks = [call("many"), call("many"), call("many"), call("one")];
        while let Some(call) = { queue.0.lock().next() } {
            call.run();
        }
        // While both have calls, they alternate.
        let expected = ["many", "one", "many", "one", "many", "many", "many", "many"];
        assert_eq!(*seen.lock().unwrap(), expected);
        for task in tasks {
            assert_eq!(block_on(task), Some(()));
        }
    }

    #[test]
    fn a_cancelled_call_is_dropped_and_a_panic_goes_to_the_caller() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let queue = Queue::start(runtime.handle()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let task = queue.spawn("a", async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        drop(task);
        assert!(receiver.recv().is_err(), "its future is dropped");
        let task = queue.spawn("a", async { panic!("the call panicked") });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(task)));
        assert!(caught.is_err());
        assert_eq!(block_on(queue.spawn("a", async { 7 })), Some(7), "the thread goes on");
    }

    #[test]
    fn a_call_may_use_the_timers_of_the_runtime() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        let runtime = runtime.unwrap();
        let queue = Queue::start(runtime.handle()).unwrap();
        let sleeps = queue.spawn("a", async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        });
        assert_eq!(block_on(sleeps), Some(()));
    }

    #[test]
    fn calls_end_with_the_queue() {
        let queue = idle();
        let task = queue.spawn("a", async {});
        drop(queue);
        assert_eq!(block_on(task), None);
    }
}
