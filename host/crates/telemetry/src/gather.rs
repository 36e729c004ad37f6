//! Asks all collectors in parallel, each within a deadline.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::encode::{self, Format};
use crate::entry::Entry;
use crate::own;
use crate::report::{CollectorReport, Failure};
use crate::samples::{Collected, DropReason, Limits, Samples};

/// The series of all collectors that answered.
#[derive(Clone, Debug)]
pub struct Gathered {
    reports: Vec<CollectorReport>,
    families: Arc<[Collected]>,
}

impl Gathered {
    /// How each collector did, in the order of registration.
    #[must_use]
    pub fn reports(&self) -> &[CollectorReport] {
        &self.reports
    }

    /// Writes the exposition.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        encode::encode(&self.families, format)
    }
}

/// The answer of one collector.
struct Answer {
    result: Result<(Vec<Collected>, [u64; DropReason::ALL.len()]), String>,
    took: Duration,
}

pub(crate) fn gather(entries: &[Arc<Entry>], limits: Limits, deadline: Duration) -> Gathered {
    let began = Instant::now();
    let (answered, answers) = mpsc::channel();
    let mut reports: Vec<CollectorReport> = Vec::with_capacity(entries.len());
    let mut waiting = 0;
    for (index, entry) in entries.iter().enumerate() {
        let report = |failure, message| CollectorReport {
            collector: entry.name.clone(),
            failure,
            message,
            dropped: 0,
            took: Duration::ZERO,
        };
        // Until it answers, it has not.
        let report = if entry.busy.swap(true, AcqRel) {
            report(Some(Failure::Deadline), None)
        } else {
            match ask(entry, limits, index, answered.clone()) {
                Ok(()) => {
                    waiting += 1;
                    CollectorReport { took: deadline, ..report(Some(Failure::Deadline), None) }
                }
                Err(error) => {
                    entry.busy.store(false, Release);
                    report(Some(Failure::Thread), Some(error.to_string()))
                }
            }
        };
        reports.push(report);
    }
    let mut families = Vec::new();
    while waiting > 0 {
        let left = deadline.saturating_sub(began.elapsed());
        let Ok((index, Answer { result, took })) = answers.recv_timeout(left) else { break };
        waiting -= 1;
        let report: &mut CollectorReport = &mut reports[index];
        report.took = took;
        match result {
            Ok((mut collected, dropped)) => {
                entries[index].counts.dropped(dropped);
                report.failure = None;
                report.dropped = dropped.iter().sum();
                families.append(&mut collected);
            }
            Err(message) => {
                (report.failure, report.message) = (Some(Failure::Panic), Some(message));
            }
        }
    }
    for (entry, report) in entries.iter().zip(&reports) {
        if let Some(failure) = report.failure {
            entry.counts.failed(failure);
        }
    }
    families.append(&mut own::collect(entries.iter().zip(&reports).map(|(entry, report)| {
        let CollectorReport { failure, took, .. } = *report;
        own::Answer { collector: &entry.name, counts: &entry.counts, failure, took }
    })));
    families.sort_by(|one, other| one.family.name().cmp(other.family.name()));
    Gathered { reports, families: families.into() }
}

/// Asks one collector, on a thread of its own.
fn ask(
    entry: &Arc<Entry>,
    limits: Limits,
    index: usize,
    answered: mpsc::Sender<(usize, Answer)>,
) -> std::io::Result<()> {
    let entry = Arc::clone(entry);
    let work = move || {
        let began = Instant::now();
        let mut samples = Samples::new(&entry.described, limits);
        let collected = catch_unwind(AssertUnwindSafe(|| {
            entry.collector.collect(&mut samples);
            samples.finish()
        }));
        let result = collected.map_err(|payload| panic_message(&*payload));
        entry.busy.store(false, Release);
        // Nobody may wait any more.
        let _ = answered.send((index, Answer { result, took: began.elapsed() }));
    };
    thread::Builder::new().name("plugbay-collect".into()).spawn(work).map(drop)
}

/// The message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
