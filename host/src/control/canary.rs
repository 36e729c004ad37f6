//! Judges trials in the background, and reports the results. The reconciler carries out the
//! decision of a trial ([`Trials`](crate::change::Trials)).

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plugbay_registry::Leased;

use super::shared::HostState;
use crate::report::Outcome;
use crate::set::{Change, End, Member, Running, Trial, condition};

/// The interval at which a trial is judged.
const EVERY: Duration = Duration::from_millis(500);

/// Ends a trial: the stable version gets all calls.
pub(crate) fn roll_back_trial(trial: &Trial, shared: &HostState, why: String) {
    if trial.end_by(End::RolledBack(why)) {
        ended(trial, shared);
    }
}

/// Reports a decided trial, and wakes the reconciler to carry out the decision.
fn ended(trial: &Trial, shared: &HostState) {
    if let Some(End::RolledBack(because)) = trial.end() {
        let plugin = trial.label().to_owned();
        shared.journal.note_now(Outcome::CanaryRolledBack { plugin, because });
    }
    shared.wake_after(Duration::ZERO);
}

/// Judges a new trial in the background until it is over.
pub(crate) fn follow(shared: &Arc<HostState>, member: &Member) {
    let Some(canary) = &member.canary else { return };
    let [stable, plugin] = canary.trial.labels().each_ref().map(ToString::to_string);
    shared.journal.note_now(Outcome::CanaryStarted { plugin, stable });
    let versions = [&member.running, &canary.running].map(Arc::downgrade);
    let (host, trial) = (Arc::downgrade(shared), Arc::downgrade(&canary.trial));
    shared.tokio.spawn(judge(host, trial, versions));
}

async fn judge(host: Weak<HostState>, trial: Weak<Trial>, versions: [Weak<Leased<Running>>; 2]) {
    loop {
        tokio::time::sleep(EVERY).await;
        // The next set holds no such trial, or the host is dropped.
        let (Some(shared), Some(trial)) = (host.upgrade(), trial.upgrade()) else { return };
        let [Some(stable), Some(canary)] = versions.each_ref().map(Weak::upgrade) else { return };
        if shared.is_stopped() {
            return;
        }
        let now = Instant::now();
        match trial.evaluate(now, [&*stable, &*canary].map(|running| condition(running, now))) {
            Change::Nothing => {}
            Change::Step(percent) => {
                let plugin = trial.label().to_owned();
                shared.journal.note_now(Outcome::CanaryStep { plugin, percent });
            }
            Change::End => return ended(&trial, &shared),
        }
    }
}
