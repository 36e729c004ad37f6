//! The reconciler, the only writer: reads, compares, loads, and publishes the result. A
//! reconciliation takes no input. It reads the configuration and the folder as they are now,
//! computes the desired plugins (`desired` in [`change`](crate::change)), compares them with the
//! running ones (`plan`), starts new versions (`start`), and publishes the whole set at once
//! ([`publish`](super::publish)). A plugin that fails keeps its last good version and is listed as
//! rejected.

mod act;
mod command;
mod desire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use plugbay_core::{Artifact, Correlation, Reason, Refusal, Source};

use self::act::pinned_set;
use super::callers::Callers;
use super::leaving::Leaving;
use super::overrides_file::OverridesFile;
use super::publish::{NextSet, Publisher};
use super::reload_span::ReloadSpan;
use super::restarts::Restarter;
use super::shared::{ConfigLoader, HostState};
use super::signal::{Signal, Signals, Wake};
use super::watching::Watching;
use crate::change::{
    Desired, Key, Known, Next, Reconciliation, Retry, StartedPlugin, Store, Trials, folder,
    restart_members, violated, warnings,
};
use crate::config::Config;
use crate::config::file::SETTLE;
use crate::report::{ConfigWarning, Outcome, Rejection, Report};
use crate::set::{Member, Overrides, PastGeneration, PublishedSet, Wanted, shut_down};

/// The reconciler's state. It lives on one thread.
pub(crate) struct Reconciler {
    shared: Arc<HostState>,
    source: ConfigLoader,
    config: Arc<Config>,
    publisher: Publisher,
    store: Store,
    memory: folder::Memory,
    given: Vec<Artifact>,
    linked: Vec<Artifact>,
    watching: Watching,
    /// Whether any file is still being written.
    unsettled: bool,
    /// Whether the configuration file is one of them.
    config_unsettled: bool,
    restarter: Restarter,
    trials: Trials,
    /// The last source of each plugin: its last good version may come from another file.
    places: BTreeMap<String, Source>,
    /// The generation that an operator rolled back to: it serves instead of the desired plugins.
    pinned: Option<Arc<PastGeneration>>,
    /// The plugins that were described, whether or not they serve.
    known: BTreeMap<String, Known>,
    /// The artifacts that are being prepared.
    pending: BTreeMap<Key, Source>,
    /// The names of the plugins that were found, whether they run or not.
    found: BTreeSet<String>,
    /// The paths that the application serves itself.
    reserved: Vec<String>,
    /// The generation and the names whose warnings were computed last.
    warned: (u64, BTreeSet<String>),
    callers: Callers,
    leaving: Leaving,
    /// What operators switched.
    overrides: Arc<Overrides>,
    overrides_file: OverridesFile,
    /// This reconciliation, if its spans are recorded.
    cause: Option<Arc<Correlation>>,
}

impl Reconciler {
    pub(crate) fn new(
        shared: Arc<HostState>,
        source: ConfigLoader,
        config: Arc<Config>,
        store: Store,
        given: Vec<Artifact>,
        linked: Vec<Artifact>,
    ) -> Self {
        let names = source.file().unwrap_or(&config.host.plugins);
        let overrides_file = OverridesFile::in_cache(&config.host.cache, names);
        let overrides = overrides_file.read().unwrap_or_else(|message| {
            shared.journal.note_now(Outcome::OverridesFile { message });
            Overrides::default()
        });
        shared.set_origins(Arc::clone(&config), source.origins());
        Self {
            publisher: Publisher::new(Arc::clone(&shared), Arc::clone(&config)),
            restarter: Restarter::new(Arc::clone(&shared)),
            trials: Trials::default(),
            places: BTreeMap::new(),
            pinned: None,
            known: BTreeMap::new(),
            pending: BTreeMap::new(),
            found: BTreeSet::new(),
            reserved: Vec::new(),
            warned: (0, BTreeSet::new()),
            callers: Callers::default(),
            leaving: Leaving::default(),
            overrides: Arc::new(overrides),
            overrides_file,
            cause: None,
            shared,
            source,
            config,
            store,
            memory: folder::Memory::default(),
            given,
            linked,
            watching: Watching::default(),
            unsettled: false,
            config_unsettled: false,
        }
    }

    /// Watches the folder and the configuration, beginning with the next reconciliation.
    pub(crate) fn watch(&mut self, signal: Signal) {
        self.watching.start(signal);
    }

    /// Sets the paths that the application serves itself.
    pub(crate) fn reserve(&mut self, paths: Vec<String>) {
        self.reserved = paths;
    }

    /// Reconciles at each wake-up, until the host is stopped.
    pub(crate) fn run(mut self, signals: &Signals) {
        loop {
            // A file that is being written is read again soon, whether or not an event comes. Such
            // a reconciliation does not retry plugins that failed to start.
            let (slow, soon) = (self.config.host.rescan, SETTLE / 4);
            let hurried = self.unsettled && soon < slow;
            let timer = if hurried { soon } else { slow };
            match signals.wait(self.config.host.debounce, timer, || self.store.batch()) {
                Wake::Stop => return,
                Wake::Reconcile { replies, commands, actions, timed_out } => {
                    for (command, reply) in commands {
                        // The caller may have stopped waiting.
                        let _ = reply.send(self.execute(command));
                    }
                    for (request, reply) in actions {
                        let _ = reply.send(self.act(&request));
                    }
                    let retry = match replies.is_empty() {
                        false => Retry::All,
                        true if timed_out && !hurried => Retry::Due,
                        true => Retry::None,
                    };
                    if !replies.is_empty() {
                        // A caller asked for a reload: versions that were rolled back may be tried
                        // again.
                        self.trials.forget();
                        let published = self.shared.cell.load();
                        let running = published.generation.plugins.iter();
                        running.flat_map(|(_, it)| it.all()).for_each(|it| it.plugin.retry());
                    }
                    let report = self.reconcile(retry);
                    if self.shared.is_stopped() {
                        // Dropping the replies tells the callers that the host is stopped.
                        return;
                    }
                    self.callers.answer(replies, &report, &self.pending, self.config_unsettled);
                }
            }
        }
    }

    /// Reconciles once. Waits for no artifact to be prepared, except the first time.
    pub(crate) fn reconcile(&mut self, retry: Retry) -> Report {
        let began = Instant::now();
        self.shared.liveness.step_begins();
        let span = self.shared.spans.as_ref();
        let span = span.and_then(|to| ReloadSpan::begin(to, &self.shared.cell.load().rejected));
        self.set_cause(span.as_ref().map(|span| Arc::clone(span.correlation())));
        self.store.collect();
        // Trials end first, whatever the rest finds: a reconciliation that is refused must not keep
        // a bad version.
        let ended = self.end_trials();
        let report = self.reconcile_now(retry).after(ended);
        let report = match self.restart() {
            Some(restarted) => restarted.after(Some(report)),
            None => report,
        };
        self.warn();
        self.shared.liveness.pass_ends();
        let report = Report { preparing: self.shared.preparing(), ..report };
        self.shared.counts.reloaded(&report, began.elapsed());
        self.set_cause(None);
        if let Some(span) = span {
            span.end(&report, retry == Retry::All);
        }
        report
    }

    fn set_cause(&mut self, cause: Option<Arc<Correlation>>) {
        self.store.set_cause(cause.clone());
        self.publisher.set_cause(cause.clone());
        self.cause = cause;
    }

    /// Sets the artifacts that are being prepared. Called before the set is published that goes with
    /// them.
    fn set_pending(&mut self, pending: BTreeMap<Key, Source>) {
        self.shared.set_preparing(pending.values().map(ToString::to_string).collect());
        self.pending = pending;
    }

    /// Sets the warnings about the configuration, unless the names of some plugins are not known yet.
    fn warn(&mut self) {
        if !self.pending.is_empty() || self.unsettled || self.pinned.is_some() {
            return;
        }
        let published = self.shared.cell.load();
        let number = published.generation.number;
        if number == 0 || (self.warned.0 == number && self.warned.1 == self.found) {
            return;
        }
        self.warned = (number, self.found.clone());
        let mut warnings = warnings(&published.generation, &self.found, &self.reserved);
        let weights = published.overrides.without_effect(&published.generation.base);
        warnings.extend(weights.map(|(it, why)| {
            let key = format!("capabilities.{:?}.weights", it.on);
            ConfigWarning::new(key, format!("what an operator set has no effect: {why}"))
        }));
        self.shared.set_warnings(warnings);
    }

    /// Carries out decided trials, if there are any.
    fn end_trials(&mut self) -> Option<Report> {
        let published = self.shared.cell.load();
        let (members, rolled_back) = self.trials.settle(&published.generation)?;
        let mut refused = self.publisher.refused().to_vec();
        refused.extend(rolled_back);
        let set = NextSet {
            config: &published.generation.config,
            base: &published.generation.base,
            members,
            started: Vec::new(),
            refused,
            pinned: published.pinned,
            source: self.source.file().map(Path::to_owned),
            renew: false,
        };
        Some(self.publisher.publish(&published, set))
    }

    /// Restarts unhealthy plugins that are due, unchanged, whatever the reconciliation refused.
    fn restart(&mut self) -> Option<Report> {
        let published = self.shared.cell.load();
        let running = &published.generation;
        let due = self.restarter.due(running, Instant::now());
        let next = restart_members(&self.store, running, &due, workers(&running.config));
        self.restarter.tried(&next.started, next.refused);
        if !self.publisher.set_restart_failures(self.restarter.refused()) && next.started.is_empty()
        {
            return None;
        }
        Some(self.publish_restarted(&published, next.members, next.started))
    }

    /// Publishes a set in which plugins were started again, and nothing else has changed.
    fn publish_restarted(
        &mut self,
        before: &Arc<PublishedSet>,
        members: Vec<Member>,
        started: Vec<StartedPlugin>,
    ) -> Report {
        for fresh in &started {
            self.shared.ledger.restarted(&fresh.running);
        }
        let set = NextSet {
            config: &before.generation.config,
            base: &before.generation.base,
            members,
            started,
            refused: self.publisher.refused().to_vec(),
            pinned: before.pinned,
            source: self.source.file().map(Path::to_owned),
            renew: false,
        };
        self.publisher.publish(before, set)
    }

    fn reconcile_now(&mut self, retry: Retry) -> Report {
        let mut refused = Vec::new();
        let published = self.shared.cell.load();
        let running = &published.generation;
        (self.unsettled, self.config_unsettled) = (false, false);
        let (base, config, mut desired) = if let Some(past) = self.pinned.clone() {
            self.set_pending(BTreeMap::new());
            let (wanted, config) = pinned_set(&past, &past.overrides);
            (Arc::clone(&past.base), config, Desired::of(wanted))
        } else {
            let overrides = Arc::clone(&self.overrides);
            let found = self.desire(running, retry, &mut refused, &overrides);
            self.adopt_overrides(&found.0);
            found
        };
        self.publisher.set_overrides(&self.in_force());
        if self.shared.is_stopped() {
            // The host stops: nothing is started.
            return published.unchanged();
        }
        for Wanted { identity, offer } in &desired.wanted {
            self.places.insert(identity.name.clone(), offer.source.clone());
        }
        self.places.retain(|name, _| {
            running.plugins.contains(name)
                || desired.wanted.iter().any(|it| it.identity.name == *name)
        });
        // An operator may roll back to a version that a trial had rolled back.
        let rolled_back = match &self.pinned {
            None => self.trials.withhold(&mut desired, running),
            Some(_) => Vec::new(),
        };
        self.publisher.set_known(self.known(&desired));
        let source = self.source.file().map(Path::to_owned);
        let broken = violated(&config, |what| desired.holds(running, what), source.clone());
        // A rollback is all or nothing. Versions that a trial rolled back do not count as refused
        // here.
        let strict = (config.host.strict || self.pinned.is_some()) && running.number > 0;
        let resumes = strict && !self.pending.is_empty() && self.publisher.holds();
        self.publisher.hold(&published, self.pinned.is_some() || resumes);
        if strict && !self.pending.is_empty() {
            // A change is applied as a whole: first, all of it must be prepared.
            if published.pinned.is_none() {
                return published.unchanged();
            }
            // Resumed: what serves stays until then, and is no longer held by an operator.
            let known = self.publisher.refused().to_vec();
            return self.refuse(&published, known);
        }
        if strict || !broken.is_empty() {
            desired.refuse_contested();
            refused.append(&mut desired.refused);
        }
        if !broken.is_empty() {
            // Nothing is started for a set that breaks a migration rule.
            refused.extend(rolled_back.into_iter().chain(broken));
            return self.refuse(&published, refused);
        }
        if strict && !refused.is_empty() {
            // The change is refused as a whole: nothing is started for it.
            let changed = |it: &Wanted| {
                let runs = running.plugins.get(&it.identity.name);
                runs.is_none_or(|member| *member.newest_identity() != it.identity)
            };
            let held_back = desired.wanted.into_iter().filter(changed);
            return self.refuse_all(&published, &config, held_back, refused, rolled_back);
        }
        let published = self.publisher.announce(published, &config);
        let running = &published.generation;
        let reconciliation = Reconciliation {
            running,
            config: &config,
            pinned: self.pinned.is_some(),
            workers: workers(&config),
            retry,
        };
        let next = reconciliation.start(&mut self.store, desired);
        refused.extend(next.refused);
        if strict && !refused.is_empty() {
            for fresh in &next.started {
                shut_down(&fresh.running);
            }
            let held_back = next.started.into_iter().map(|fresh| fresh.wanted);
            return self.refuse_all(&published, &config, held_back, refused, rolled_back);
        }
        refused.extend(rolled_back);
        let pinned = self.pinned.as_ref().map(|past| past.number);
        let Next { members, started, .. } = next;
        let set = NextSet {
            config: &config,
            base: &base,
            members,
            started,
            refused,
            pinned,
            source,
            renew: false,
        };
        let report = self.publisher.publish(&published, set);
        if !report.rejected.iter().any(|it| it.reason == Reason::Migration) {
            self.config = base;
            if self.pinned.is_none() && self.source.adopt(&self.config.host.cache) {
                self.shared.set_origins(Arc::clone(&self.config), self.source.origins());
            }
        }
        report
    }

    /// Keeps the current generation, and publishes the rejections.
    fn refuse(&mut self, before: &Arc<PublishedSet>, refused: Vec<Rejection>) -> Report {
        // The generation of a failed rollback does not serve, and so pins nothing.
        let pinned = self.pinned.as_ref().and(before.pinned);
        self.publisher.publish_rejected(before, &before.generation.config, refused, pinned)
    }

    /// Keeps the current generation, because `host.strict` is set and something was refused;
    /// rejects everything that would have changed.
    fn refuse_all(
        &mut self,
        before: &Arc<PublishedSet>,
        config: &Arc<Config>,
        held_back: impl Iterator<Item = Wanted>,
        mut refused: Vec<Rejection>,
        rolled_back: Vec<Rejection>,
    ) -> Report {
        let because = refused.first().map(|it| it.source.to_string()).unwrap_or_default();
        let message = match &self.pinned {
            Some(past) => format!(
                "the rollback to generation {} needs all its plugins, and {because} is refused",
                past.number
            ),
            None => format!("host.strict is set, and {because} is refused"),
        };
        let refusal = Refusal::new(Reason::Strict, message).hint("fix or remove what is refused");
        let strict =
            |source, plugin, digest| Rejection { source, plugin, digest, refusal: refusal.clone() };
        refused.extend(
            held_back
                .map(|it| strict(it.offer.source, Some(it.identity.name), Some(it.offer.digest))),
        );
        if let Some(file) = self.source.file()
            && before.generation.config != *config
        {
            refused.push(strict(Source::File(file.to_owned()), None, None));
        }
        refused.extend(rolled_back);
        self.refuse(before, refused)
    }

    /// Shuts down all plugins of a host that never served.
    pub(crate) fn abandon(&self) {
        for (_, member) in self.shared.cell.load().generation.plugins.iter() {
            member.all().for_each(shut_down);
        }
    }
}

fn workers(config: &Config) -> usize {
    match config.host.parallel {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        workers => workers as usize,
    }
}
