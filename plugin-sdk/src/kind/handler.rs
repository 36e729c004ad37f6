//! The kind `handler`.

use std::fmt;

use super::{Callable, find};
use crate::Result;
use crate::exported::{Exported, Info};
use crate::route::Route;

/// A capability of the kind `handler`: answers HTTP requests, whole bodies at a time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "exported as a handler, but does not implement `Handler`",
    note = "write `impl Handler for {Self} {{ .. }}` with NAME and handle, or export it as a kind that it implements"
)]
pub trait Handler: 'static {
    /// The name that routes ask for: lowercase letters, digits, `-`, `_`, `.`; at most 64
    /// characters; unique among the handlers of a generation.
    const NAME: &'static str;

    /// The routes that it suggests. Routes in the operator's configuration take precedence.
    const ROUTES: &'static [Route] = &[];

    /// One line for people, at most 1,024 characters.
    const DESCRIPTION: &'static str = "";

    /// Whether `handle` always returns within some 100 µs, and never waits: for a file, a socket, a timer,
    /// a lock or an async runtime.
    ///
    /// A handler that says so, and is linked into the host's program, answers on the thread of its
    /// connection, without the hand-over to a thread that may block and back. Nothing interrupts it there.
    /// The other forms do not need it: a component is interrupted, and a worker is another process.
    const NONBLOCKING: bool = false;

    /// Answers one request.
    ///
    /// # Errors
    ///
    /// An error becomes a problem+json answer: `invalid_input` 400, `unsupported` 415,
    /// `unavailable` 503, `internal` 500. An error without a kind is
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal).
    fn handle(&self, request: Request) -> Result<Response>;
}

/// A request, as the router passes it on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The upper-case method. A HEAD request arrives as `GET`.
    pub method: String,
    /// The path, percent-encoded as it came, without the query.
    pub path: String,
    /// The query without `?`; `None` for a URL without one.
    pub query: Option<String>,
    /// The path parameters of the route's pattern, percent-decoded, in its order.
    pub params: Vec<(String, String)>,
    /// The header fields in the order in which they came, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request for a test: no query, parameters, headers or body. `..` fills them in:
    /// `Request { body: b"{}".to_vec(), ..Request::new("POST", "/orders") }`.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    /// The path parameter `name` of the route's pattern.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first header field `name` (in any case), if its value is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The first query parameter `name`, decoded as an HTML form's: `+` is a space, `%41` an `A`.
    ///
    /// ```
    /// use plugbay_sdk::Request;
    ///
    /// let request = Request { query: Some("q=a+b%21&all".into()), ..Request::new("GET", "/") };
    /// assert_eq!(request.query_param("q").as_deref(), Some("a b!"));
    /// assert_eq!(request.query_param("all").as_deref(), Some(""));
    /// assert_eq!(request.query_param("none"), None);
    /// ```
    #[must_use]
    pub fn query_param(&self, name: &str) -> Option<String> {
        self.query.as_deref()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(key) == name).then(|| form_decode(value))
        })
    }
}

/// Decodes one half of a form's pair. A `%` that starts no escape stands for itself; bytes that
/// are not UTF-8 become U+FFFD.
fn form_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (*byte, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The answer to a request.
///
/// ```
/// use plugbay_sdk::Response;
///
/// let response = Response::new(303).header("location", "/orders/7");
/// assert_eq!(response.status, 303);
/// let response = Response::text("hello");
/// assert_eq!(response.status, 200);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Header fields, names in lower case. `content-length` and hop-by-hop fields are the host's.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a status and nothing else.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// 200 with a text.
    #[must_use]
    pub fn text(text: impl fmt::Display) -> Self {
        Self::new(200).header("content-type", "text/plain; charset=utf-8").body(text.to_string())
    }

    /// 200 with a value as JSON.
    ///
    /// # Errors
    ///
    /// A value that JSON cannot hold, such as a map whose keys are structs.
    #[cfg(any(feature = "config", not(target_family = "wasm")))]
    pub fn json(value: &(impl serde::Serialize + ?Sized)) -> Result<Self> {
        let body = serde_json::to_vec(value)?;
        Ok(Self::new(200).header("content-type", "application/json").body(body))
    }

    /// Adds a header field; its name is put in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// Replaces the status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// The code that [`export!`](crate::export) writes for a handler.
#[doc(hidden)]
#[macro_export]
macro_rules! __handler {
    // The constants of the handler; `$place` is the expression for it in the plugin `$p`.
    (info $plugin:ident $p:ident $($place:tt)+) => {
        || $crate::__private::handler::info(|$p: &$plugin| &$($place)+)
    };
    // The functions of the handler.
    (functions $plugin:ident $p:ident $($place:tt)+) => {
        $crate::__private::Functions::Handler($crate::__private::handler::Functions {
            handle: |$p, request| $crate::Handler::handle(&$($place)+, request),
        })
    };
    // The entry functions of a component, and the world that has them.
    (component $component:ident) => {
        $crate::__export_plugbay_plugin_handler_1_0_0_cabi!($component with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::handler);
        $crate::__world_handler_plugin!();
    };
    // What one capability exports on its own.
    (exports $($what:tt)+) => {};
    // An entry of a native plugin's list of kinds.
    (native $plugin:ident) => {
        <$crate::__private::Native<$plugin> as $crate::__private::handler::HandlerExports>::HANDLER
    };
}

/// The functions of a handler of a plugin `P`.
pub struct Functions<P> {
    /// [`Handler::handle`].
    pub handle: fn(&P, Request) -> Result<Response>,
}

/// The constants of the handler that `_place` leads to; the macro cannot name a field's type.
pub fn info<P, H: Handler>(_place: fn(&P) -> &H) -> Info {
    Info {
        kind: "handler",
        name: H::NAME,
        description: H::DESCRIPTION,
        media_types: &[],
        routes: H::ROUTES,
        nonblocking: H::NONBLOCKING,
    }
}

/// The functions of the handler with this index.
fn functions<P: Exported + Callable>(index: u32) -> Result<&'static Functions<P>> {
    find(index, "handler", |functions| {
        let super::Functions::Handler(functions) = functions else { return None };
        Some(functions)
    })
}

#[cfg(target_family = "wasm")]
mod component {
    use super::{Request, Response, functions};
    use crate::form::bindings::exports::plugbay::plugin::handler as wit;
    use crate::form::bindings::plugbay::plugin::types::Error;
    use crate::form::{Component, InstanceCell, instance, to_host};
    use crate::kind::Callable;
    use crate::{ErrorKind, Result};

    impl<P: Callable + InstanceCell> wit::Guest for Component<P> {
        fn handle(index: u32, request: wit::Request) -> Result<wit::Response, Error> {
            let wit::Request { method, path, query, params, headers, body } = request;
            let request = Request { method, path, query, params, headers, body };
            let Response { status, headers, body } = instance::<P>()
                .and_then(|plugin| (functions::<P>(index)?.handle)(plugin, request))
                .map_err(to_host(ErrorKind::Internal))?;
            Ok(wit::Response { status, headers, body })
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub use plugbay_abi::kind::handler::HandlerExports;

#[cfg(not(target_family = "wasm"))]
mod native {
    use plugbay_abi::Error;

    use super::{HandlerExports, Request, Response, functions};
    use crate::exported::Exported;
    use crate::form::{Native, NativeKinds, to_host};
    use crate::kind::Callable;
    use crate::{ErrorKind, Plugin, Result};

    impl<P: Plugin + Exported + Callable + NativeKinds> HandlerExports for Native<P> {
        fn handle(
            &self,
            index: u32,
            request: plugbay_abi::Request<'_>,
        ) -> Result<plugbay_abi::Response, Error> {
            let text = |text: &&str| (*text).to_owned();
            let pairs = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(key, value)| (text(key), text(value))).collect()
            };
            let headers = request.headers.iter().map(|(key, value)| (text(key), value.to_vec()));
            let request = Request {
                method: request.method.to_owned(),
                path: request.path.to_owned(),
                query: request.query.map(str::to_owned),
                params: pairs(request.params),
                headers: headers.collect(),
                body: request.body.to_vec(),
            };
            let Response { status, headers, body } = functions::<P>(index)
                .and_then(|handler| (handler.handle)(&self.0, request))
                .map_err(to_host(ErrorKind::Internal))?;
            Ok(plugbay_abi::Response { status, headers, body })
        }
    }
}
