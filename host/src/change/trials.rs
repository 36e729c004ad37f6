//! The reconciler's record of trials: which version is on trial and by which terms, the result, and
//! which versions were rolled back.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_core::{Description, Digest, Reason, Refusal};
use plugbay_guard::{CanaryRules, Steps};
use plugbay_registry::Leased;

use super::desired::Desired;
use crate::config::{Config, Strategy};
use crate::report::{Outcome, Rejection};
use crate::set::{Canary, End, Generation, Member, Running, Terms, Trial};

/// The greatest probability with which an equal version is rolled back at one step.
const SIGNIFICANCE: f64 = 0.01;

/// The versions that were rolled back.
#[derive(Default)]
pub(crate) struct Trials {
    /// By plugin and digest, why a version was rolled back. It is not tried again until its file
    /// changes or an operator asks for a reload, whatever else changes in its configuration.
    failed: BTreeMap<(String, Digest), Refusal>,
}

impl Trials {
    /// Lets versions that were rolled back be tried again.
    pub(crate) fn forget(&mut self) {
        self.failed.clear();
    }

    /// The members of a generation after its decided trials are carried out; `None` if none is
    /// decided. A bad version is removed whatever else the reconciliation finds.
    pub(crate) fn settle(&mut self, running: &Generation) -> Option<(Vec<Member>, Vec<Rejection>)> {
        let (mut any, mut refused) = (false, Vec::new());
        let settled = running.plugins.iter().map(|(name, member)| {
            let ended = member.canary.as_ref().and_then(|it| Some((it, it.trial.end()?)));
            match ended {
                Some((canary, End::Promoted(_))) => {
                    any = true;
                    promoted(canary)
                }
                Some((canary, End::RolledBack(why))) => {
                    any = true;
                    let refusal = Refusal::new(Reason::Canary, why).hint(
                        "fix the plugin, or try it again with `plugbay reload` (POST /v1/reload)",
                    );
                    let digest = canary.running.identity.digest;
                    refused.push(Rejection {
                        source: canary.source.clone(),
                        plugin: Some(name.to_owned()),
                        digest: Some(digest),
                        refusal: refusal.clone(),
                    });
                    self.failed.insert((name.to_owned(), digest), refusal);
                    Member { canary: None, ..member.clone() }
                }
                Some((_, End::Over)) | None => member.clone(),
            }
        });
        let settled = settled.collect();
        any.then_some((settled, refused))
    }

    /// Removes versions from the desired plugins that were rolled back before; the serving versions
    /// stay. Returns the reason for each.
    pub(crate) fn withhold(
        &mut self,
        desired: &mut Desired,
        running: &Generation,
    ) -> Vec<Rejection> {
        let mut refused = Vec::new();
        let Desired { wanted, kept, .. } = desired;
        wanted.retain(|wanted| {
            let (name, digest) = (&wanted.identity.name, wanted.identity.digest);
            // Forget rolled-back versions whose file changed.
            self.failed.retain(|(it, failed), _| it != name || *failed == digest);
            let serves = running.plugins.get(name).map(|member| member.running.identity.digest);
            let key = (name.clone(), digest);
            if serves.is_none_or(|serves| serves == digest) {
                // No other version serves, or an operator rolled back to this one.
                self.failed.remove(&key);
            }
            let Some(refusal) = self.failed.get(&key) else { return true };
            refused.push(wanted.refused(refusal.clone()));
            kept.insert(name.clone());
            false
        });
        refused
    }
}

/// The member after its canary was promoted.
pub(crate) fn promoted(canary: &Canary) -> Member {
    let Canary { running, source, since, .. } = canary.clone();
    Member { running, source, since, canary: None }
}

/// A trial of a new version beside the stable one.
pub(crate) fn trial(stable: &Running, new: &Running, terms: Terms) -> Arc<Trial> {
    let labels = [Arc::clone(&stable.label), Arc::clone(&new.label)];
    Arc::new(Trial::new(labels, terms))
}

/// The terms of a trial of a new version, if any capability that both versions offer has the
/// strategy canary.
pub(crate) fn terms(config: &Config, stable: &Description, new: &Description) -> Option<Terms> {
    let mut both = stable.keys().filter(|key| new.keys().any(|it| it == *key));
    both.find_map(|key| match &config.capabilities.get(&key)?.strategy {
        Strategy::Canary { steps, every, errors, latency, calls, .. } => {
            // A step of all calls is no trial: there is nothing left to compare with.
            let shares = steps.iter().filter(|share| **share < 100).map(|share| share * 10);
            let steps = Steps { shares: shares.collect(), step_duration: *every };
            let rules = CanaryRules {
                significance: SIGNIFICANCE,
                rate_margin: errors / 100.0,
                latency_factor: *latency,
                min_calls: (*calls).min(CanaryRules::default().min_calls),
                enough_calls: *calls,
                ..CanaryRules::default()
            };
            (!steps.shares.is_empty()).then_some(Terms { steps, rules })
        }
        Strategy::Failover { .. } | Strategy::Split { .. } => None,
    })
}

/// Ends the trial of `before` if the new set no longer has it, and returns the outcome: promoted,
/// or interrupted.
pub(crate) fn trial_outcome(
    before: &Canary,
    after: Option<&Member>,
    pinned: Option<u64>,
) -> Option<Outcome> {
    let is_it = |running: &Arc<Leased<Running>>| Arc::ptr_eq(running, &before.running);
    let canary = after.and_then(|member| member.canary.as_ref());
    if canary.is_some_and(|canary| Arc::ptr_eq(&canary.trial, &before.trial)) {
        return None;
    }
    let plugin = before.trial.label().to_owned();
    let because = match (after, canary) {
        (None, _) => "the plugin was removed".to_owned(),
        (Some(_), _) if pinned.is_some() => {
            "an operator rolled back to an earlier generation".to_owned()
        }
        (_, Some(canary)) if is_it(&canary.running) => {
            "the trial restarts: its settings changed".to_owned()
        }
        (_, Some(canary)) if canary.running.identity.digest == before.running.identity.digest => {
            "the trial restarts: the plugin's section changed".to_owned()
        }
        (_, Some(canary)) => format!("replaced by {}", canary.running.label),
        (Some(member), None) if is_it(&member.running) => {
            "no capability of the plugin has the strategy canary any more".to_owned()
        }
        (Some(_), None) => "the plugin's file or section changed".to_owned(),
    };
    let takes_all = after.is_some_and(|member| is_it(&member.running));
    match before.trial.end() {
        Some(End::RolledBack(_)) => None,
        Some(End::Promoted(because)) if takes_all => {
            Some(Outcome::CanaryPromoted { plugin, because })
        }
        _ => {
            before.trial.end_by(End::Over);
            Some(if takes_all {
                Outcome::CanaryPromoted { plugin, because }
            } else {
                Outcome::CanaryEnded { plugin, because }
            })
        }
    }
}
