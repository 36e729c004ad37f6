//! The thread that writes changes to the store, many at once.

use std::sync::Weak;

use tokio::sync::mpsc;

use super::job::Job;
use super::state::Inner;
use super::topics::Bells;
use crate::store::{Record, Store};

/// The most changes that are written at once.
const BATCH: usize = 128;
/// The most changes that wait; those who ask for more wait too.
pub(super) const QUEUE: usize = 1024;

/// Changes that do not conflict, and their records.
#[derive(Default)]
struct Batch {
    jobs: Vec<Box<dyn Job>>,
    records: Vec<Record>,
}

/// Takes changes until nobody can send any more.
pub(super) fn run(
    mut store: Box<dyn Store>,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    directory: &Weak<Inner>,
) {
    let mut conflicting = None;
    loop {
        let Some(first) = conflicting.take().or_else(|| jobs.blocking_recv()) else { return };
        let Some(inner) = directory.upgrade() else { return };
        let mut batch = Batch::default();
        conflicting = fill(&mut batch, &inner, first, &mut jobs);
        let kept = match &batch.records[..] {
            [] => Some(Bells::default()),
            records => inner.keep(&mut *store, records),
        };
        let is_kept = kept.is_some();
        // The answers first: those who asked do not wait until all who watch are awake.
        batch.jobs.into_iter().for_each(|job| job.finish(is_kept));
        kept.unwrap_or_default().ring();
    }
}

/// Decides changes until there are no more, the batch is full, or one conflicts with an earlier one of
/// the batch: that is returned, to be decided again.
fn fill(
    batch: &mut Batch,
    inner: &Inner,
    first: Box<dyn Job>,
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
) -> Option<Box<dyn Job>> {
    let state = inner.state();
    let now = inner.now();
    let mut next = Some(first);
    while let Some(mut job) = next.take() {
        let records = job.decide(&state.directory, now);
        let conflicts = |one: &Record| batch.records.iter().any(|other| one.conflicts(other));
        if records.iter().any(conflicts) {
            return Some(job);
        }
        batch.records.extend(records);
        batch.jobs.push(job);
        if batch.jobs.len() < BATCH {
            next = jobs.try_recv().ok();
        }
    }
    batch.records.extend(state.directory.reserve());
    None
}
