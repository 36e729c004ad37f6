//! Upgrades that an operator asks the admin plane for. The program does them, because it knows how it was started.

use tokio::sync::{mpsc, oneshot};

/// How many operators may wait for the program to take their request.
const WAITING: usize = 8;

/// The requests for an upgrade that the admin plane gets, for the program: see
/// [`Listening::upgrades`](crate::Listening::upgrades).
#[derive(Debug)]
pub struct Upgrades(mpsc::Receiver<UpgradeRequest>);

/// What the admin plane sends requests to.
pub(crate) type AskForUpgrade = mpsc::Sender<UpgradeRequest>;

/// A request for an upgrade. If it is dropped, the client is told that the server stops.
#[derive(Debug)]
pub struct UpgradeRequest(oneshot::Sender<Result<u32, String>>);

impl Upgrades {
    pub(crate) fn new() -> (AskForUpgrade, Self) {
        let (ask, requests) = mpsc::channel(WAITING);
        (ask, Self(requests))
    }

    /// The next request; none once the server is gone. Cancel safe: no request is lost.
    pub async fn next(&mut self) -> Option<UpgradeRequest> {
        self.0.recv().await
    }
}

impl UpgradeRequest {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<u32, String>>) {
        let (answer, answered) = oneshot::channel();
        (Self(answer), answered)
    }

    /// Answers with the number of the process that serves from now on, or why none does.
    pub fn answer(self, done: Result<u32, String>) {
        // The client may be gone.
        let _ = self.0.send(done);
    }
}
