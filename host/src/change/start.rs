//! Carries out a plan: starts new versions, and collects the members of the next set.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_registry::Leased;

use super::claims::{Contested, readmitted};
use super::desired::Desired;
use super::plan::{Plan, Planner, Serving, Transition, TrialChange};
use super::store::{Retry, Started, Store};
use super::trials::{promoted, trial};
use crate::config::Config;
use crate::report::{Outcome, Rejection, millis};
use crate::set::{Canary, Generation, Member, Offer, Running, Wanted};

/// The input of one reconciliation.
pub(crate) struct Reconciliation<'a> {
    pub(crate) running: &'a Generation,
    pub(crate) config: &'a Config,
    /// Whether an operator rolled back to the desired plugins: then no version is tried.
    pub(crate) pinned: bool,
    /// How many plugins are started at the same time.
    pub(crate) workers: usize,
    /// Which plugins that failed to start before are tried again.
    pub(crate) retry: Retry,
}

/// A plugin on its way into the next set.
struct Step {
    /// The serving member, after the change of its trial.
    old: Option<Member>,
    transition: Transition,
}

/// A plugin that was started for the next generation.
pub(crate) struct StartedPlugin {
    pub(crate) running: Arc<Leased<Running>>,
    pub(crate) wanted: Wanted,
    /// The outcome to report once the plugin serves.
    pub(crate) loaded: Outcome,
}

/// The plugins that were started, and the members of the next set in order of precedence.
#[derive(Default)]
pub(crate) struct Next {
    pub(crate) started: Vec<StartedPlugin>,
    pub(crate) members: Vec<Member>,
    pub(crate) refused: Vec<Rejection>,
}

impl Reconciliation<'_> {
    /// Starts new versions, and collects the members of the next set: running ones that stay come
    /// first.
    pub(crate) fn start(&self, store: &mut Store, mut desired: Desired) -> Next {
        let running = || self.running.plugins.iter();
        let serving = running().map(|(name, member)| (name, Serving::of(member))).collect();
        let mut contested = std::mem::take(&mut desired.contested);
        let Plan { transitions, retire } = self.planner().plan(&serving, desired);
        let mut stays: BTreeMap<&str, Member> =
            running().map(|(name, member)| (name, member.clone())).collect();
        stays.retain(|name, _| !retire.iter().any(|it| it == name));
        let steps = transitions.into_iter().map(|it| step(stays.remove(&*it.name), it));
        let mut steps: Vec<Step> = steps.collect();
        let mut next = Next { members: stays.into_values().collect(), ..Next::default() };
        store.begin(self.retry);
        while !steps.is_empty() {
            let refused = next.refused.len();
            // If a version does not start, the serving one stays, which may have to be restarted.
            while !steps.is_empty() {
                steps = self.go(store, steps, &mut next);
            }
            if next.refused.len() > refused {
                // A plugin that did not start claims no name, capability or route.
                steps = self.readmit(&mut contested, &mut next);
            }
        }
        next.refused.extend(contested.into_iter().filter_map(Contested::into_refused));
        next.members.sort_by_key(|member| !self.running.holds(&member.running));
        next
    }

    fn planner(&self) -> Planner<'_> {
        Planner { config: self.config, pinned: self.pinned }
    }

    /// The steps of plugins that clashed only with plugins that did not start.
    fn readmit(&self, contested: &mut Vec<Contested>, next: &mut Next) -> Vec<Step> {
        let admitted = readmitted(self.config, &next.members, contested);
        let steps = admitted.into_iter().map(|wanted| {
            let name = &wanted.identity.name;
            let at = next.members.iter().position(|it| it.running.identity.name == *name);
            // If it serves and was about to leave, it stays as it is.
            let old = match at {
                Some(at) => Some(next.members.remove(at)),
                None => self.running.plugins.get(name).cloned(),
            };
            let serving = old.as_ref().map(Serving::of);
            let transition = self.planner().transition(serving.as_ref(), wanted);
            step(old, transition)
        });
        steps.collect()
    }

    /// Starts the versions of these steps, and returns new steps for plugins whose new version did
    /// not start.
    fn go(&self, store: &mut Store, steps: Vec<Step>, next: &mut Next) -> Vec<Step> {
        let all = steps.iter().map(|it| &it.transition);
        let all = all.flat_map(|it| it.target.iter().chain(&it.restart)).cloned();
        let mut started = store.start(waves(self.config, all.collect()), self.workers);
        let mut take = |wanted: Option<&Wanted>, replaces: Option<&Member>, next: &mut Next| {
            let identity = &wanted?.identity;
            let at = started.iter().position(|it| it.wanted.identity == *identity)?;
            next.keep(started.swap_remove(at), replaces)
        };
        let mut left = Vec::new();
        for Step { old, transition } in steps {
            let Transition { target, restart, terms, .. } = transition;
            let restarted = take(restart.as_ref(), old.as_ref(), next);
            // A version on trial replaces none.
            let replaces = old.as_ref().filter(|_| terms.is_none());
            let new = take(target.as_ref(), replaces, next);
            let serves = old.map(|old| match restarted {
                None => old,
                Some(running) => self.compared_with(running, old),
            });
            let since = self.running.number + 1;
            match (new, target, serves, terms) {
                (Some(running), Some(target), Some(serves), Some(terms)) => {
                    let trial = trial(&serves.running, &running, terms);
                    let source = target.offer.source;
                    let canary = Some(Canary { running, source, since, trial });
                    next.members.push(Member { canary, ..serves });
                }
                (Some(running), Some(target), ..) => {
                    let source = target.offer.source;
                    next.members.push(Member { running, source, since, canary: None });
                }
                (None, Some(target), Some(serves), None)
                    if target.identity.digest != serves.running.identity.digest && !self.pinned =>
                {
                    let transition = self.planner().goes_on(&Serving::of(&serves));
                    left.push(step(Some(serves), transition));
                }
                (_, Some(_), Some(serves), _) if !self.pinned => {
                    let trial = self.planner().trial_of(&Serving::of(&serves));
                    next.members.push(with_trial(serves, trial));
                }
                (_, _, serves, _) => next.members.extend(serves),
            }
        }
        left
    }

    /// A member whose serving version was restarted: a version on trial is compared with the new
    /// instance from now on.
    fn compared_with(&self, running: Arc<Leased<Running>>, old: Member) -> Member {
        let canary = old.canary.map(|canary| {
            if canary.trial.end().is_some() {
                return canary;
            }
            let trial = trial(&running, &canary.running, canary.trial.terms().clone());
            Canary { trial, ..canary }
        });
        Member { running, canary, since: self.running.number + 1, ..old }
    }
}

fn step(old: Option<Member>, transition: Transition) -> Step {
    let old = old.map(|old| {
        let mut member = with_trial(old, transition.trial.clone());
        if let Some(found_at) = &transition.found_at {
            let source = match &mut member.canary {
                Some(canary) => &mut canary.source,
                None => &mut member.source,
            };
            source.clone_from(found_at);
        }
        member
    });
    Step { old, transition }
}

/// A member after a change of its trial.
fn with_trial(mut member: Member, change: TrialChange) -> Member {
    let Some(canary) = member.canary.take() else { return member };
    match change {
        TrialChange::Keep => Member { canary: Some(canary), ..member },
        TrialChange::Restart(terms) => {
            let trial = trial(&member.running, &canary.running, terms);
            Member { canary: Some(Canary { trial, ..canary }), ..member }
        }
        TrialChange::End => member,
        TrialChange::Promote => promoted(&canary),
    }
}

/// Restarts members of a generation with their current identity, and collects the members of the
/// next set.
pub(crate) fn restart_members(
    store: &Store,
    generation: &Generation,
    due: &[Member],
    workers: usize,
) -> Next {
    let wanted = due.iter().map(|member| {
        let running = &member.running;
        let offer = Offer { source: member.source.clone(), ..running.offer.clone() };
        Wanted { identity: running.identity.clone(), offer }
    });
    let started = store.restart(waves(&generation.config, wanted.collect()), workers);
    let mut next = Next::default();
    let mut restarted = BTreeMap::new();
    for started in started {
        let name = started.wanted.identity.name.clone();
        if let Some(running) = next.keep(started, generation.plugins.get(&name)) {
            restarted.insert(name, running);
        }
    }
    let members = generation.plugins.iter().map(|(name, member)| match restarted.remove(name) {
        Some(running) => Member { running, since: generation.number + 1, ..member.clone() },
        None => member.clone(),
    });
    next.members = members.collect();
    next
}

impl Next {
    /// Adds a plugin that was started, or the reason why it was not.
    fn keep(
        &mut self,
        started: Started,
        replaces: Option<&Member>,
    ) -> Option<Arc<Leased<Running>>> {
        let Started { wanted, outcome, took } = started;
        let running = match outcome {
            Ok(running) => running,
            Err(refusal) => {
                self.refused.push(wanted.refused(refusal));
                return None;
            }
        };
        let loaded = Outcome::Loaded {
            plugin: running.label.to_string(),
            source: wanted.offer.source.to_string(),
            digest: running.identity.digest.to_string(),
            replaces: replaces.map(|old| old.running.label.to_string()),
            replaced_digest: replaces.map(|old| old.running.identity.digest.to_string()),
            took_ms: millis(took),
        };
        self.started.push(StartedPlugin { running: Arc::clone(&running), wanted, loaded });
        Some(running)
    }
}

/// Groups plugins to start: all of a group start before the next group does. A plugin comes after
/// those that its section names in `after`.
fn waves(config: &Config, wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let depths = config.start_depths();
    let mut waves: BTreeMap<usize, Vec<Wanted>> = BTreeMap::new();
    for wanted in wanted {
        let depth = depths.get(&*wanted.identity.name).copied().unwrap_or_default();
        waves.entry(depth).or_default().push(wanted);
    }
    waves.into_values().collect()
}
