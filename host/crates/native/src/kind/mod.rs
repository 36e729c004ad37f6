//! The built-in kinds on the C ABI.
//!
//! A kind is one module here. It says how each function of the kind is called: by an instance in this
//! process ([`call`]), and by frames between a host and a worker ([`wire`]). A [`capability`] makes
//! those calls where the plugin's code runs, and each kind's module implements the kind's call object
//! for it. What a new kind adds elsewhere in this crate is its line in each of the two functions below.

pub(crate) mod call;
pub(crate) mod capability;
mod codec;
mod handler;
#[cfg(target_os = "linux")]
pub(crate) mod wire;
#[cfg(not(target_os = "linux"))]
#[path = "without_wire.rs"]
pub(crate) mod wire;

use std::sync::Arc;

use plugbay_core::codec::Codec;
use plugbay_core::handler::Handler;
use plugbay_core::{Kind as _, Provider};

use self::capability::{Callee, Capability};

/// The call object of a capability; `None` if its kind is not built in.
pub(crate) fn provide<C: Callee>(kind: &str, calls: Capability<C>) -> Option<Provider> {
    match kind {
        Codec::NAME => Some(Provider::new::<Codec>(Arc::new(calls))),
        Handler::NAME => Some(Provider::new::<Handler>(Arc::new(calls))),
        _ => None,
    }
}

/// Makes, in a worker, the call that a frame carries.
///
/// # Errors
///
/// The plugin's own; `Internal` for a function that no kind has.
#[cfg(target_os = "linux")]
pub(crate) fn serve(call: &wire::Incoming<'_>) -> Result<wire::Reply, plugbay_abi::Error> {
    match call.kind() {
        codec::NUMBER => codec::worker::serve(call),
        handler::NUMBER => handler::worker::serve(call),
        _ => Err(call.unknown()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use plugbay_core::{BUILT_IN, Bulkhead, CallError, CallErrorKind, Context};

    use super::wire::WireCall;
    use super::*;
    use crate::blocking::Blocking;

    /// A plugin that is not called.
    #[derive(Clone)]
    struct NoPlugin;

    impl Callee for NoPlugin {
        fn call<C: WireCall>(
            &self,
            _: &Context<'_>,
            _: u32,
            _: &C,
        ) -> Result<C::Output, CallError> {
            Err(CallError::new(CallErrorKind::Unavailable, "there is none"))
        }

        fn call_until<C: WireCall>(
            &self,
            context: &Context<'_>,
            index: u32,
            call: &C,
            _: Instant,
        ) -> Result<C::Output, CallError> {
            self.call(context, index, call)
        }

        fn blocking(&self, _: &Arc<Bulkhead>) -> Blocking {
            unreachable!("it is not called")
        }
    }

    #[test]
    fn every_built_in_kind_has_a_call_object() {
        let bulkhead = Bulkhead::new(&Arc::from("p@1.0.0"), 1, 0);
        for kind in BUILT_IN.map(|kind| kind.name) {
            let bulkhead = Arc::clone(&bulkhead);
            let provider = provide(
                kind,
                Capability { callee: NoPlugin, bulkhead, index: 0, max_inline: None },
            );
            assert_eq!(provider.map(|it| it.kind()), Some(kind));
        }
        assert!(
            provide(
                "greeter",
                Capability { callee: NoPlugin, bulkhead, index: 0, max_inline: None }
            )
            .is_none()
        );
    }
}
