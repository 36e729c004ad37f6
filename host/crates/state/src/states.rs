//! The states of all plugins, and the thread that keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::{Answer, Operation, Request, StateError, Store, StoreError};

/// The most requests of one transaction.
const BATCH: usize = 256;

/// Makes the store, on its thread.
type Open = Box<dyn FnOnce() -> Result<Box<dyn Store>, StoreError> + Send>;

/// The states of all plugins. Clones share them.
#[derive(Clone)]
pub struct States {
    shared: Arc<Shared>,
}

struct Shared {
    /// What begins when the first request comes: a host without state makes no thread and no file.
    phase: Mutex<Phase>,
    figures: Mutex<BTreeMap<Arc<str>, Figures>>,
}

enum Phase {
    Idle(Option<Open>),
    Running(Sender<Job>),
    /// Its thread could not be started.
    Failed(StoreError),
}

/// What was counted of one plugin since the host's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Operations that returned an answer.
    pub operations: u64,
    /// Operations that were refused or failed.
    pub errors: u64,
    /// Bytes of values that were read.
    pub read: u64,
    /// Bytes of values that were written.
    pub written: u64,
}

/// A request, and who waits for its answer.
struct Job {
    request: Request,
    done: oneshot::Sender<Result<Answer, StateError>>,
    /// What the caller holds as long as the request is somewhere here, even if the caller has gone.
    _held: Box<dyn Send>,
}

impl States {
    /// States in this store.
    #[must_use]
    pub fn of(store: impl Store) -> Self {
        Self::opened_by(|| Ok(Box::new(store) as Box<dyn Store>))
    }

    /// States in the store that `open` opens when the first request comes.
    #[must_use]
    pub fn opened_by(
        open: impl FnOnce() -> Result<Box<dyn Store>, StoreError> + Send + 'static,
    ) -> Self {
        let phase = Mutex::new(Phase::Idle(Some(Box::new(open))));
        Self { shared: Arc::new(Shared { phase, figures: Mutex::default() }) }
    }

    /// Carries out a request. When the future is ready with an answer, the store has kept the change.
    ///
    /// # Errors
    ///
    /// If the request is refused or the store failed. Nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the operation happens or does not.
    pub async fn run(&self, request: Request) -> Result<Answer, StateError> {
        self.run_holding(request, ()).await
    }

    /// As [`States::run`]. `held` is dropped once the request is no longer here, which may be after this future: a
    /// permit in it bounds how many requests wait for a slow store.
    ///
    /// # Errors
    ///
    /// As for [`States::run`].
    pub async fn run_holding(
        &self,
        request: Request,
        held: impl Send + 'static,
    ) -> Result<Answer, StateError> {
        let (plugin, written) = (Arc::clone(&request.plugin), request.operation.written());
        let answer = self.ask(request, Box::new(held)).await;
        self.count(plugin, &answer, written);
        answer
    }

    async fn ask(&self, request: Request, held: Box<dyn Send>) -> Result<Answer, StateError> {
        request.check()?;
        let (done, answered) = oneshot::channel();
        self.sender()?.send(Job { request, done, _held: held }).map_err(|_| StoreError::ended())?;
        answered.await.unwrap_or_else(|_| Err(StoreError::ended().into()))
    }

    /// Counts an operation that its host refused before it became a request.
    pub fn count_refused(&self, plugin: &Arc<str>) {
        let mut figures = self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.entry(Arc::clone(plugin)).or_default().errors += 1;
    }

    /// What was counted of each plugin that has used its state.
    #[must_use]
    pub fn figures(&self) -> Vec<(Arc<str>, Figures)> {
        let figures = self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.iter().map(|(plugin, it)| (Arc::clone(plugin), *it)).collect()
    }

    fn count(&self, plugin: Arc<str>, answer: &Result<Answer, StateError>, written: u64) {
        let mut figures = self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = figures.entry(plugin).or_default();
        match answer {
            Ok(answer) => {
                figures.operations += 1;
                if let Answer::Values(values) = answer {
                    figures.read += values.iter().flatten().map(|it| it.len() as u64).sum::<u64>();
                }
                if !matches!(answer, Answer::Bool(false)) {
                    figures.written += written;
                }
            }
            Err(_) => figures.errors += 1,
        }
    }

    /// The way to the thread, which begins with the first request.
    fn sender(&self) -> Result<Sender<Job>, StoreError> {
        let mut phase = self.shared.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if let Phase::Idle(open) = &mut *phase {
            let open = open.take().ok_or_else(StoreError::ended)?;
            let (sender, jobs) = channel();
            let started = thread::Builder::new()
                .name("plugbay-state".into())
                .spawn(move || serve(open, &jobs));
            *phase = match started {
                Ok(_) => Phase::Running(sender),
                Err(error) => Phase::Failed(StoreError {
                    reason: "no-thread",
                    message: format!(
                        "cannot start the thread that keeps the plugins' states: {error}"
                    ),
                }),
            };
        }
        match &*phase {
            Phase::Running(sender) => Ok(sender.clone()),
            Phase::Failed(error) => Err(error.clone()),
            Phase::Idle(_) => Err(StoreError::ended()),
        }
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").finish_non_exhaustive()
    }
}

impl Operation {
    /// The bytes of values that it writes.
    fn written(&self) -> u64 {
        match self {
            Self::Set(entries) => entries.iter().map(|(_, value)| value.len() as u64).sum(),
            Self::Swap { value, .. } => value.len() as u64,
            _ => 0,
        }
    }
}

/// The thread: it ends when no [`States`] is left.
fn serve(open: Open, jobs: &Receiver<Job>) {
    let mut store = match open() {
        Ok(store) => store,
        Err(error) => {
            // Each caller is told why, now and later.
            for job in jobs {
                let _ = job.done.send(Err(error.clone().into()));
            }
            return;
        }
    };
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(BATCH - 1));
        // Nobody waits for these any more.
        batch.retain(|job| !job.done.is_closed());
        match transact(&mut *store, &batch) {
            // One of the requests may be at fault: the disk may have room for all but it.
            Err(_) if batch.len() > 1 => {
                for job in batch {
                    let alone = std::slice::from_ref(&job);
                    let answers = transact(&mut *store, alone);
                    reply(vec![job], answers);
                }
            }
            answers => reply(batch, answers),
        }
    }
}

/// Carries out requests in one transaction. The answers are true once it is committed, and none is given before.
fn transact(
    store: &mut dyn Store,
    jobs: &[Job],
) -> Result<Vec<Result<Answer, StateError>>, StoreError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    store.begin()?;
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let answer = store.run(&job.request);
        if let Err(StateError::Store(error)) = answer {
            store.roll_back();
            return Err(error);
        }
        answers.push(answer);
    }
    store.commit()?;
    Ok(answers)
}

fn reply(jobs: Vec<Job>, answers: Result<Vec<Result<Answer, StateError>>, StoreError>) {
    match answers {
        Ok(answers) => {
            for (job, answer) in jobs.into_iter().zip(answers) {
                // The caller may have gone meanwhile.
                let _ = job.done.send(answer);
            }
        }
        Err(error) => {
            for job in jobs {
                let _ = job.done.send(Err(error.clone().into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;
    use crate::{MemoryStore, Quota};

    #[test]
    fn what_a_request_holds_stays_as_long_as_it_waits_although_its_caller_has_gone() {
        let (go, wait) = channel::<()>();
        let states = States::opened_by(move || {
            // A disk that hangs.
            let _ = wait.recv();
            Ok(Box::new(MemoryStore::default()) as Box<dyn Store>)
        });
        let held = Arc::new(());
        let request = Request {
            plugin: "counter".into(),
            bucket: "".into(),
            quota: Quota { keys: 1, value: 1, total: 9, answer: 1 },
            operation: Operation::Set(vec![("a".into(), vec![1])]),
        };
        let mut call = Box::pin(states.run_holding(request, Arc::clone(&held)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(call);
        assert_eq!(Arc::strong_count(&held), 2);
        go.send(()).unwrap();
        while Arc::strong_count(&held) > 1 {
            thread::yield_now();
        }
    }
}
