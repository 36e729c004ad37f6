//! Carries out the actions of operators. Each changes what operators switched (the overrides), and then the
//! reconciliation computes and publishes the set as ever; or it says what that would change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use plugbay_core::CapabilityKey;
use plugbay_registry::nearest;

use super::{Reconciler, workers};
use crate::change::{Desired, Retry, SetView, restart_members, version_of};
use crate::config::{CapabilitySettings, Config, Strategy};
use crate::control::action::{ActionError, ActionRequest};
use crate::control::publish::NextSet;
use crate::control::signal::ActionResult;
use crate::report::{Action, ActionReport, Change, Outcome, PluginChange, Rejection, Report};
use crate::set::{
    Generation, Hold, Override, Overrides, PastGeneration, PublishedSet, Switch, is_enabled,
    key_of, weighted, weights_text,
};

/// The most names that an error lists.
const MAX_NAMES: usize = 10;

impl Reconciler {
    /// Carries out an action, or says what it would change.
    pub(super) fn act(&mut self, request: &ActionRequest) -> ActionResult {
        if self.shared.is_stopped() {
            return Err(ActionError::Stopped);
        }
        let published = self.shared.cell.load();
        self.check(request, &published.generation)?;
        let next = self.switched(request, &self.overrides);
        if request.dry_run {
            let change = self.preview(request, &published.generation, &next);
            return Ok(self.answer(request, change, &published.unchanged(), Vec::new()));
        }
        match request.action {
            Action::Restart => self.restart_one(request, &published),
            Action::Drain | Action::BreakerOpen | Action::BreakerReset => {
                let change = self.preview(request, &published.generation, &next);
                self.replace(request, next);
                Ok(self.hold_calls(request, change))
            }
            _ => self.switch(request, &published, next),
        }
    }

    /// Switches what is a part of the generation, and publishes the next one.
    fn switch(
        &mut self,
        request: &ActionRequest,
        before: &Arc<PublishedSet>,
        next: Overrides,
    ) -> ActionResult {
        let old = (Arc::clone(&self.overrides), self.pinned.clone());
        self.replace(request, next);
        // A plugin that failed to start before is tried again if an operator wants it.
        let retry = if request.action == Action::Enable { Retry::All } else { Retry::None };
        let report = self.reconcile(retry);
        if self.shared.is_stopped() {
            return Err(ActionError::Stopped);
        }
        let after = self.shared.cell.load();
        self.apply_hold(&request.on, &after.generation);
        let is_applied = self.is_applied(request, &after.generation.config);
        if !is_applied && self.pending.is_empty() {
            let refused = self.publisher.refused().first().cloned();
            (self.overrides, self.pinned) = old;
            self.reconcile(Retry::None);
            return Err(refusal(request, refused));
        }
        let mut notes = self.save();
        if !is_applied {
            notes
                .push("host.strict is set: it takes effect once everything is prepared".to_owned());
        }
        notes.extend(self.why_not_running(request, &after));
        let was_held = before.overrides.hold(&request.on) != Hold::None;
        notes.extend(self.gets_calls(request, was_held));
        self.note(request, after.generation.number);
        let change = SetView::of(&before.generation).difference(&SetView::of(&after.generation));
        Ok(self.answer(request, change, &report, notes))
    }

    /// Holds the calls of plugins back, or no longer does.
    fn hold_calls(&mut self, request: &ActionRequest, change: Change) -> ActionReport {
        let published = self.shared.cell.load();
        let overrides = self.in_force();
        let is_new = overrides != published.overrides;
        self.apply_hold(&request.on, &published.generation);
        let reset = request.action == Action::BreakerReset;
        let member = published.generation.plugins.get(&request.on).filter(|_| reset);
        for running in member.iter().flat_map(|member| member.all()) {
            if let Some(transition) = running.guard.reset() {
                running.changed(transition, None);
            }
        }
        self.publisher.set_overrides(&overrides);
        let running = &published.generation;
        let set = NextSet {
            config: &running.config,
            base: &running.base,
            members: running.plugins.iter().map(|(_, member)| member.clone()).collect(),
            started: Vec::new(),
            refused: self.publisher.refused().to_vec(),
            pinned: published.pinned,
            source: self.source.file().map(Path::to_owned),
            // Calls that began before may still reach the plugin through another one; they hold the
            // generation that this one replaces.
            renew: is_new && request.action == Action::Drain,
        };
        let report = self.publisher.publish(&published, set);
        let mut notes = Vec::new();
        if is_new || request.action == Action::BreakerReset {
            notes = self.save();
            let was_held = published.overrides.hold(&request.on) != Hold::None;
            notes.extend(self.gets_calls(request, was_held));
            self.note(request, report.generation);
        }
        self.answer(request, change, &report, notes)
    }

    /// Holds the calls of a plugin that serves back, or no longer does, as the overrides say.
    fn apply_hold(&self, plugin: &str, serving: &Generation) {
        let hold = self.in_force().hold(plugin);
        let member = serving.plugins.get(plugin);
        member.iter().flat_map(|member| member.all()).for_each(|running| running.hold(hold));
    }

    /// Starts the same version of a plugin again, in place of the one that serves.
    fn restart_one(&mut self, request: &ActionRequest, before: &Arc<PublishedSet>) -> ActionResult {
        let running = &before.generation;
        let due: Vec<_> = running.plugins.get(&request.on).cloned().into_iter().collect();
        let next = restart_members(&self.store, running, &due, workers(&running.config));
        if next.started.is_empty() {
            return Err(refusal(request, next.refused.into_iter().next()));
        }
        for fresh in &next.started {
            self.shared.ledger.restarted(&fresh.running);
        }
        let set = NextSet {
            config: &running.config,
            base: &running.base,
            members: next.members,
            started: next.started,
            refused: self.publisher.refused().to_vec(),
            pinned: before.pinned,
            source: self.source.file().map(Path::to_owned),
            renew: false,
        };
        let report = self.publisher.publish(before, set);
        if self.shared.is_stopped() {
            return Err(ActionError::Stopped);
        }
        if !report.published {
            return Err(refusal(request, self.publisher.refused().first().cloned()));
        }
        self.note(request, report.generation);
        let change = restarted(running, &request.on);
        Ok(self.answer(request, change, &report, Vec::new()))
    }

    /// What the action would change.
    fn preview(
        &mut self,
        request: &ActionRequest,
        running: &Generation,
        next: &Overrides,
    ) -> Change {
        match request.action {
            Action::Restart => restarted(running, &request.on),
            Action::Drain | Action::BreakerOpen | Action::BreakerReset => {
                Change { capabilities_held: held(running, next), ..Change::default() }
            }
            _ => {
                let pinned = match request.action {
                    Action::Resume => None,
                    _ => self.pinned.clone(),
                };
                let (desired, config) = match pinned {
                    Some(past) => {
                        let next = self.switched(request, &past.overrides);
                        let (wanted, config) = pinned_set(&past, &next);
                        (Desired::of(wanted), config)
                    }
                    None => {
                        let mut refused = Vec::new();
                        let found = self.desire(running, Retry::None, &mut refused, next);
                        let (_base, config, mut desired) = found;
                        self.trials.withhold(&mut desired, running);
                        (desired, config)
                    }
                };
                let next = SetView::of_desired(&desired, running, &config);
                SetView::of(running).difference(&next)
            }
        }
    }

    /// The overrides after the action.
    fn switched(&self, request: &ActionRequest, now: &Overrides) -> Overrides {
        let base = match &self.pinned {
            Some(past) => &past.base,
            None => &self.config,
        };
        let ActionRequest { action, on, by, weights, .. } = request;
        let mut next = now.clone();
        let over =
            |switch| Override { on: on.clone(), switch, by: by.clone(), since: SystemTime::now() };
        let kept = |switch: &Switch| now.has(on, switch);
        match action {
            Action::Disable if kept(&Switch::Disabled) => {}
            Action::Enable | Action::Disable => {
                next.drop(on, &Switch::Disabled);
                let enable = *action == Action::Enable;
                if enable {
                    next.drop(on, &Switch::Draining);
                }
                if is_enabled(base, on) != enable {
                    next.set(over(if enable { Switch::Enabled } else { Switch::Disabled }));
                }
            }
            Action::Drain if !kept(&Switch::Draining) => next.set(over(Switch::Draining)),
            Action::BreakerOpen if !kept(&Switch::BreakerOpen) => {
                next.set(over(Switch::BreakerOpen));
            }
            Action::BreakerReset => drop(next.drop(on, &Switch::BreakerOpen)),
            Action::Weights => {
                let none = Switch::Weights { weights: BTreeMap::new() };
                let mut all = now.weights(on).cloned().unwrap_or_default();
                all.extend(weights.clone());
                next.drop(on, &none);
                let key = key_of(on);
                let configured = key.as_ref().and_then(|key| base.capabilities.get(key));
                let strategy = key.as_ref().and_then(|key| weighted(base, key, &all).ok());
                if !weights.is_empty() && strategy.as_ref() != configured.map(|it| &it.strategy) {
                    next.set(over(Switch::Weights { weights: all }));
                }
            }
            _ => {}
        }
        next
    }

    /// Puts the overrides after an action in the place of those before.
    fn replace(&mut self, request: &ActionRequest, next: Overrides) {
        if let Some(past) = &self.pinned {
            let overrides = Arc::new(self.switched(request, &past.overrides));
            self.pinned =
                Some(Arc::new(PastGeneration { overrides, ..PastGeneration::clone(past) }));
        }
        self.overrides = Arc::new(next);
    }

    /// The overrides that are in force: during a rollback those of that generation, with what was switched
    /// since.
    pub(super) fn in_force(&self) -> Arc<Overrides> {
        match &self.pinned {
            Some(past) => Arc::clone(&past.overrides),
            None => Arc::clone(&self.overrides),
        }
    }

    /// Keeps the overrides over a restart of the host. Returns why not.
    pub(super) fn save(&self) -> Vec<String> {
        let error = self.overrides_file.write(&self.overrides).err();
        if let Some(message) = &error {
            self.shared.journal.note_now(Outcome::OverridesFile { message: message.clone() });
        }
        error.into_iter().collect()
    }

    /// Drops the overrides that the configuration agrees with.
    pub(super) fn adopt_overrides(&mut self, base: &Config) {
        if self.overrides.list().is_empty() {
            return;
        }
        let mut next = Overrides::clone(&self.overrides);
        let adopted = next.adopted(base);
        if adopted.is_empty() {
            return;
        }
        self.overrides = Arc::new(next);
        for it in adopted {
            let switch = it.switch.as_str().to_owned();
            self.shared.journal.note_now(Outcome::OverrideDropped { on: it.on, switch });
        }
        self.save();
    }

    /// Whether the configuration in force has what the action switches.
    fn is_applied(&self, request: &ActionRequest, config: &Config) -> bool {
        match request.action {
            Action::Enable => is_enabled(config, &request.on),
            Action::Disable => !is_enabled(config, &request.on),
            Action::Weights => {
                let Some(key) = key_of(&request.on) else { return false };
                let wanted = self.in_force();
                let base = match &self.pinned {
                    Some(past) => &past.base,
                    None => &self.config,
                };
                wanted.apply(base).capabilities.get(&key) == config.capabilities.get(&key)
            }
            _ => true,
        }
    }

    /// Why a plugin that an operator enabled does not run yet.
    fn why_not_running(&self, request: &ActionRequest, after: &PublishedSet) -> Option<String> {
        let on = &request.on;
        if request.action != Action::Enable || after.generation.plugins.contains(on) {
            return None;
        }
        if let Some(past) = &self.pinned {
            return Some(format!(
                "generation {} serves, which does not hold {on}: it starts after a resume",
                past.number
            ));
        }
        let refused = after.rejected.iter().find(|it| it.plugin.as_ref() == Some(on));
        Some(match refused {
            Some(it) => format!("{on} does not run: {}: {}: {}", it.source, it.reason, it.message),
            None if !self.pending.is_empty() => format!("{on} starts once it is prepared"),
            None => format!("{on} does not run: there is no file of it"),
        })
    }

    /// What a plugin whose calls were held back gets after the action.
    fn gets_calls(&self, request: &ActionRequest, was_held: bool) -> Option<String> {
        let on = &request.on;
        Some(match (request.action, self.in_force().hold(on)) {
            (Action::Enable | Action::BreakerReset, _) if !was_held => return None,
            (Action::Enable | Action::BreakerReset, Hold::None) => format!("{on} gets calls again"),
            (Action::Enable, Hold::BreakerOpen) => {
                format!("{on} still gets no calls: its breaker is held open")
            }
            (Action::BreakerReset, Hold::Draining) => {
                format!("{on} still gets no calls: it is drained")
            }
            _ => return None,
        })
    }

    fn note(&self, request: &ActionRequest, generation: u64) {
        let ActionRequest { action, on, by, weights, .. } = request;
        let sets = match action {
            Action::Weights if weights.is_empty() => "as configured".to_owned(),
            Action::Weights => weights_text(weights),
            _ => String::new(),
        };
        let outcome = Outcome::Operator { action: *action, on: on.clone(), by: by.clone(), sets };
        self.shared.journal.note(generation, outcome);
    }

    fn answer(
        &self,
        request: &ActionRequest,
        change: Change,
        report: &Report,
        notes: Vec<String>,
    ) -> ActionReport {
        let is_dry = request.dry_run;
        let labels = |all: &[String]| if is_dry { Vec::new() } else { all.to_vec() };
        ActionReport {
            action: request.action,
            on: request.on.clone(),
            dry_run: is_dry,
            generation: report.generation,
            published: report.published && !is_dry,
            change,
            loaded: labels(&report.loaded),
            retired: labels(&report.retired),
            rejected: report.rejected.clone(),
            preparing: self.shared.preparing(),
            left: None,
            notes,
        }
    }

    /// Checks that what the action names is there.
    fn check(&self, request: &ActionRequest, running: &Generation) -> Result<(), ActionError> {
        let on = &request.on;
        match request.action {
            Action::Weights => self.check_weights(request, running),
            Action::Enable | Action::Disable | Action::BreakerReset => {
                self.check_known(on, running)
            }
            Action::Restart | Action::Drain | Action::BreakerOpen => {
                self.check_known(on, running)?;
                if let Some(member) = running.plugins.get(on) {
                    return match &member.canary {
                        // Its trial compares instances that serve.
                        Some(canary) if request.action == Action::Restart => {
                            Err(ActionError::Refused {
                                action: request.action,
                                on: on.clone(),
                                artifact: canary.source.to_string(),
                                message:
                                    "this new version is on trial; restart the plugin when that \
                                          is decided, or roll back"
                                        .to_owned(),
                            })
                        }
                        _ => Ok(()),
                    };
                }
                let because = match is_enabled(&running.config, on) {
                    false => "it is disabled",
                    true => "it is refused, or there is no file of it",
                };
                Err(ActionError::NotRunning { wanted: on.clone(), because: because.to_owned() })
            }
            Action::Reload | Action::Rollback | Action::Resume => Ok(()),
        }
    }

    fn check_known(&self, plugin: &str, running: &Generation) -> Result<(), ActionError> {
        let past = self.pinned.iter().flat_map(|past| &past.wanted);
        let names = running.plugins.iter().map(|(name, _)| name);
        let names = names
            .chain(self.found.iter().map(String::as_str))
            .chain(self.config.plugins.keys().map(String::as_str))
            .chain(self.overrides.list().iter().map(|it| &*it.on))
            .chain(past.map(|it| &*it.identity.name));
        let names: BTreeSet<&str> = names.collect();
        if names.contains(plugin) {
            return Ok(());
        }
        Err(ActionError::UnknownPlugin { wanted: plugin.to_owned(), hint: hint(plugin, &names) })
    }

    fn check_weights(
        &self,
        request: &ActionRequest,
        running: &Generation,
    ) -> Result<(), ActionError> {
        let on = &request.on;
        let base = match &self.pinned {
            Some(past) => &past.base,
            None => &self.config,
        };
        let configured: Vec<String> = base.capabilities.keys().map(ToString::to_string).collect();
        let names = running.capabilities.iter().map(|(name, _)| name);
        let names: BTreeSet<&str> = names.chain(configured.iter().map(String::as_str)).collect();
        let key = key_of(on).filter(|_| names.contains(on.as_str()));
        let Some(key) = key else {
            let hint = hint(on, &names);
            return Err(ActionError::UnknownCapability { wanted: on.clone(), hint });
        };
        let mut all = self.in_force().weights(on).cloned().unwrap_or_default();
        all.extend(request.weights.clone());
        if request.weights.is_empty() && is_split(base, &key) {
            return Ok(());
        }
        weighted(base, &key, &all).map(drop).map_err(ActionError::Weights)
    }
}

fn is_split(config: &Config, key: &CapabilityKey) -> bool {
    let settings: Option<&CapabilitySettings> = config.capabilities.get(key);
    settings.is_some_and(|it| matches!(it.strategy, Strategy::Split { .. }))
}

/// The plugins and the configuration of a generation that an operator rolled back to, with what was
/// switched since.
pub(super) fn pinned_set(
    past: &PastGeneration,
    overrides: &Overrides,
) -> (Vec<crate::set::Wanted>, Arc<Config>) {
    let wanted = past.wanted.iter();
    let wanted = wanted.filter(|it| !overrides.has(&it.identity.name, &Switch::Disabled));
    (wanted.cloned().collect(), overrides.apply(&past.base))
}

/// The capabilities whose providers all get no calls with these overrides.
fn held(running: &Generation, overrides: &Overrides) -> Vec<String> {
    let capabilities = running.capabilities.iter();
    let is_held = |name: &str| overrides.hold(name) != Hold::None;
    let held = capabilities.filter(|(_, capability)| {
        capability.targets().all(|target| is_held(&target.running.identity.name))
    });
    held.map(|(key, _)| key.to_owned()).collect()
}

fn restarted(running: &Generation, plugin: &str) -> Change {
    let version = running.plugins.get(plugin).map(version_of);
    let mut change = PluginChange::new(plugin, version.clone(), version);
    change.differs.push("restart".to_owned());
    Change { plugins: vec![change], ..Change::default() }
}

fn refusal(request: &ActionRequest, refused: Option<Rejection>) -> ActionError {
    let (source, message) = match refused {
        Some(it) => (it.source.to_string(), it.refusal.message),
        None => (PathBuf::new().display().to_string(), "the set did not change".to_owned()),
    };
    ActionError::Refused {
        action: request.action,
        on: request.on.clone(),
        artifact: source,
        message,
    }
}

fn hint(wanted: &str, known: &BTreeSet<&str>) -> String {
    match nearest(wanted, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => {
            let more = if known.len() > MAX_NAMES { ", …" } else { "" };
            let names: Vec<&str> = known.iter().take(MAX_NAMES).copied().collect();
            format!("known: {}{more}", names.join(", "))
        }
    }
}
