//! The kind `handler`: answers HTTP requests, with whole bodies.

use std::fmt;
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

/// A request for a handler. Its `Debug` output has no values of the header and no bytes of the body, which
/// may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
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

impl Request {
    /// Whether the request carries anything but its path that a handler could use up its limits on.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.body.is_empty() || self.query.is_some()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("params", &self.params)
            .field("headers", &names(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// The answer of a handler. Its `Debug` output is like that of a [`Request`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// The names of header fields.
fn names(headers: &[(String, Vec<u8>)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// The maximum number of header fields of an answer. Clients accept about a hundred.
const MAX_FIELDS: usize = 256;
/// The maximum size of all header fields of an answer, names and values, in bytes. Proxies and clients
/// accept from 8 to 64 KiB.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The maximum length of a field's name in an error, in characters.
const MAX_SHOWN: usize = 60;

impl Response {
    /// Checks that the response can be sent over HTTP. Each runtime calls this on each answer of a
    /// plugin, before it returns the answer.
    ///
    /// A name is a token and a value has no control characters but tabs (RFC 9110, sections 5.1
    /// and 5.5). The policy's `output` limits the length of the body.
    ///
    /// # Errors
    ///
    /// [`CallErrorKind::Contract`] for a status that is not from 200 to 599, more than 256 header
    /// fields, more than 64 KiB of them, or a field whose name or value is not valid.
    pub fn check(&self) -> Result<(), CallError> {
        let Self { status, headers, .. } = self;
        if !(200..=599).contains(status) {
            return Err(contract(format!("status {status} is not valid: expected 200 to 599")));
        }
        if headers.len() > MAX_FIELDS {
            let found = headers.len();
            return Err(contract(format!("expected at most {MAX_FIELDS} headers, found {found}")));
        }
        let mut bytes = 0;
        for (name, value) in headers {
            check_field(name, value)?;
            bytes += name.len() + value.len();
        }
        if bytes > MAX_HEADER_BYTES {
            let message =
                format!("expected at most {MAX_HEADER_BYTES} bytes of headers, found {bytes}");
            return Err(contract(message));
        }
        Ok(())
    }
}

fn check_field(name: &str, value: &[u8]) -> Result<(), CallError> {
    if name.is_empty() {
        return Err(contract("a header without a name is not valid".into()));
    }
    if let Some(found) = name.chars().find(|&char| !is_token(char)) {
        let name = shortened(name);
        let message = format!(
            "the name of header {name:?} is not valid: expected letters, digits and \
             !#$%&'*+-.^_`|~, found {found:?}"
        );
        return Err(contract(message));
    }
    if let Some(at) = value.iter().position(|&byte| is_control(byte)) {
        let (name, found) = (shortened(name), value[at]);
        let message = format!(
            "the value of header {name:?} is not valid: expected no control characters, found \
             byte {found:#04x} at {at}"
        );
        return Err(contract(message));
    }
    Ok(())
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char)
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_SHOWN).collect()
}

#[cold]
fn contract(message: String) -> CallError {
    CallError::new(CallErrorKind::Contract, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_bytes_of_bodies_and_no_values_of_headers() {
        let headers = vec![("authorization".to_owned(), b"hunter2".to_vec())];
        let request = Request {
            method: "POST".into(),
            path: "/a".into(),
            headers: headers.clone(),
            body: b"hunter2".to_vec(),
            ..Request::default()
        };
        let response = Response { status: 200, headers, body: b"hunter2".to_vec() };
        assert_eq!(
            format!("{request:?}"),
            "Request { method: \"POST\", path: \"/a\", query: None, params: [], \
             headers: [\"authorization\"], body: 7 bytes }"
        );
        assert_eq!(
            format!("{response:?}"),
            "Response { status: 200, headers: [\"authorization\"], body: 7 bytes }"
        );
    }

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

    fn with(headers: &[(&str, &[u8])]) -> Result<(), String> {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_vec()));
        let response = Response { status: 200, headers: headers.collect(), body: Vec::new() };
        response.check().map_err(|error| {
            assert_eq!(error.kind(), CallErrorKind::Contract);
            error.to_string()
        })
    }

    #[test]
    fn the_error_names_a_field_that_cannot_be_sent() {
        assert_eq!(with(&[("Set-Cookie", b"a=\xc3\xa4\t1"), ("x-_~1", b"")]), Ok(()));
        for (name, value) in [
            ("a b", &b"1"[..]),
            ("", b"1"),
            ("a:", b"1"),
            ("\u{e4}", b"1"),
            ("a\n", b"1"),
            ("a", b"1\r\nb: 2"),
            ("a", b"\0"),
            ("a", b"\x7f"),
        ] {
            assert!(with(&[(name, value)]).is_err(), "{name:?}: {value:?}");
        }
        assert_eq!(
            with(&[("x-plugin", b"ab\n")]).unwrap_err(),
            "the value of header \"x-plugin\" is not valid: expected no control characters, found \
             byte 0x0a at 2"
        );
        let long = format!("{} ", "a".repeat(1 << 20));
        assert!(with(&[(&long, b"")]).unwrap_err().len() < 300);
    }

    #[test]
    fn fields_are_bounded_in_number_and_size() {
        assert_eq!(with(&[("a", &b"1"[..]); 256]), Ok(()));
        assert!(with(&[("a", &b"1"[..]); 257]).is_err());
        let value = vec![b'a'; (64 << 10) - 1];
        assert_eq!(with(&[("a", &value)]), Ok(()));
        assert!(with(&[("ab", &value)]).is_err());
    }
}
