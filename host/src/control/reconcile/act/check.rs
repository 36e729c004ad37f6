//! Whether what an action names is there.

use std::collections::BTreeSet;

use plugbay_core::CapabilityKey;
use plugbay_registry::nearest;

use crate::config::{Config, Strategy};
use crate::control::action::{ActionError, ActionRequest};
use crate::control::reconcile::Reconciler;
use crate::report::Action;
use crate::set::{Generation, is_enabled, key_of, weighted};

/// The most names that an error lists.
const MAX_NAMES: usize = 10;

impl Reconciler {
    /// Checks that what the action names is there.
    pub(super) fn check(
        &self,
        request: &ActionRequest,
        running: &Generation,
    ) -> Result<(), ActionError> {
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
                let because = if is_enabled(&running.config, on) {
                    "it is refused, or there is no file of it"
                } else {
                    "it is disabled"
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
    config.capabilities.get(key).is_some_and(|it| matches!(it.strategy, Strategy::Split { .. }))
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
