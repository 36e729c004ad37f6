//! The kind `handler`.

use std::sync::Arc;

use plugbay_abi::Error;
use plugbay_abi::host::{HostCalls, Instance};
use plugbay_abi::kind::handler::Answer;
use plugbay_core::handler::{HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{CallError, Context};
use serde::{Deserialize, Serialize};

use super::call::KindCall;
use super::capability::{Callee, Capability};
use crate::call_host::from_guest;

/// The number of the kind in frames.
#[cfg(target_os = "linux")]
pub(super) const NUMBER: u8 = 2;

/// `handle`. In a frame the body goes as it is, and all else as metadata.
#[derive(Serialize, Deserialize)]
struct Handle<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    #[serde(borrow)]
    params: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    headers: Vec<(&'a str, &'a [u8])>,
    #[serde(skip)]
    body: &'a [u8],
}

impl<'a> From<&'a Request> for Handle<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            method: &request.method,
            path: &request.path,
            query: request.query.as_deref(),
            params: request.params.iter().map(|(name, value)| (&**name, &**value)).collect(),
            headers: request.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
            body: &request.body,
        }
    }
}

impl KindCall for Handle<'_> {
    type Answer = Answer;
    type Output = Response;

    fn call(&self, instance: &Instance, host: &dyn HostCalls, index: u32) -> Result<Answer, Error> {
        let request = plugbay_abi::Request {
            method: self.method,
            path: self.path,
            query: self.query,
            params: &self.params,
            headers: &self.headers,
            body: self.body,
        };
        instance.handle(host, index, request)
    }

    fn size(answer: &Answer) -> usize {
        answer.size()
    }

    fn take(answer: Answer, label: &Arc<str>) -> Result<Response, CallError> {
        let response = answer.copy().map_err(|error| from_guest(error, label))?;
        let plugbay_abi::Response { status, headers, body } = response;
        checked(Response { status, headers, body }, label)
    }
}

fn checked(response: Response, label: &Arc<str>) -> Result<Response, CallError> {
    response.check().map_err(|error| error.of(label))?;
    Ok(response)
}

impl<C: Callee> HandlerCall for Capability<C> {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        Box::pin(async move {
            if let Some(_place) = self.inline(request.body.len()) {
                let answer = self.call(&context, &Handle::from(&request));
                return answer.map_err(|error| error.with_input(request.has_input()));
            }
            let calls = self.clone();
            let blocking = self.blocking().call(context, move |context, deadline| {
                let answer = calls.call_until(context, &Handle::from(&request), deadline);
                answer.map_err(|error| error.with_input(request.has_input()))
            });
            blocking.await
        })
    }
}

/// Both ends of a worker.
#[cfg(target_os = "linux")]
pub(super) mod worker {
    use std::sync::Arc;

    use plugbay_abi::kind::handler::Answer;
    use plugbay_abi::{Error, ErrorKind};
    use plugbay_core::handler::Response;
    use plugbay_core::{CallError, CallErrorKind};

    use super::{Handle, NUMBER, checked};
    use crate::kind::wire::{Body, Function, Incoming, Reply, WireCall};
    use crate::worker::link::error::LaneError;
    use crate::worker::link::wire::{Frame, encode_meta};

    const HANDLE: Function = Function(NUMBER, 1);

    impl WireCall for Handle<'_> {
        fn function(&self) -> Function {
            HANDLE
        }

        fn meta(&self) -> Result<Vec<u8>, LaneError> {
            encode_meta(self)
        }

        fn body(&self) -> &[u8] {
            self.body
        }

        /// The status is the reply's `code`, and the header fields are its metadata.
        fn reply(answer: Answer) -> Result<Reply, Error> {
            let response = answer.copy()?;
            let meta = encode_meta(&response.headers).map_err(|error| broken(&error))?;
            Ok(Reply { code: response.status, meta, body: Body::Owned(response.body) })
        }

        fn output(reply: Frame, label: &Arc<str>) -> Result<Response, CallError> {
            let headers: Result<Vec<(String, Vec<u8>)>, LaneError> = reply.parse_meta();
            let headers = headers.map_err(|error| {
                CallError::new(CallErrorKind::Contract, error.to_string()).of(label)
            })?;
            checked(Response { status: reply.head.code, headers, body: reply.body }, label)
        }
    }

    /// Makes the call that a frame carries.
    pub(in crate::kind) fn serve(call: &Incoming<'_>) -> Result<Reply, Error> {
        if call.function() != HANDLE {
            return Err(call.unknown());
        }
        let request: Handle<'_> = call.frame.parse_meta().map_err(|error| broken(&error))?;
        call.make(&Handle { body: &call.frame.body, ..request })
    }

    fn broken(error: &LaneError) -> Error {
        Error::new(ErrorKind::Internal, error.to_string())
    }
}
