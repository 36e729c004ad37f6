//! The kind `handler`: HTTP requests to responses, whole bodies at a time.

use std::pin::Pin;

use crate::{CallError, Context, Kind};

/// The kind `handler`.
#[derive(Debug)]
pub struct Handler;

impl Kind for Handler {
    const NAME: &'static str = "handler";
    type Call = dyn HandlerCall;
}

/// A future of a handler's answer.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + 'a>>;

/// What a caller of a handler calls.
pub trait HandlerCall: Send + Sync {
    /// Answers one request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin; its instance is thrown away and no other call
    /// notices.
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a>;
}

/// A request as the router saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The upper-case method.
    pub method: String,
    /// The path, percent-encoded as it came, without the query.
    pub path: String,
    /// The query without `?`.
    pub query: Option<String>,
    /// The route's path parameters, percent-decoded, in the pattern's order.
    pub params: Vec<(String, String)>,
    /// Header fields with lowercase names, in the order in which they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What a handler answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}
