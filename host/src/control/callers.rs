//! The callers of a reload. Each gets its report once all artifacts are prepared that its reload found, and
//! the configuration file is written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use plugbay_core::Source;
use tokio::sync::oneshot;

use crate::change::Key;
use crate::config::file::SETTLE;
use crate::report::Report;

/// The longest wait for a configuration file that is still being written.
const SAVE_WAIT: Duration = SETTLE.saturating_mul(2);

/// The callers that wait.
#[derive(Default)]
pub(super) struct Callers(Vec<Caller>);

/// A caller, and its report so far.
struct Caller {
    reply: oneshot::Sender<Report>,
    report: Report,
    /// The artifacts that it waits for.
    pending: BTreeSet<Key>,
    since: Instant,
}

impl Callers {
    /// Adds the callers of a reconciliation, and sends those their reports that have nothing to wait for.
    /// `pending` are the artifacts that are being prepared; `is_saving` says that the configuration file
    /// is still being written.
    pub(super) fn answer(
        &mut self,
        replies: Vec<oneshot::Sender<Report>>,
        report: &Report,
        pending: &BTreeMap<Key, Source>,
        is_saving: bool,
    ) {
        for caller in &mut self.0 {
            let so_far = std::mem::replace(&mut caller.report, report.clone());
            caller.report = caller.report.clone().after(Some(so_far));
            caller.pending.retain(|key| pending.contains_key(key));
        }
        self.0.extend(replies.into_iter().map(|reply| Caller {
            reply,
            report: report.clone(),
            pending: pending.keys().copied().collect(),
            since: Instant::now(),
        }));
        let has_ended = |caller: &mut Caller| {
            let is_saved = !is_saving || caller.since.elapsed() >= SAVE_WAIT;
            (caller.pending.is_empty() && is_saved) || caller.reply.is_closed()
        };
        for Caller { reply, report, .. } in self.0.extract_if(.., has_ended) {
            // The caller may have stopped waiting.
            let _ = reply.send(report);
        }
    }
}
