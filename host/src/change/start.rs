//! Starts what is new, and puts together what the next set is made of.
//!
//! Each plugin goes one of two ways: it stays as it is, or something of it is started. What is
//! started is the version that is wanted, which takes the place of the one that serves or is
//! tried beside it; or the one that serves, under what the configuration says now: limits and
//! grants reach whatever serves, be it a last good version or the other side of a trial.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_registry::Leased;

use super::desired::{Desired, as_configured};
use super::plan::plan;
use super::store::{Started, Store};
use super::trials::{promoted, terms, trial};
use crate::config::Config;
use crate::report::{Outcome, Refused, millis};
use crate::set::{Canary, Generation, Member, Offer, Running, Terms, Wanted, is_well};

/// What one look starts from.
pub(crate) struct Look<'a> {
    pub(crate) running: &'a Generation,
    pub(crate) config: &'a Config,
    /// Whether an operator went back to what is wanted: then nothing is tried.
    pub(crate) pinned: bool,
    /// How many are started at the same time.
    pub(crate) workers: usize,
    /// Whether what would not start is tried again.
    pub(crate) retry: bool,
}

/// What becomes of one plugin. One of which nothing is started stays as it is.
#[derive(Default)]
struct Way {
    /// What serves now.
    old: Option<Member>,
    /// The version that is wanted, if it has to be started.
    aim: Option<Wanted>,
    /// The version that serves, as it is configured now, if it has to be started anew.
    stable: Option<Wanted>,
    /// How the first is tried beside the second; else it takes its place.
    terms: Option<Terms>,
}

/// A plugin that was started for the next generation.
pub(crate) struct Fresh {
    pub(crate) running: Arc<Leased<Running>>,
    pub(crate) wanted: Wanted,
    /// What is noted once it serves.
    pub(crate) loaded: Outcome,
}

/// What was started and what the next set is made of, in order of precedence.
#[derive(Default)]
pub(crate) struct Next {
    pub(crate) started: Vec<Fresh>,
    pub(crate) members: Vec<Member>,
    pub(crate) refused: Vec<Refused>,
}

impl Look<'_> {
    /// Starts what is new, and puts the next set together: what runs and stays first.
    pub(crate) fn start(&self, store: &mut Store, desired: Desired) -> Next {
        let identities = self.running.plugins.iter().map(|(name, it)| (name, it.aim())).collect();
        let wanted = desired.wanted.iter().map(|it| (&*it.identity.name, &it.identity)).collect();
        let plan = plan(&identities, &wanted);
        let kept = desired.kept.iter().filter_map(|name| self.running.plugins.get(name));
        let kept = kept.map(|member| self.goes_on(member.clone()));
        let wanted = desired.wanted.into_iter().map(|wanted| {
            let is_unchanged = plan.unchanged.contains(&wanted.identity.name);
            match self.running.plugins.get(&wanted.identity.name) {
                Some(old) if self.pinned => goes_back(old, wanted),
                Some(old) if is_unchanged => self.goes_on(found_at(old.clone(), &wanted)),
                Some(old) => self.changes(old, wanted),
                None => Way { aim: Some(wanted), ..Way::default() },
            }
        });
        let mut ways: Vec<Way> = wanted.chain(kept).collect();
        let mut next = Next::default();
        store.begin(self.retry);
        // What would not start leaves what serves, of which something may have to be started.
        while !ways.is_empty() {
            ways = self.go(store, ways, &mut next);
        }
        next.members.sort_by_key(|member| !self.running.holds(&member.running));
        next
    }

    /// The way of a plugin of which nothing changed, or whose change was refused.
    fn goes_on(&self, old: Member) -> Way {
        let old = self.tried(old);
        Way { stable: self.stable(&old), old: Some(old), ..Way::default() }
    }

    /// A member that goes on, with its trial as the configuration has it now.
    fn tried(&self, mut old: Member) -> Member {
        let Some(canary) = old.canary.take() else { return old };
        if canary.trial.end().is_some() {
            // The next look carries it out.
            return Member { canary: Some(canary), ..old };
        }
        if !is_current(self.config, &canary.running) {
            // It is not what it should be, and there is nothing to start it from.
            return old;
        }
        match terms(self.config, &old.running.description, &canary.running.description) {
            // Without such a section, a new version just serves.
            None => promoted(&canary),
            Some(terms) if terms == *canary.trial.terms() => Member { canary: Some(canary), ..old },
            Some(terms) => {
                let trial = trial(&old.running, &canary.running, terms);
                Member { canary: Some(Canary { trial, ..canary }), ..old }
            }
        }
    }

    /// The way of a plugin of which something else is wanted.
    fn changes(&self, old: &Member, wanted: Wanted) -> Way {
        if old.running.identity.digest == wanted.identity.digest {
            // The same code: whoever changed its section means it.
            let alone = Member { canary: None, ..old.clone() };
            return takes_over(alone, wanted);
        }
        let is_over = |canary: &Canary| {
            canary.running.identity.digest == wanted.identity.digest && canary.trial.end().is_some()
        };
        if old.canary.as_ref().is_some_and(is_over) {
            return self.goes_on(old.clone());
        }
        let terms = terms(self.config, &old.running.description, &wanted.offer.description)
            .filter(|_| is_well(&old.running));
        let stable = terms.as_ref().and_then(|_| self.stable(old));
        Way { old: Some(old.clone()), aim: Some(wanted), stable, terms }
    }

    /// The version that serves, if it is to be started anew.
    fn stable(&self, old: &Member) -> Option<Wanted> {
        let running = &old.running;
        if is_current(self.config, running) {
            return None;
        }
        let identity = as_configured(self.config, &running.identity, &running.offer);
        let offer = Offer { source: old.source.clone(), ..running.offer.clone() };
        Some(Wanted { identity, offer })
    }

    /// Starts what is to be started, and returns the ways of those whose new version would not.
    fn go(&self, store: &mut Store, ways: Vec<Way>, next: &mut Next) -> Vec<Way> {
        let all = ways.iter().flat_map(|it| it.aim.iter().chain(&it.stable)).cloned();
        let mut started = store.start(waves(self.config, all.collect()), self.workers);
        let mut take = |wanted: Option<&Wanted>, replaces: Option<&Member>, next: &mut Next| {
            let identity = &wanted?.identity;
            let at = started.iter().position(|it| it.wanted.identity == *identity)?;
            next.keep(started.swap_remove(at), replaces)
        };
        let mut left = Vec::new();
        for Way { old, aim, stable, terms } in ways {
            let anew = take(stable.as_ref(), old.as_ref(), next);
            // On trial, it is beside the other one.
            let replaces = old.as_ref().filter(|_| terms.is_none());
            let new = take(aim.as_ref(), replaces, next);
            let serves = old.map(|old| match anew {
                None => old,
                Some(running) => self.compared_with(running, old),
            });
            let since = self.running.number + 1;
            match (new, aim, serves, terms) {
                (Some(running), Some(aim), Some(serves), Some(terms)) => {
                    let trial = trial(&serves.running, &running, terms);
                    let source = aim.offer.source;
                    let canary = Some(Canary { running, source, since, trial });
                    next.members.push(Member { canary, ..serves });
                }
                (Some(running), Some(aim), ..) => {
                    let source = aim.offer.source;
                    next.members.push(Member { running, source, since, canary: None });
                }
                (None, Some(aim), Some(serves), None)
                    if aim.identity.digest != serves.running.identity.digest && !self.pinned =>
                {
                    left.push(self.goes_on(serves));
                }
                (_, Some(_), Some(serves), _) if !self.pinned => {
                    next.members.push(self.tried(serves));
                }
                (_, _, serves, _) => next.members.extend(serves),
            }
        }
        left
    }

    /// A member whose serving version was started anew: who is on trial is compared with that
    /// one from now on.
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

/// The way of a plugin that an operator went back with: all of what served then, at once.
fn goes_back(old: &Member, wanted: Wanted) -> Way {
    match &old.canary {
        Some(canary) if canary.running.identity == wanted.identity => {
            takes_over(promoted(canary), wanted)
        }
        _ => takes_over(Member { canary: None, ..old.clone() }, wanted),
    }
}

/// The way of a plugin whose only version is the wanted one.
fn takes_over(old: Member, wanted: Wanted) -> Way {
    if old.running.identity == wanted.identity {
        return Way { old: Some(found_at(old, &wanted)), ..Way::default() };
    }
    Way { old: Some(old), aim: Some(wanted), ..Way::default() }
}

/// Starts members of a generation anew, as they are, and puts together what it is made of then.
pub(crate) fn anew(store: &Store, generation: &Generation, due: &[Member], workers: usize) -> Next {
    let wanted = due.iter().map(|member| {
        let running = &member.running;
        let offer = Offer { source: member.source.clone(), ..running.offer.clone() };
        Wanted { identity: running.identity.clone(), offer }
    });
    let started = store.start_anew(waves(&generation.config, wanted.collect()), workers);
    let mut next = Next::default();
    let mut anew = BTreeMap::new();
    for started in started {
        let name = started.wanted.identity.name.clone();
        if let Some(running) = next.keep(started, generation.plugins.get(&name)) {
            anew.insert(name, running);
        }
    }
    let members = generation.plugins.iter().map(|(name, member)| match anew.remove(name) {
        Some(running) => Member { running, since: generation.number + 1, ..member.clone() },
        None => member.clone(),
    });
    next.members = members.collect();
    next
}

impl Next {
    /// Keeps what was started, or says why it was not.
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
            took_ms: millis(took),
        };
        self.started.push(Fresh { running: Arc::clone(&running), wanted, loaded });
        Some(running)
    }
}

/// Whether a version that runs is as the configuration would have it.
fn is_current(config: &Config, running: &Running) -> bool {
    as_configured(config, &running.identity, &running.offer) == running.identity
}

/// A member whose newest version is where the wanted one was found.
fn found_at(mut member: Member, wanted: &Wanted) -> Member {
    let source = match &mut member.canary {
        Some(canary) => &mut canary.source,
        None => &mut member.source,
    };
    source.clone_from(&wanted.offer.source);
    member
}

/// Plugins to start, in groups: all of a group start before the next does. A plugin comes after
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
