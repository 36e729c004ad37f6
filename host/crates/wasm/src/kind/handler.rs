//! The kind `handler` on WIT.

use std::sync::Arc;

use plugbay_core::Context;
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use wasmtime::component::TypedFunc;

use crate::bindings::exports::plugbay::plugin::handler as wit;
use crate::bindings::plugbay::plugin::types;
use crate::call::calls::{Calls, WasmKind};
use crate::call::exports::Exports;

impl WasmKind for Handler {
    const INTERFACE: &'static str = "plugbay:plugin/handler@1.0.0";
    type Guest = TypedFunc<(u32, wit::Request), (Result<wit::Response, types::Error>,)>;

    fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest> {
        exports.function("handle")
    }

    fn provide(calls: Calls<Self>) -> Arc<Self::Call> {
        Arc::new(calls)
    }
}

impl HandlerCall for Calls<Handler> {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        Box::pin(async move {
            let has_input = request.has_input();
            let request = wit::Request {
                method: request.method,
                path: request.path,
                query: request.query,
                params: request.params,
                headers: request.headers,
                body: request.body,
            };
            let params = (self.capability(), request);
            let response =
                self.call_async(context, |handle| handle, params, |(answer,)| answer).await;
            let response = response.map_err(|error| error.with_input(has_input))?;
            let wit::Response { status, headers, body } = response;
            let response = Response { status, headers, body };
            response.check().map_err(|error| self.blame(error))?;
            Ok(response)
        })
    }
}
