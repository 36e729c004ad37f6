//! The state that the handlers of the data plane share.

use std::sync::Arc;

use plugbay::Host;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Share};
use super::context::Context;
use crate::guests::Guests;
use crate::listener::Client;

/// The host, the threads for calls of plugins, the budget of bodies, and the token of a shutdown.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) host: Host,
    pub(super) draining: CancellationToken,
    pub(super) guests: Arc<Guests>,
    pub(super) budget: Arc<Budget>,
}

impl Data {
    /// The share of the budget for the bodies of a request and of its answer.
    pub(super) fn share(&self, context: &Context, client: Client) -> Share {
        let most = context.snapshot.config().server.max_buffered.as_usize();
        Share::new(&self.budget, client, most)
    }
}
