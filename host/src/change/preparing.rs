//! Prepares artifacts: each on a thread of its own, in the background.
//!
//! To compile or to describe an artifact may take minutes. So a reconciliation does not wait for it: it
//! begins to prepare new artifacts, and goes on with those that are ready. Each artifact that becomes
//! ready wakes the reconciler.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::trace::{ActiveSpan, SpanKind, attributes};
use plugbay_core::{Correlation, Refusal};

use super::catch_panic::Runtimes;
use super::prepare::{Key, Ready, prepare};
use super::source::ArtifactSource;

/// An artifact that takes longer than this to prepare is slow, or hostile, and no longer counts as one of
/// the `workers`: another one begins beside it.
const SLOW: Duration = Duration::from_secs(1);
/// The maximum number of artifacts that are prepared at the same time, the slow ones included.
const MAX_THREADS: usize = 32;
/// The maximum size of all artifacts that are prepared at the same time, in bytes. A larger one is
/// prepared alone.
const MAX_BYTES: u64 = 512 << 20;

/// The artifacts that were prepared since the last reconciliation. Those that a reconciliation found
/// together are taken over together, as far as they are ready within a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// There are none.
    Empty,
    /// Others are expected within this time.
    Held(Duration),
    /// They are to be taken over.
    Ready,
}

/// The result of preparing an artifact.
pub(super) struct Done {
    pub(super) key: Key,
    /// An outer error means that the file changed meanwhile, and nothing is known about its digest.
    pub(super) ready: Result<Result<Ready, Refusal>, Refusal>,
    pub(super) took: Duration,
}

/// The artifacts that are being prepared.
pub(super) struct Preparing(Arc<Shared>);

struct Shared {
    runtimes: Runtimes,
    /// Wakes the reconciler.
    wake: Box<dyn Fn() + Send + Sync>,
    work: Mutex<Work>,
    ended: Condvar,
}

#[derive(Default)]
struct Work {
    queue: VecDeque<(Key, ArtifactSource)>,
    running: HashMap<Key, Running>,
    /// The reconciliations that wait for them, if their spans are recorded.
    causes: HashMap<Key, Arc<Correlation>>,
    /// How many of them may be quicker than [`SLOW`].
    workers: usize,
    threads: usize,
    done: Vec<Done>,
    /// When the first of these results was there.
    first_done: Option<Instant>,
    is_stopped: bool,
}

struct Running {
    began: Instant,
    bytes: u64,
}

impl Preparing {
    /// `wake` is called after each artifact.
    pub(super) fn new(runtimes: Runtimes, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            runtimes,
            wake: Box::new(wake),
            work: Mutex::default(),
            ended: Condvar::new(),
        }))
    }

    /// Begins to prepare an artifact, unless it is being prepared already. At most `workers` that are
    /// not slow are prepared at the same time. `cause` is the reconciliation that needs it, if its spans are
    /// recorded. Returns whether it was begun now.
    pub(super) fn begin(
        &self,
        key: Key,
        source: &ArtifactSource,
        workers: usize,
        cause: Option<&Arc<Correlation>>,
    ) -> bool {
        let mut work = self.0.lock();
        work.workers = workers.max(1);
        // A result that was not taken yet counts, or the artifact would be prepared twice.
        let is_done = work.done.iter().any(|done| done.key == key);
        if is_done || work.has(&key) || work.is_stopped {
            return false;
        }
        work.queue.push_back((key, source.clone()));
        work.causes.extend(cause.map(|cause| (key, Arc::clone(cause))));
        if work.threads >= MAX_THREADS {
            return true;
        }
        work.threads += 1;
        drop(work);
        let shared = Arc::clone(&self.0);
        let spawned = thread::Builder::new().name("plugbay-prepare".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run()
        });
        if spawned.is_err() {
            // Without threads, artifacts are prepared on the caller's.
            shared.run();
        }
        true
    }

    /// Whether the artifact is being prepared, or its result was not taken yet.
    pub(super) fn has(&self, key: &Key) -> bool {
        let work = self.0.lock();
        work.has(key) || work.done.iter().any(|done| done.key == *key)
    }

    /// Waits until these artifacts are prepared, for `time` at most. Returns whether they are.
    pub(super) fn wait_for(&self, keys: &BTreeSet<Key>, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut work = self.0.lock();
        while keys.iter().any(|key| work.has(key)) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || work.is_stopped {
                return false;
            }
            let waited = self.0.ended.wait_timeout(work, left);
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Drops the artifacts that are not wanted any more and have not begun.
    pub(super) fn keep_only(&self, wanted: &BTreeSet<Key>) {
        let mut work = self.0.lock();
        work.queue.retain(|(key, _)| wanted.contains(key));
        work.causes.retain(|key, _| wanted.contains(key));
    }

    /// Takes the results since the last call.
    pub(super) fn take_done(&self) -> Vec<Done> {
        let mut work = self.0.lock();
        work.first_done = None;
        std::mem::take(&mut work.done)
    }

    /// The results that were not taken yet: whether to wait for others, so that artifacts which were
    /// found together change together.
    pub(super) fn batch(&self) -> Batch {
        self.0.lock().batch(Instant::now())
    }

    /// Waits until all artifacts are prepared, or none became ready for `patience`. `progress` is called
    /// several times a second; the wait ends if it returns false.
    pub(super) fn wait(&self, patience: Duration, progress: impl Fn() -> bool) {
        const CHECK: Duration = Duration::from_millis(100);
        let mut work = self.0.lock();
        let (mut ended, mut since) = (work.done.len(), Instant::now());
        while !(work.queue.is_empty() && work.running.is_empty()) && since.elapsed() < patience {
            let waited = self.0.ended.wait_timeout(work, CHECK);
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
            if work.done.len() > ended {
                (ended, since) = (work.done.len(), Instant::now());
            }
            if !progress() {
                return;
            }
        }
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        let mut work = self.0.lock();
        work.is_stopped = true;
        work.queue.clear();
    }
}

impl Shared {
    fn run(&self) {
        while let Some((key, source)) = self.next() {
            let began = Instant::now();
            let span = self.begin_span(&key, &source);
            let artifact = source.artifact();
            let ready = artifact.map(|artifact| prepare(&self.runtimes, &artifact, key.1));
            if let Some(span) = span {
                end_span(span, &ready);
            }
            let mut work = self.lock();
            work.running.remove(&key);
            work.done.push(Done { key, ready, took: began.elapsed() });
            work.first_done.get_or_insert_with(Instant::now);
            drop(work);
            self.ended.notify_all();
            (self.wake)();
        }
    }

    fn begin_span(&self, key: &Key, source: &ArtifactSource) -> Option<ActiveSpan> {
        let cause = self.lock().causes.remove(key)?;
        let mut span = cause.begin(SpanKind::Internal, || "prepare".into())?;
        span.set(attributes::ARTIFACT, source.source().to_string());
        Some(span)
    }

    /// The next artifact for which there is room; `None` ends the thread.
    fn next(&self) -> Option<(Key, ArtifactSource)> {
        let mut work = self.lock();
        loop {
            if work.queue.is_empty() {
                work.threads -= 1;
                return None;
            }
            let now = Instant::now();
            if let Some((key, source)) = work.take(now) {
                work.running.insert(key, Running { began: now, bytes: source.size() });
                return Some((key, source));
            }
            // There is room again when one ends, or becomes slow.
            let waited = self.ended.wait_timeout(work, SLOW);
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_span(mut span: ActiveSpan, ready: &Result<Result<Ready, Refusal>, Refusal>) {
    match ready {
        Ok(Ok(_)) => span.set(attributes::OUTCOME, "prepared"),
        Ok(Err(refusal)) | Err(refusal) => {
            span.set(attributes::OUTCOME, refusal.reason.as_str());
            span.fail(refusal.reason.as_str(), refusal.message.clone());
        }
    }
    span.end();
}

impl Work {
    fn has(&self, key: &Key) -> bool {
        self.running.contains_key(key) || self.queue.iter().any(|(queued, _)| queued == key)
    }

    fn batch(&self, now: Instant) -> Batch {
        let Some(first) = self.first_done else { return Batch::Empty };
        // The slow ones are not waited for.
        let slow_at = self.running.values().map(|it| it.began + SLOW).max();
        let quick_until = if self.queue.is_empty() { slow_at } else { Some(first + SLOW) };
        let until = quick_until.map_or(now, |it| it.min(first + SLOW));
        if until <= now { Batch::Ready } else { Batch::Held(until.duration_since(now)) }
    }

    /// Takes the first artifact of the queue that may begin now.
    fn take(&mut self, now: Instant) -> Option<(Key, ArtifactSource)> {
        let quick = self.running.values().filter(|it| now.duration_since(it.began) < SLOW).count();
        if quick >= self.workers {
            return None;
        }
        let held: u64 = self.running.values().map(|it| it.bytes).sum();
        let fits =
            |(_, source): &(Key, ArtifactSource)| held == 0 || held + source.size() <= MAX_BYTES;
        let at = self.queue.iter().position(fits)?;
        self.queue.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use plugbay_core::{Artifact, Digest, Isolation, Source};

    use super::*;

    /// An artifact of this size, as the queue holds it.
    fn queued(name: &str, bytes: usize) -> (Key, ArtifactSource) {
        let artifact = Artifact::new(Source::Linked(name.into()), vec![0; bytes]);
        ((Digest::of(name.as_bytes()), Isolation::Refuse), ArtifactSource::Given(artifact))
    }

    fn began(work: &mut Work, name: &str, at: Instant, bytes: u64) {
        let key = (Digest::of(name.as_bytes()), Isolation::Refuse);
        work.running.insert(key, Running { began: at, bytes });
    }

    #[test]
    fn a_slow_artifact_does_not_delay_others() {
        let mut work = Work { workers: 2, ..Work::default() };
        let now = Instant::now();
        work.queue.extend([queued("a", 1), queued("b", 1), queued("c", 1)]);
        began(&mut work, "x", now, 1);
        assert!(work.take(now).is_some());
        began(&mut work, "a", now, 1);
        assert!(work.take(now).is_none(), "two at the same time");
        assert!(work.take(now + SLOW).is_some(), "both are slow by now");
    }

    #[test]
    fn a_large_artifact_lets_smaller_ones_pass() {
        let mut work = Work { workers: 8, ..Work::default() };
        let now = Instant::now();
        work.queue.extend([queued("large", 2), queued("small", 1)]);
        began(&mut work, "x", now, MAX_BYTES - 1);
        let (key, _) = work.take(now).expect("the small one fits");
        assert_eq!(key.0, Digest::of(b"small"));
        assert!(work.take(now).is_none());
        work.running.clear();
        assert!(work.take(now).is_some(), "alone it may be of any size");
    }

    #[test]
    fn results_wait_a_moment_for_those_of_other_artifacts() {
        let began_at = Instant::now();
        let (mut work, now) = (Work::default(), began_at + SLOW);
        let soon = Duration::from_millis(1);
        assert_eq!(work.batch(now), Batch::Empty);
        work.first_done = Some(now);
        assert_eq!(work.batch(now), Batch::Ready, "it is the only one");
        began(&mut work, "slow", began_at, 1);
        assert_eq!(work.batch(now), Batch::Ready, "nothing waits for a slow one");
        began(&mut work, "quick", began_at + soon, 1);
        assert_eq!(work.batch(now), Batch::Held(soon), "it may be ready soon");
        assert_eq!(work.batch(now + soon), Batch::Ready, "it is slow, too");
        work.queue.push_back(queued("next", 1));
        assert_eq!(work.batch(now), Batch::Held(SLOW));
        assert_eq!(work.batch(now + SLOW), Batch::Ready, "others come later");
    }

    #[test]
    fn each_artifact_wakes_the_reconciler_once() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let preparing = Preparing::new(Arc::new([]), move || sender.send(()).unwrap());
        let all = [queued("a", 1), queued("b", 1)];
        for (key, source) in &all {
            preparing.begin(*key, source, 1, None);
            preparing.begin(*key, source, 1, None);
        }
        receiver.recv().unwrap();
        receiver.recv().unwrap();
        preparing.wait(Duration::from_mins(1), || true);
        let done = preparing.take_done();
        assert_eq!(done.len(), 2, "each once");
        // No runtime knows them.
        assert!(done.iter().all(|done| matches!(done.ready, Ok(Err(_)))));
    }
}
