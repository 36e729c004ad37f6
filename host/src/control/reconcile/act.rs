//! Carries out the actions of operators. Each changes what operators switched (the overrides), and then the
//! reconciliation computes and publishes the set as ever; or it says what that would change.

mod check;
mod switched;

use std::path::Path;
use std::sync::Arc;

pub(super) use self::switched::pinned_set;
use super::{Reconciler, workers};
use crate::change::{Desired, Retry, SetView, restart_members, version_of};
use crate::config::Config;
use crate::control::action::{ActionError, ActionRequest};
use crate::control::publish::NextSet;
use crate::control::signal::ActionResult;
use crate::report::{Action, ActionReport, Change, Outcome, PluginChange, Rejection, Report};
use crate::set::{Generation, Hold, Overrides, PublishedSet, is_enabled, key_of, weights_text};

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
        let is_applied = self.is_applied(request, &after.generation.config);
        if !is_applied && self.pending.is_empty() {
            let refused = self.publisher.refused().first().cloned();
            (self.overrides, self.pinned) = old;
            self.reconcile(Retry::None);
            return Err(refusal(request, refused));
        }
        self.apply_hold(&request.on, &after.generation);
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
        let report = self.publish_restarted(before, next.members, next.started);
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
                let (desired, config) = if let Some(past) = pinned {
                    let next = self.switched(request, &past.overrides);
                    let (wanted, config) = pinned_set(&past, &next);
                    (Desired::of(wanted), config)
                } else {
                    let mut refused = Vec::new();
                    let found = self.desire(running, Retry::None, &mut refused, next);
                    let (_base, config, mut desired) = found;
                    self.trials.withhold(&mut desired, running);
                    (desired, config)
                };
                let next = SetView::of_desired(&desired, running, &config);
                SetView::of(running).difference(&next)
            }
        }
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
        None => ("the host".to_owned(), "the set did not change".to_owned()),
    };
    ActionError::Refused {
        action: request.action,
        on: request.on.clone(),
        artifact: source,
        message,
    }
}
