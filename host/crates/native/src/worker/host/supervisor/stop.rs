//! Stops a plugin and its worker.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::CallErrorKind;

use super::super::call::{CallRequest, exchange};
use super::super::death::Death;
use super::super::spawn::output_limit;
use super::{Inner, State, Supervisor};
use crate::call_host::CallHost;
use crate::worker::link::wire::{Head, Op};

impl Supervisor {
    /// Refuses further calls, calls the instance's `shutdown`, and kills the worker. `graceful` is how
    /// long the calls in flight may take, and then how long `shutdown` may; without it, the worker is
    /// killed at once.
    pub(in super::super) fn stop(&self, graceful: Option<Duration>) {
        let mut inner = self.lock();
        let process = match &inner.state {
            State::Running(process, _) => Some(Arc::clone(process)),
            State::Stopped(_) => return,
            _ => None,
        };
        let starting = inner.starting.take();
        inner.state = State::Stopped(process.clone());
        drop(inner);
        self.lanes.notify_all();
        self.wanted.notify_one();
        if let Some(starting) = starting {
            starting
                .kill_because(Death::new(CallErrorKind::Retired, "it was shut down as it started"));
        }
        let Some(process) = process else { return };
        if let Some(bound) = graceful {
            self.call_shutdown(bound);
        }
        process.kill();
        // Only the supervisor's thread keeps the process from now on, until it has reaped it.
        self.lock().state = State::Stopped(None);
    }

    fn call_shutdown(&self, bound: Duration) {
        let mut inner = self.lock();
        inner.waiting += 1;
        let none = |inner: &mut Inner| {
            inner.idle.is_empty() && inner.death.as_ref().is_none_or(|(of, _)| *of < inner.epoch)
        };
        let woken = self.lanes.wait_timeout_while(inner, bound, none);
        inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        inner.waiting -= 1;
        let Some(mut lane) = inner.idle.pop() else { return };
        drop(inner);
        let host = CallHost::outside(&self.ledger);
        let request = CallRequest { head: Head::new(Op::Shutdown), meta: &[], body: &[] };
        let limit = output_limit(&self.spec.policy);
        if let Err(error) = exchange(&mut lane, request, &host, limit, Instant::now() + bound) {
            let (plugin, version) = self.spec.identity.name_and_version();
            tracing::warn!(plugin, version, %error, "shutdown failed");
        }
    }
}
