//! The line of the log for each request, on both planes: what was answered, or that nothing was.

use std::time::Instant;

use axum::http::StatusCode;

use crate::listener::Client;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// That of a client of the data plane.
    Data(Client),
    /// The admin plane.
    Admin,
    /// A probe or a scrape of the admin plane: there is one every few seconds, which few want to see.
    Probe,
}

/// A request that is not answered yet. If it is dropped, the log says so: its client went away, or the server that
/// stops cut it off.
pub(crate) struct Unanswered {
    begun: Instant,
    of: Of,
    is_answered: bool,
}

impl Unanswered {
    /// A request whose header arrived then. It is dropped in the request's span, which names the request.
    pub(crate) fn new(begun: Instant, of: Of) -> Self {
        Self { begun, of, is_answered: false }
    }

    /// Writes the line of an answer, whose body has this size if that is known.
    pub(crate) fn answered(mut self, status: StatusCode, bytes: Option<u64>) {
        self.is_answered = true;
        let (status, duration_us) = (status.as_u16(), self.duration_us());
        match self.of {
            Of::Data(client) => {
                tracing::info!(target: "plugbay_server::request", status, duration_us, bytes, %client, "answered");
            }
            Of::Admin => {
                tracing::info!(target: "plugbay_server::admin::request", status, duration_us, bytes, "answered");
            }
            Of::Probe => {
                tracing::debug!(target: "plugbay_server::admin::request", status, duration_us, bytes, "answered");
            }
        }
    }

    fn duration_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        // The word of metrics and traces for a caller that goes away.
        let (reason, duration_us) = ("cancelled", self.duration_us());
        match self.of {
            Of::Data(client) => {
                tracing::info!(target: "plugbay_server::request", reason, duration_us, %client, "not answered");
            }
            Of::Admin => {
                tracing::info!(target: "plugbay_server::admin::request", reason, duration_us, "not answered");
            }
            Of::Probe => {
                tracing::debug!(target: "plugbay_server::admin::request", reason, duration_us, "not answered");
            }
        }
    }
}
