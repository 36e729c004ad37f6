//! The kind `codec` on WIT.

use std::sync::Arc;

use plugbay_core::codec::{Codec, CodecCall, CodecFuture};
use plugbay_core::{CallError, Context, Hindrance};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::calls::{CallFuture, Calls, WasmKind};
use super::codec_guest::{CodecGuest, CodecIndices};
use super::guest::AnyGuest;
use crate::bindings::plugbay::plugin::types;
use crate::sandbox::state::State;

impl WasmKind for Codec {
    const INTERFACE: &'static str = "plugbay:plugin/codec@1.0.0";
    type Indices = CodecIndices;
    type Guest = CodecGuest;

    fn indices(component: &InstancePre<State>) -> wasmtime::Result<Self::Indices> {
        CodecIndices::new(component)
    }

    fn load(
        indices: &Self::Indices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest> {
        indices.load(store, instance)
    }

    fn provide(calls: Calls<Self>) -> Arc<Self::Call> {
        Arc::new(WasmCodec(calls))
    }

    fn keep(guest: Self::Guest) -> AnyGuest {
        AnyGuest::Codec(guest)
    }

    #[inline]
    fn kept(guest: &AnyGuest) -> Option<&Self::Guest> {
        match guest {
            AnyGuest::Codec(guest) => Some(guest),
            AnyGuest::Other(_) => None,
        }
    }
}

struct WasmCodec(Calls<Codec>);

impl WasmCodec {
    /// Whether the call needs a fiber: because the plugin may wait, or because another
    /// plugin's guest is on this stack already. Each guest may use all the stack that guests
    /// get; eight of them on the caller's would be more than a thread has.
    fn needs_fiber(&self, context: &Context<'_>) -> bool {
        self.0.may_wait() || context.depth() > 0
    }

    // A function of its own, so that a call without a fiber has a small frame.
    #[inline(never)]
    fn on_fiber(
        &self,
        context: &Context<'_>,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let Self(calls) = self;
        let call = convert(calls.capability(), direction, input.to_vec());
        let (answer, hindrance) = calls.call_blocking(context, call)?;
        calls.answer(answer, Vec::len).map_err(|error| hindrance.explain(error))
    }

    async fn awaited(
        &self,
        context: Context<'_>,
        direction: Direction,
        input: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let Self(calls) = self;
        let call = convert(calls.capability(), direction, input);
        let (answer, hindrance) = calls.call_async(context, call).await?;
        calls.answer(answer, Vec::len).map_err(|error| hindrance.explain(error))
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Encode,
    Decode,
}

/// What a guest said, and what kept it from its work.
type Said = (Result<Vec<u8>, types::Error>, Hindrance);

/// The call of a guest on a fiber.
fn convert(
    index: u32,
    direction: Direction,
    input: Vec<u8>,
) -> impl for<'s> FnOnce(&'s mut Store<State>, &'s CodecGuest) -> CallFuture<'s, Said> + Send {
    move |store, guest| {
        Box::pin(async move {
            let guest = guest.on_fiber(store)?;
            let answer = match direction {
                Direction::Encode => guest.call_encode(&mut *store, index, &input).await,
                Direction::Decode => guest.call_decode(&mut *store, index, &input).await,
            };
            Ok((answer?, store.data().hindrance))
        })
    }
}

impl CodecCall for WasmCodec {
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError> {
        if self.needs_fiber(context) {
            return self.on_fiber(context, Direction::Encode, document);
        }
        let Self(calls) = self;
        let index = calls.capability();
        calls.call_then(
            context,
            |store, guest| guest.direct.call_encode(store, index, document),
            |answer| calls.answer(answer, Vec::len),
        )
    }

    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        if self.needs_fiber(context) {
            return self.on_fiber(context, Direction::Decode, bytes);
        }
        let Self(calls) = self;
        let index = calls.capability();
        calls.call_then(
            context,
            |store, guest| guest.direct.call_decode(store, index, bytes),
            |answer| calls.answer(answer, Vec::len),
        )
    }

    fn encode_async<'a>(&'a self, context: Context<'a>, document: Vec<u8>) -> CodecFuture<'a> {
        Box::pin(self.awaited(context, Direction::Encode, document))
    }

    fn decode_async<'a>(&'a self, context: Context<'a>, bytes: Vec<u8>) -> CodecFuture<'a> {
        Box::pin(self.awaited(context, Direction::Decode, bytes))
    }
}
