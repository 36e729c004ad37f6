//! The kind `handler`: answers HTTP requests, with whole bodies.

use std::pin::Pin;

use super::Kind;
use crate::{CallError, CallErrorKind, Context};

/// The kind `handler`.
#[derive(Debug)]
pub struct Handler;

impl Kind for Handler {
    const NAME: &'static str = "handler";
    type Call = dyn HandlerCall;
}

/// A future of a handler's answer.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + 'a>>;

/// The interface of a handler.
pub trait HandlerCall: Send + Sync {
    /// Answers one request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin. Its instance is discarded; other calls are not
    /// affected.
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a>;
}

/// A request for a handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The upper-case method.
    pub method: String,
    /// The path, percent-encoded as received, without the query.
    pub path: String,
    /// The query without `?`.
    pub query: Option<String>,
    /// The route's path parameters, percent-decoded, in the pattern's order.
    pub params: Vec<(String, String)>,
    /// Header fields with lowercase names, in the order of the request.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// The answer of a handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// Checks the status. Each runtime calls this on each answer of a plugin, before it returns the
    /// answer.
    ///
    /// # Errors
    ///
    /// [`CallErrorKind::Contract`] for a status that is not from 200 to 599.
    pub fn check(&self) -> Result<(), CallError> {
        if (200..=599).contains(&self.status) {
            return Ok(());
        }
        let message = format!("status {} is not valid: expected 200 to 599", self.status);
        Err(CallError::new(CallErrorKind::Contract, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_statuses_are_valid() {
        let check = |status| Response { status, ..Response::default() }.check();
        for good in [200, 404, 599] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [0, 7, 101, 199, 600, u16::MAX] {
            assert_eq!(check(bad).unwrap_err().kind(), CallErrorKind::Contract, "{bad}");
        }
        assert_eq!(check(7).unwrap_err().to_string(), "status 7 is not valid: expected 200 to 599");
    }
}
