//! The kind `codec` on WIT.

pub(crate) mod guest;

use std::sync::Arc;

use plugbay_core::codec::{Codec, CodecCall, CodecFuture, Direction};
use plugbay_core::{CallError, Context};
use wasmtime::Store;

use self::guest::CodecGuest;
use crate::call::calls::{Calls, WasmKind};
use crate::call::exports::Exports;
use crate::call::guest::AnyGuest;
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

    fn erase_guest(guest: Self::Guest) -> AnyGuest {
        AnyGuest::Codec(guest)
    }

    #[inline]
    fn downcast_guest(guest: &AnyGuest) -> Option<&Self::Guest> {
        match guest {
            AnyGuest::Codec(guest) => Some(guest),
            AnyGuest::Other(_) => None,
        }
    }
}

impl CodecCall for Calls<Codec> {
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
                |store: &mut Store<State>, guest: &CodecGuest| guest.on_fiber(store, direction);
            let params = (index, input.to_vec());
            return self.block_on_fiber(context, function, params, |(answer,)| answer);
        }
        self.call_direct(
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
            move |store: &mut Store<State>, guest: &CodecGuest| guest.on_fiber(store, direction);
        let params = (self.capability(), input);
        Box::pin(self.await_on_fiber(context, function, params, |(answer,)| answer))
    }
}
