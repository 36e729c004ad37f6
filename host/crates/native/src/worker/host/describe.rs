//! Describes a plugin in a worker of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use plugbay_abi::host::NoHost;
use plugbay_core::{CallErrorKind, Description, Identity, Policy, Reason, Refusal, Source};

use super::call::{CallRequest, exchange};
use super::death::Death;
use super::spawn::{Spawned, StartFailure, output_limit, protocol_death, spawn};
use crate::description;
use crate::ledger::Ledger;
use crate::worker::link::error::LaneError;
use crate::worker::link::wire::{Head, Op};
use crate::worker::state::WorkerCommand;

/// Describes the plugin of a library, in a worker that ends afterwards. What it prints is logged under
/// the name of the file at `source`; `library` may be a copy of it.
///
/// Blocks for at most twice `policy.init`. The plugin cannot call the host meanwhile.
///
/// # Errors
///
/// Refuses a library that does not load, crashes, hangs, or gives a description that is not valid.
pub fn describe(
    command: &WorkerCommand,
    library: &Path,
    source: &Source,
    policy: &Policy,
) -> Result<Description, Refusal> {
    let identity = Identity::of_source(source);
    let ledger = Arc::new(Ledger::unobserved(&identity, policy));
    let spawned =
        spawn(command, 1, policy, &ledger, &Arc::default()).map_err(|death| refuse(&death))?;
    let process = Arc::clone(&spawned.process);
    let described = process.while_watched(|| describe_spawned(spawned, library, policy));
    process.end();
    described.unwrap_or_else(|error| {
        let message = format!("no worker could be watched: {error}");
        Err(refuse(&Death::new(CallErrorKind::Overloaded, message)))
    })
}

fn refuse(death: &Death) -> Refusal {
    Refusal::new(Reason::Describe, format!("describe: {death}"))
}

fn describe_spawned(
    spawned: Spawned,
    library: &Path,
    policy: &Policy,
) -> Result<Description, Refusal> {
    let within = || Instant::now() + policy.init;
    let mut started = spawned.load(library, policy, within()).map_err(|failed| {
        let StartFailure { refusal, kind } = failed;
        // A library that does not open keeps its own reason.
        if refusal.reason == Reason::Init {
            return refuse(&Death::new(kind, refusal.message));
        }
        refusal
    })?;
    let failed = |kind, message: String| refuse(&Death::new(kind, message));
    let Some(lane) = started.lanes.first_mut() else {
        return Err(failed(CallErrorKind::Internal, "no lane".into()));
    };
    let request = CallRequest { head: Head::new(Op::Describe), meta: &[], body: &[] };
    let answer = exchange(lane, request, &NoHost, output_limit(policy), within());
    let answer = answer.map_err(|error| match error {
        LaneError::Closed => refuse(&started.process.end_early()),
        LaneError::Late | LaneError::NoReply | LaneError::NotSent => {
            let message = format!("did not answer within {:?}", policy.init);
            failed(CallErrorKind::Deadline, message)
        }
        error => refuse(&protocol_death(&error)),
    })?;
    let answer =
        answer.into_result().map_err(|error| failed(CallErrorKind::Internal, error.message));
    description::read(&answer?.body)
}
