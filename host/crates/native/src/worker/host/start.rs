//! Starts a worker that can serve: load, create, health.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use plugbay_abi::ErrorKind;
use plugbay_core::{CallErrorKind, Reason};

use super::call::{CallRequest, exchange};
use super::death::Death;
use super::spawn::{Spawned, StartFailure, Started, output_limit, protocol_death, spawn};
use super::supervisor::Supervisor;
use crate::call_host::CallHost;
use crate::worker::link::error::LaneError;
use crate::worker::link::granted;
use crate::worker::link::wire::{Head, Op};

/// What to do about a granted folder that is missing.
const GRANT_HINT: &str = "create the folder, or remove it from the plugin's grants";

impl Supervisor {
    /// Starts a worker, creates the instance and calls its `health`. Each step has the policy's `init`.
    pub(super) fn start(&self) -> Result<Started, StartFailure> {
        let spec = &self.spec;
        granted::check(&spec.policy.grants.files).map_err(|missing| {
            let death = Death::new(CallErrorKind::Unavailable, missing.to_string());
            let StartFailure { refusal, kind } = StartFailure::new(Reason::Grant, death);
            StartFailure { refusal: refusal.hint(GRANT_HINT), kind }
        })?;
        let spawned = spawn(&spec.command, spec.lanes, &spec.policy, &self.ledger, &self.serving)
            .map_err(|death| StartFailure::new(Reason::Init, death))?;
        let process = Arc::clone(&spawned.process);
        self.register_starting(&process);
        let started = process.while_watched(|| self.steps(spawned)).unwrap_or_else(|error| {
            let message = format!("no worker could be watched: {error}");
            Err(StartFailure::new(Reason::Init, Death::new(CallErrorKind::Overloaded, message)))
        });
        if started.is_err() {
            // Reaped even if `stop` has got hold of the process meanwhile.
            process.end();
        }
        started
    }

    fn steps(&self, spawned: Spawned) -> Result<Started, StartFailure> {
        let spec = &self.spec;
        let within = Instant::now() + spec.policy.init;
        let mut started = spawned.load(&spec.library, &spec.policy, within)?;
        self.instantiations.fetch_add(1, Ordering::Relaxed);
        let (missing, inexact) = (started.protections.missing(), started.protections.inexact());
        let (plugin, version) = spec.identity.name_and_version();
        if !missing.is_empty() {
            tracing::warn!(
                plugin,
                version,
                ?missing,
                "this system cannot confine workers completely"
            );
        }
        if !inexact.is_empty() {
            tracing::warn!(
                plugin,
                version,
                ?inexact,
                "this system cannot enforce the worker's grants exactly"
            );
        }
        self.step(&mut started, Op::Create, spec.config.as_bytes())
            .map_err(|failed| named("init", Reason::Init, &failed))?;
        self.step(&mut started, Op::Health, &[])
            .map_err(|failed| named("health", Reason::Unhealthy, &failed))?;
        Ok(started)
    }

    fn step(&self, started: &mut Started, op: Op, body: &[u8]) -> Result<(), Death> {
        let policy = &self.spec.policy;
        let host = CallHost::outside(&self.ledger);
        // There is always a lane.
        let Some(lane) = started.lanes.first_mut() else { return Ok(()) };
        let request = CallRequest { head: Head::new(op), meta: &[], body };
        let within = Instant::now() + policy.init;
        let error = match exchange(lane, request, &host, output_limit(policy), within) {
            Ok(frame) => {
                let kind = |kind| match kind {
                    ErrorKind::Panicked => CallErrorKind::Panic,
                    _ => CallErrorKind::Unavailable,
                };
                let refused = frame.into_result().map(drop);
                return refused.map_err(|error| Death::new(kind(error.kind), error.message));
            }
            Err(error) => error,
        };
        Err(match error {
            LaneError::Closed => started.process.end_early(),
            LaneError::Late | LaneError::NoReply | LaneError::NotSent => {
                let message = format!("did not answer within {:?} and was killed", policy.init);
                Death::new(CallErrorKind::Deadline, message)
            }
            error => protocol_death(&error),
        })
    }
}

fn named(step: &str, reason: Reason, death: &Death) -> StartFailure {
    let reason = match death.kind {
        CallErrorKind::Deadline => Reason::InitDeadline,
        _ => reason,
    };
    StartFailure::new(reason, Death::new(death.kind, format!("{step}: {death}")))
}
