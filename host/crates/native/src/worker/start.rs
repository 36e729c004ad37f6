//! How a supervisor starts a worker: load, create, health.

use std::sync::atomic::Ordering;
use std::time::Instant;

use plugbay_abi::Kind;
use plugbay_core::{CallErrorKind, Reason};

use super::call::{Ask, ask};
use super::granted;
use super::lane::LaneError;
use super::process::{self, Death, Started, output_limit};
use super::supervisor::Supervisor;
use super::wire::Op;
use crate::calls::Calls;

/// Why a plugin did not start: what kind of refusal that is, and how it ended.
pub(super) type Failed = (Reason, Death);

impl Supervisor {
    /// A worker with an instance that says it can serve. Each step has the policy's `init`.
    pub(super) fn start(&self) -> Result<Started, Failed> {
        let spec = &self.spec;
        granted::check(&spec.policy.grants.files).map_err(|missing| {
            (Reason::Grant, Death::new(CallErrorKind::Unavailable, missing.to_string()))
        })?;
        let within = Instant::now() + spec.policy.init;
        let mut started = process::start(
            &spec.command,
            &spec.library,
            spec.lanes,
            &spec.policy,
            &self.ledger,
            within,
        )
        .map_err(|death| (Reason::Init, death))?;
        self.instantiations.fetch_add(1, Ordering::Relaxed);
        let unkept = started.protections.unkept();
        if !unkept.is_empty() {
            let plugin = &**spec.identity.label();
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
            LaneError::Ended => started.process.end(None),
            LaneError::Late | LaneError::Unsent => {
                let message = format!("did not answer within {:?} and was killed", policy.init);
                Death::new(CallErrorKind::Deadline, message)
            }
            error => {
                let message = format!("the worker broke the protocol: {error}");
                Death::new(CallErrorKind::Contract, message)
            }
        })
    }
}

fn named(step: &str, reason: Reason, death: &Death) -> Failed {
    let reason = match death.kind {
        CallErrorKind::Deadline => Reason::InitDeadline,
        _ => reason,
    };
    (reason, Death::new(death.kind, format!("{step}: {death}")))
}
