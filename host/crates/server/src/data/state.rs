//! The state that the handlers of the data plane share.

use std::sync::Arc;

use plugbay::Host;
use tokio_util::sync::CancellationToken;

use super::allowance::Rates;
use super::budget::{Budget, Share};
use super::context::Context;
use crate::guests::Guests;

/// The host, the threads for calls of plugins, the budget of bodies, and the token of a shutdown.
pub(crate) struct Data {
    pub(super) host: Host,
    pub(super) draining: CancellationToken,
    pub(super) guests: Arc<Guests>,
    pub(super) budget: Arc<Budget>,
    /// How often each client asks, if that is limited.
    pub(super) rates: Rates,
}

impl Data {
    /// The state of the data plane of a host. Once `draining` is cancelled, every answer ends its
    /// connection.
    pub(super) fn new(host: Host, draining: CancellationToken, guests: Arc<Guests>) -> Self {
        Self { host, draining, guests, budget: Arc::default(), rates: Rates::default() }
    }

    /// The share of the budget for the bodies of a request and of its answer.
    pub(super) fn share(&self, context: &Context) -> Share {
        let most = context.snapshot.config().server.max_buffered.as_usize();
        Share::new(&self.budget, context.client, most)
    }
}
