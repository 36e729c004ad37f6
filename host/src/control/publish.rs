//! Publishes the next set by one atomic store, and retires the plugins that it no longer holds.
//! Rejections are published with the set, and reported when they are new or gone, so that status,
//! log and events agree.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use plugbay_core::Correlation;
use plugbay_core::trace::{SpanKind, attributes};
use plugbay_registry::Leased;

use super::shared::HostState;
use super::{canary, health};
use crate::call::GenerationServices;
use crate::change::{
    History, Known, StartedPlugin, absent, assemble, is_same, settle, trial_outcome, violated,
};
use crate::config::{Config, PendingRestart};
use crate::report::{Outcome, Rejected, Rejection, Report};
use crate::set::{Absent, Generation, Member, Overrides, PublishedSet, Running, shut_down};

/// The set that one reconciliation wants to publish.
pub(crate) struct NextSet<'a> {
    /// In force: `base` with what operators switched.
    pub(crate) config: &'a Arc<Config>,
    pub(crate) base: &'a Arc<Config>,
    /// In order of precedence.
    pub(crate) members: Vec<Member>,
    pub(crate) started: Vec<StartedPlugin>,
    pub(crate) refused: Vec<Rejection>,
    /// The generation that it is a copy of, if an operator rolled back to one.
    pub(crate) pinned: Option<u64>,
    /// The configuration file.
    pub(crate) source: Option<PathBuf>,
    /// Whether it is published even if it differs in nothing: then it is known which calls began before.
    pub(crate) renew: bool,
}

/// Stores sets to the cell. There is one publisher, on the reconciler's thread.
pub(crate) struct Publisher {
    shared: Arc<HostState>,
    history: History,
    /// What the last reconciliation refused.
    refused: Vec<Rejection>,
    /// Plugins that failed to restart; they stay rejected whatever a reconciliation finds.
    restart_failures: Vec<Rejection>,
    /// What was refused when an operator rolled back. Until the resumption the folder is not read, so
    /// that nothing is known to have recovered.
    held: Option<Vec<Rejected>>,
    /// The configuration that the process started with: keys that need a restart have its values.
    booted: Arc<Config>,
    /// What operators switched.
    overrides: Arc<Overrides>,
    /// The plugins that were described, whether or not they serve.
    known: BTreeMap<String, Known>,
    /// The reconciliation, if its spans are recorded.
    cause: Option<Arc<Correlation>>,
}

impl Publisher {
    pub(crate) fn new(shared: Arc<HostState>, booted: Arc<Config>) -> Self {
        Self {
            shared,
            history: History::default(),
            refused: Vec::new(),
            restart_failures: Vec::new(),
            held: None,
            booted,
            overrides: Arc::default(),
            known: BTreeMap::new(),
            cause: None,
        }
    }

    /// Sets the reconciliation that sets are published for, if its spans are recorded.
    pub(crate) fn set_cause(&mut self, cause: Option<Arc<Correlation>>) {
        self.cause = cause;
    }

    /// Sets what operators switched, for the sets that are published next.
    pub(crate) fn set_overrides(&mut self, overrides: &Arc<Overrides>) {
        self.overrides = Arc::clone(overrides);
    }

    /// Sets the plugins that were described, for the sets that are published next.
    pub(crate) fn set_known(&mut self, known: BTreeMap<String, Known>) {
        self.known = known;
    }

    /// Publishes which plugins are about to be started, so that requests for their routes are told. Returns the set
    /// that then serves.
    pub(crate) fn announce(&self, before: Arc<PublishedSet>, config: &Config) -> Arc<PublishedSet> {
        let absent = self.absent(&before, &before.generation, config, &before.rejected, &[]);
        // Before the first generation nothing is served.
        if before.generation.number == 0 || absent.is_same(&before.absent) {
            return before;
        }
        let after = Arc::new(PublishedSet {
            generation: Arc::clone(&before.generation),
            services: Arc::clone(&before.services),
            rejected: Arc::clone(&before.rejected),
            absent: Arc::new(absent),
            pending_restart: Arc::clone(&before.pending_restart),
            pinned: before.pinned,
            overrides: Arc::clone(&before.overrides),
            history: Arc::clone(&before.history),
        });
        if self.shared.unless_stopped(|| self.shared.cell.store(Arc::clone(&after))) {
            after
        } else {
            before
        }
    }

    /// The known plugins that `next` does not hold.
    fn absent(
        &self,
        before: &PublishedSet,
        next: &Generation,
        config: &Config,
        rejected: &[Rejected],
        left: &[Arc<Leased<Running>>],
    ) -> Absent {
        let serves = |plugin: &str| next.plugins.contains(plugin);
        absent(&self.known, config, serves, rejected, &before.absent, left)
    }

    /// The generations that can be rolled back to.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// What the last reconciliation refused.
    pub(crate) fn refused(&self) -> &[Rejection] {
        &self.refused
    }

    /// Keeps what is refused now on the list of rejections while `hold` is true; `before` is the set that
    /// serves.
    pub(crate) fn hold(&mut self, before: &PublishedSet, hold: bool) {
        if !hold {
            self.held = None;
        } else if self.held.is_none() {
            let refused = |it: &Rejected| {
                let mut refused = self.refused.iter();
                refused.any(|by| by.plugin == it.plugin && by.source.to_string() == it.source)
            };
            self.held = Some(before.rejected.iter().filter(|it| refused(it)).cloned().collect());
        }
    }

    /// Whether rejections are kept on the list.
    pub(crate) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Sets the plugins that failed to restart. Returns whether they changed.
    pub(crate) fn set_restart_failures(&mut self, failures: Vec<Rejection>) -> bool {
        std::mem::replace(&mut self.restart_failures, failures) != self.restart_failures
    }

    /// Publishes the next set if it differs from the current one, and retires the plugins that it
    /// no longer holds.
    pub(crate) fn publish(&mut self, before: &Arc<PublishedSet>, set: NextSet<'_>) -> Report {
        let cause = self.cause.as_ref();
        let span = cause.and_then(|it| it.begin(SpanKind::Internal, || "publish".into()));
        let report = self.publish_next(before, set);
        match span {
            Some(mut span) if report.published => {
                span.set(attributes::GENERATION, report.generation);
                span.end();
            }
            Some(span) => span.discard(),
            None => {}
        }
        report
    }

    fn publish_next(&mut self, before: &Arc<PublishedSet>, set: NextSet<'_>) -> Report {
        let NextSet { config, base, members, started, mut refused, pinned, source, renew } = set;
        let running = &before.generation;
        // Most reconciliations find nothing new, and members that serve together do not clash.
        let unchanged = before.pinned == pinned && started.is_empty() && !renew;
        if unchanged && is_same(running, config, members.iter()) {
            return self.publish_rejected(before, config, refused, pinned);
        }
        let settled = settle(running, config, members, &mut refused);
        let generation = assemble(running, base, config, settled);
        let serves = |fresh: &StartedPlugin| generation.holds(&fresh.running);
        let (started, unused): (Vec<StartedPlugin>, Vec<StartedPlugin>) =
            started.into_iter().partition(serves);
        let end_all =
            |all: &[StartedPlugin]| all.iter().for_each(|fresh| shut_down(&fresh.running));
        end_all(&unused);
        let same = is_same(running, config, generation.plugins.iter().map(|(_, member)| member));
        if before.pinned == pinned && same && !renew {
            return self.publish_rejected(before, config, refused, pinned);
        }
        let present = |what: &str| match what.strip_prefix("plugin:") {
            Some(plugin) => generation.plugins.contains(plugin),
            None => generation.capabilities.contains(what),
        };
        let violated = violated(config, present, source);
        if !violated.is_empty() {
            // The change is refused as a whole.
            end_all(&started);
            refused.extend(violated);
            return self.publish_rejected(before, &running.config, refused, before.pinned);
        }
        let configured = running.number > 0 && running.config != *config;
        let generation = Arc::new(generation);
        let number = generation.number;
        let pending = Config::pending_restart(&self.booted, config);
        self.note_restarts(before, &pending, number);
        let rejected = self.note_rejected(before, refused, number);
        let left = left(running, &generation);
        let absent = self.absent(before, &generation, config, &rejected, &left);
        let after = Arc::new(PublishedSet {
            absent: Arc::new(absent),
            services: GenerationServices::of(Arc::clone(&generation)),
            generation: Arc::clone(&generation),
            rejected: rejected.into(),
            pending_restart: pending.into(),
            pinned,
            overrides: Arc::clone(&self.overrides),
            history: {
                let most = config.host.history as usize;
                self.history.keep(&generation, &self.overrides, most);
                self.history.list()
            },
        });
        self.before_they_serve(&started);
        if !self.shared.unless_stopped(|| self.shared.cell.store(Arc::clone(&after))) {
            end_all(&started);
            return before.unchanged();
        }
        let labels = |all: &mut dyn Iterator<Item = &Arc<Leased<Running>>>| -> Vec<String> {
            all.map(|it| it.label.to_string()).collect()
        };
        let report = Report {
            generation: number,
            published: true,
            loaded: labels(&mut started.iter().map(|it| &it.running)),
            retired: labels(&mut left.iter()),
            rejected: after.rejected.to_vec(),
            preparing: Vec::new(),
        };
        self.shared.liveness.set_most(config.host.stall_timeout);
        self.shared.set_probes(config.host.probes);
        if configured {
            self.shared.journal.note(number, Outcome::Configured);
        }
        for fresh in started {
            health::follow(&self.shared, &fresh.running);
            self.shared.counts.registered();
            self.shared.journal.note(number, fresh.loaded);
        }
        self.note_trials(running, &generation, pinned);
        self.shared.journal.note(
            number,
            Outcome::Published {
                plugins: generation.plugins.len(),
                loaded: report.loaded.len(),
                retired: report.retired.len(),
            },
        );
        self.shared.draining.retire(
            running,
            left,
            config.host.drain,
            &self.shared.tokio,
            &self.shared.journal,
            self.cause.as_deref(),
        );
        report
    }

    /// Before plugins serve: a call that is counted is also shown, and none is made that an operator holds
    /// back.
    fn before_they_serve(&self, started: &[StartedPlugin]) {
        for fresh in started {
            self.shared.ledger.add(&fresh.running);
            fresh.running.hold(self.overrides.hold(&fresh.running.identity.name));
        }
    }

    /// Reports trials that are over, and begins to judge new ones.
    fn note_trials(&self, before: &Generation, after: &Generation, pinned: Option<u64>) {
        for (name, member) in before.plugins.iter() {
            let Some(canary) = &member.canary else { continue };
            if let Some(outcome) = trial_outcome(canary, after.plugins.get(name), pinned) {
                self.shared.journal.note(after.number, outcome);
            }
        }
        for (name, member) in after.plugins.iter() {
            let trial = |member: &Member| member.canary.as_ref().map(|it| Arc::as_ptr(&it.trial));
            if trial(member) != before.plugins.get(name).and_then(trial) {
                canary::follow(&self.shared, member);
            }
        }
    }

    /// Keeps the current generation, and publishes changed rejections, pins and overrides.
    pub(crate) fn publish_rejected(
        &mut self,
        before: &Arc<PublishedSet>,
        config: &Arc<Config>,
        refused: Vec<Rejection>,
        pinned: Option<u64>,
    ) -> Report {
        let number = before.generation.number;
        let pending = Config::pending_restart(&self.booted, config);
        self.note_restarts(before, &pending, number);
        let rejected = self.note_rejected(before, refused, number);
        let absent = self.absent(before, &before.generation, config, &rejected, &[]);
        if *before.rejected != *rejected
            || !absent.is_same(&before.absent)
            || *before.pending_restart != *pending
            || before.pinned != pinned
            || before.overrides != self.overrides
        {
            self.shared.cell.store(Arc::new(PublishedSet {
                generation: Arc::clone(&before.generation),
                services: Arc::clone(&before.services),
                rejected: rejected.clone().into(),
                absent: Arc::new(absent),
                pending_restart: pending.into(),
                pinned,
                overrides: Arc::clone(&self.overrides),
                history: Arc::clone(&before.history),
            }));
        }
        Report {
            generation: number,
            published: false,
            loaded: Vec::new(),
            retired: Vec::new(),
            rejected,
            preparing: Vec::new(),
        }
    }

    fn note_restarts(&self, before: &PublishedSet, pending: &[PendingRestart], number: u64) {
        for restart in pending.iter().filter(|it| !before.pending_restart.contains(it)) {
            let key = restart.key.clone();
            self.shared.journal.note(number, Outcome::PendingRestart { key });
        }
    }

    /// Turns refusals into the entries of the status, each with the time since when it is refused
    /// for the same reason. Reports new rejections and recoveries.
    fn note_rejected(
        &mut self,
        before: &PublishedSet,
        refused: Vec<Rejection>,
        number: u64,
    ) -> Vec<Rejected> {
        self.refused.clone_from(&refused);
        let refused = refused.into_iter().chain(self.restart_failures.iter().cloned());
        let now = SystemTime::now();
        let mut rejected: Vec<Rejected> = Vec::new();
        for refused in refused {
            let mut entry = Rejected {
                source: refused.source.to_string(),
                plugin: refused.plugin,
                digest: refused.digest.map(|digest| digest.to_string()),
                reason: refused.refusal.reason,
                message: refused.refusal.message,
                hint: refused.refusal.hint,
                since: now,
            };
            let known = before
                .rejected
                .iter()
                .find(|old| Rejected { since: now, ..(*old).clone() } == entry);
            if let Some(known) = known {
                entry.since = known.since;
            } else {
                self.shared.counts.rejected(entry.reason);
                let outcome = Outcome::Rejected {
                    source: entry.source.clone(),
                    plugin: entry.plugin.clone(),
                    reason: entry.reason,
                    message: entry.message.clone(),
                    hint: entry.hint.clone(),
                };
                self.shared.journal.note(number, outcome);
            }
            rejected.push(entry);
        }
        // The same source may now be refused for another reason, before or after its name is known: then
        // it has not recovered.
        let lists = |rejected: &[Rejected], old: &Rejected| {
            rejected.iter().any(|new| {
                let unnamed = new.plugin.is_none() || old.plugin.is_none();
                new.source == old.source && (unnamed || new.plugin == old.plugin)
            })
        };
        let held = self.held.iter().flatten().filter(|held| !lists(&rejected, held));
        let held: Vec<Rejected> = held.cloned().collect();
        rejected.extend(held);
        rejected.sort_by(|a, b| (&a.source, &a.plugin).cmp(&(&b.source, &b.plugin)));
        for gone in before.rejected.iter().filter(|old| !lists(&rejected, old)) {
            self.shared.journal.note(number, Outcome::Recovered { source: gone.source.clone() });
        }
        rejected
    }
}

/// The versions of a generation that the next one no longer holds.
fn left(before: &Generation, next: &Generation) -> Vec<Arc<Leased<Running>>> {
    let versions = before.plugins.iter().flat_map(|(_, member)| member.all());
    versions.filter(|it| !next.holds(it)).cloned().collect()
}
