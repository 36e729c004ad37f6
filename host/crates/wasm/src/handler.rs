//! The kind `handler` on WIT.

use std::sync::Arc;

use plugbay_core::Context;
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::fiber::handler as wit;
use crate::call::Calls;
use crate::kind::WasmKind;
use crate::state::State;

impl WasmKind for Handler {
    const INTERFACE: &'static str = "plugbay:plugin/handler@1.0.0";
    type Indices = wit::GuestIndices;
    type Guest = wit::Guest;

    fn indices(component: &InstancePre<State>) -> wasmtime::Result<Self::Indices> {
        wit::GuestIndices::new(component)
    }

    fn load(
        indices: &Self::Indices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest> {
        indices.load(store, instance)
    }

    fn provide(calls: Calls<Self>) -> Arc<Self::Call> {
        Arc::new(WasmHandler(calls))
    }
}

struct WasmHandler(Calls<Handler>);

impl HandlerCall for WasmHandler {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        let Self(calls) = self;
        let index = calls.capability();
        Box::pin(async move {
            let request = wit::Request {
                method: request.method,
                path: request.path,
                query: request.query,
                params: request.params,
                headers: request.headers,
                body: request.body,
            };
            let (answer, hindrance) = calls
                .call_async(context, move |store, guest| {
                    Box::pin(async move {
                        let answer = guest.call_handle(&mut *store, index, &request).await?;
                        Ok((answer, store.data().hindrance))
                    })
                })
                .await?;
            let response = calls.answer(answer, |response| {
                response.body.len()
                    + response.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>()
            });
            let response = response.map_err(|error| hindrance.explain(error))?;
            let wit::Response { status, headers, body } = response;
            let response = Response { status, headers, body };
            response.check().map_err(|error| calls.blame(error))?;
            Ok(response)
        })
    }
}
