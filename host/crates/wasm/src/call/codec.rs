//! The kind `codec` on WIT.

use std::sync::Arc;

use plugbay_core::codec::{Codec, CodecCall, CodecFuture};
use plugbay_core::{CallError, Context};
use wasmtime::Store;

use super::calls::{Calls, WasmKind};
use super::codec_guest::{CodecGuest, OnFiber};
use super::exports::Exports;
use super::guest::AnyGuest;
use crate::sandbox::state::State;

impl WasmKind for Codec {
    const INTERFACE: &'static str = "plugbay:plugin/codec@1.0.0";
    type Guest = CodecGuest;

    fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest> {
        CodecGuest::load(exports)
    }

    fn provide(calls: Calls<Self>) -> Arc<Self::Call> {
        Arc::new(calls)
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

#[derive(Clone, Copy)]
enum Direction {
    Encode,
    Decode,
}

impl Direction {
    fn on_fiber(self, store: &mut Store<State>, guest: &CodecGuest) -> wasmtime::Result<OnFiber> {
        match self {
            Self::Encode => guest.encode(store),
            Self::Decode => guest.decode(store),
        }
    }
}

impl Calls<Codec> {
    #[inline]
    fn convert(
        &self,
        context: &Context<'_>,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let index = self.capability();
        if self.needs_fiber(context) {
            let function =
                |store: &mut Store<State>, guest: &CodecGuest| direction.on_fiber(store, guest);
            return self.on_fiber(context, function, (index, input.to_vec()), |(answer,)| answer);
        }
        self.direct(
            context,
            |store, guest| match direction {
                Direction::Encode => guest.direct.call_encode(store, index, input),
                Direction::Decode => guest.direct.call_decode(store, index, input),
            },
            |answer| answer,
        )
    }

    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        let function =
            move |store: &mut Store<State>, guest: &CodecGuest| direction.on_fiber(store, guest);
        let params = (self.capability(), input);
        Box::pin(self.awaited(context, function, params, |(answer,)| answer))
    }
}

impl CodecCall for Calls<Codec> {
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError> {
        self.convert(context, Direction::Encode, document)
    }

    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.convert(context, Direction::Decode, bytes)
    }

    fn encode_async<'a>(&'a self, context: Context<'a>, document: Vec<u8>) -> CodecFuture<'a> {
        self.convert_async(context, Direction::Encode, document)
    }

    fn decode_async<'a>(&'a self, context: Context<'a>, bytes: Vec<u8>) -> CodecFuture<'a> {
        self.convert_async(context, Direction::Decode, bytes)
    }
}
