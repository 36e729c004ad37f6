//! The end of a plugin in a worker.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::CallErrorKind;

use super::super::call::{Ask, ask};
use super::super::death::Death;
use super::super::spawn::output_limit;
use super::{Inner, State, Supervisor};
use crate::calls::Calls;
use crate::worker::link::wire::Op;

impl Supervisor {
    /// Refuses further calls, gives the instance its last one, and ends the worker. `graceful`
    /// is how long the calls in flight may take, and then again how long that last one may.
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
            starting.condemn(Death::new(CallErrorKind::Retired, "it was shut down as it started"));
        }
        let Some(process) = process else { return };
        if let Some(bound) = graceful {
            self.last_call(bound);
        }
        process.kill();
        // Its control socket and its number live on only with the thread that buries it.
        self.lock().state = State::Stopped(None);
    }

    fn last_call(&self, bound: Duration) {
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
        let host = Calls::outside(&self.ledger);
        let asked = Ask { op: Op::Shutdown, index: 0, meta: &[], body: &[] };
        let limit = output_limit(&self.spec.policy);
        if let Err(error) = ask(&mut lane, asked, &host, limit, Instant::now() + bound) {
            let plugin = &**self.spec.identity.label();
            tracing::warn!(plugin, %error, "no answer to the last call");
        }
    }
}
