//! The kind `handler`: answers HTTP requests.

mod guest;
#[cfg(feature = "host")]
mod host;
pub mod raw;

pub use guest::{HandlerExports, table};
#[cfg(feature = "host")]
pub use host::Answer;
pub use raw::HandlerTable;

/// A handler's answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A request to a handler, borrowed from the caller.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The upper-case method.
    pub method: &'a str,
    /// The path, percent-encoded as it came, without the query.
    pub path: &'a str,
    /// The query without `?`; `None` for a URL without one.
    pub query: Option<&'a str>,
    /// The path parameters of the route's pattern, percent-decoded, in its order.
    pub params: &'a [(&'a str, &'a str)],
    /// The header fields in the order in which they came, names in lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body.
    pub body: &'a [u8],
}
