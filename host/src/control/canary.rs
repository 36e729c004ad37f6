//! Judges trials in the background, and says how they went.
//!
//! What a trial came to is carried out by the reconciler ([`Trials`](crate::change::Trials)).

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plugbay_registry::Leased;

use super::shared::Shared;
use crate::report::Outcome;
use crate::set::{Change, End, Member, Running, Trial, condition};

/// How often a trial is judged.
const EVERY: Duration = Duration::from_millis(500);

/// Ends a trial: the version that served goes on alone.
pub(crate) fn take_back(trial: &Trial, shared: &Shared, why: String) {
    if trial.end_by(End::TakenBack(why)) {
        ended(trial, shared);
    }
}

/// Has the reconciler carry out how it ended.
fn ended(trial: &Trial, shared: &Shared) {
    if let Some(End::TakenBack(because)) = trial.end() {
        let plugin = trial.label().to_owned();
        shared.journal.note_now(Outcome::CanaryRolledBack { plugin, because });
    }
    shared.look_after(Duration::ZERO);
}

/// Judges a trial that just began, in the background, until it is over.
pub(crate) fn follow(shared: &Arc<Shared>, member: &Member) {
    let Some(canary) = &member.canary else { return };
    let [stable, plugin] = canary.trial.labels().each_ref().map(ToString::to_string);
    shared.journal.note_now(Outcome::CanaryBegun { plugin, stable });
    let versions = [&member.running, &canary.running].map(Arc::downgrade);
    let (host, trial) = (Arc::downgrade(shared), Arc::downgrade(&canary.trial));
    shared.tokio.spawn(judge(host, trial, versions));
}

async fn judge(host: Weak<Shared>, trial: Weak<Trial>, versions: [Weak<Leased<Running>>; 2]) {
    loop {
        tokio::time::sleep(EVERY).await;
        // Whoever goes, goes: the next set holds no such trial, or there is no host.
        let (Some(shared), Some(trial)) = (host.upgrade(), trial.upgrade()) else { return };
        let [Some(stable), Some(canary)] = versions.each_ref().map(Weak::upgrade) else { return };
        if shared.is_stopped() {
            return;
        }
        let now = Instant::now();
        match trial.look(now, [&*stable, &*canary].map(|running| condition(running, now))) {
            Change::Nothing => {}
            Change::Step(percent) => {
                let plugin = trial.label().to_owned();
                shared.journal.note_now(Outcome::CanaryStep { plugin, percent });
            }
            Change::End => return ended(&trial, &shared),
        }
    }
}
