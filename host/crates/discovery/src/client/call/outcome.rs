//! What the result of a request says about its endpoint, and about another try.

use std::error::Error;
use std::io;

use http::StatusCode;

/// The result of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint did its work, if only to say that the request is wrong.
    Success,
    /// The endpoint failed, and another would do no better.
    Failure,
    /// The endpoint failed; another one may do the work.
    Unavailable,
    /// As [`Unavailable`](Self::Unavailable), and the request certainly did not reach the endpoint.
    Unsent,
}

impl Outcome {
    /// By the status of a response. All of the class 5xx are failures, as in Envoy's outlier detection; the
    /// three that gateways and overloaded servers send may go better elsewhere. A `429 Too Many Requests`
    /// is an answer: to ask another endpoint instead would go around the limit.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Unavailable,
            status if status.is_server_error() => Self::Failure,
            _ => Self::Success,
        }
    }

    /// By the error of a client: there was no response.
    #[must_use]
    pub fn of_error(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if is_connect(error) {
                return Self::Unsent;
            }
            cause = error.source();
        }
        Self::Unavailable
    }

    /// Whether the endpoint failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self != Self::Success
    }
}

/// Whether the error, by itself, says that there was no connection.
fn is_connect(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return error.is_connect();
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return error.is_connect();
    }
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_sent_is_unsent() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(Outcome::of_error(&refused), Outcome::Unsent);
        let path = "of a socket".into();
        let wrapped = crate::client::bootstrap::BootstrapError::File { path, source: refused };
        assert_eq!(Outcome::of_error(&wrapped), Outcome::Unsent, "by its cause");
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(Outcome::of_error(&reset), Outcome::Unavailable);
    }

    #[test]
    fn statuses_are_answers_failures_or_a_reason_to_go_elsewhere() {
        let outcome = |status| Outcome::of_status(StatusCode::from_u16(status).unwrap());
        assert!([200, 302, 404, 429].into_iter().all(|status| outcome(status) == Outcome::Success));
        assert!([500, 501, 507].into_iter().all(|status| outcome(status) == Outcome::Failure));
        assert!([502, 503, 504].into_iter().all(|status| outcome(status) == Outcome::Unavailable));
    }
}
