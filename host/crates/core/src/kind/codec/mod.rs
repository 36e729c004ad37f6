//! The kind `codec`: converts documents to bytes of a format, and back.

pub(crate) mod call;
pub(crate) mod direction;
pub(crate) mod future;

use std::sync::Arc;

pub use self::call::CodecCall;
pub use self::direction::Direction;
pub use self::future::CodecFuture;
use super::{AnyCall, Kind};

/// The kind `codec`.
#[derive(Debug)]
pub struct Codec;

impl Kind for Codec {
    const NAME: &'static str = "codec";
    type Call = dyn CodecCall;

    fn erase(call: Arc<Self::Call>) -> AnyCall {
        AnyCall::Codec(call)
    }

    #[inline]
    fn of(call: &AnyCall) -> Option<&Arc<Self::Call>> {
        match call {
            AnyCall::Codec(call) => Some(call),
            AnyCall::Other(_) => None,
        }
    }
}
