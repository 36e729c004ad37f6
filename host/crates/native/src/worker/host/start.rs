//! How a supervisor starts a worker: load, create, health.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use plugbay_abi::Kind;
use plugbay_core::{CallErrorKind, Reason};

use super::call::{Ask, ask};
use super::death::Death;
use super::spawn::{Failed, Spawned, Started, broke, output_limit, spawn};
use super::supervisor::Supervisor;
use crate::calls::Calls;
use crate::worker::link::error::LaneError;
use crate::worker::link::granted;
use crate::worker::link::wire::Op;

/// What to do about a granted folder that is missing.
const GRANT_HINT: &str = "make the folder, or take it out of the plugin's grants";

impl Supervisor {
    /// A worker with an instance that says it can serve. Each step has the policy's `init`.
    pub(super) fn start(&self) -> Result<Started, Failed> {
        let spec = &self.spec;
        granted::check(&spec.policy.grants.files).map_err(|missing| {
            let death = Death::new(CallErrorKind::Unavailable, missing.to_string());
            let Failed { refusal, kind } = Failed::new(Reason::Grant, death);
            Failed { refusal: refusal.hint(GRANT_HINT), kind }
        })?;
        let spawned = spawn(&spec.command, spec.lanes, &spec.policy, &self.ledger)
            .map_err(|death| Failed::new(Reason::Init, death))?;
        let process = Arc::clone(&spawned.process);
        self.began(&process);
        let started = process.watched(|| self.steps(spawned)).unwrap_or_else(|error| {
            let message = format!("no worker could be watched: {error}");
            Err(Failed::new(Reason::Init, Death::new(CallErrorKind::Overloaded, message)))
        });
        if started.is_err() {
            // Whoever else knows of it, it is gone now.
            process.end();
        }
        started
    }

    fn steps(&self, spawned: Spawned) -> Result<Started, Failed> {
        let spec = &self.spec;
        let within = Instant::now() + spec.policy.init;
        let mut started = spawned.load(&spec.library, &spec.policy, within)?;
        self.instantiations.fetch_add(1, Ordering::Relaxed);
        let (missing, unkept) = (started.protections.missing(), started.protections.unkept());
        let plugin = &**spec.identity.label();
        if !missing.is_empty() {
            tracing::warn!(plugin, ?missing, "this system lacks what confines a worker");
        }
        if !unkept.is_empty() {
            tracing::warn!(plugin, ?unkept, "this system cannot keep the worker to its grants");
        }
        self.step(&mut started, Op::Create, spec.config.as_bytes())
            .map_err(|failed| named("init", Reason::Init, &failed))?;
        self.step(&mut started, Op::Health, &[])
            .map_err(|failed| named("health", Reason::Unhealthy, &failed))?;
        Ok(started)
    }

    fn step(&self, started: &mut Started, op: Op, body: &[u8]) -> Result<(), Death> {
        let policy = &self.spec.policy;
        let host = Calls::outside(&self.ledger);
        // There is always one.
        let Some(lane) = started.lanes.first_mut() else { return Ok(()) };
        let asked = Ask { op, index: 0, meta: &[], body };
        let within = Instant::now() + policy.init;
        let error = match ask(lane, asked, &host, output_limit(policy), within) {
            Ok(frame) => {
                let kind = |kind| match kind {
                    Kind::Panicked => CallErrorKind::Panic,
                    _ => CallErrorKind::Unavailable,
                };
                let refused = frame.answer().map(drop);
                return refused.map_err(|error| Death::new(kind(error.kind), error.message));
            }
            Err(error) => error,
        };
        Err(match error {
            LaneError::Ended => started.process.end_early(),
            LaneError::Late | LaneError::Waiting | LaneError::Unsent => {
                let message = format!("did not answer within {:?} and was killed", policy.init);
                Death::new(CallErrorKind::Deadline, message)
            }
            error => broke(&error),
        })
    }
}

fn named(step: &str, reason: Reason, death: &Death) -> Failed {
    let reason = match death.kind {
        CallErrorKind::Deadline => Reason::InitDeadline,
        _ => reason,
    };
    Failed::new(reason, Death::new(death.kind, format!("{step}: {death}")))
}
