//! The kind `codec`.

use std::sync::Arc;

use plugbay_abi::host::{HostCalls, Instance};
use plugbay_abi::{Buffer, Error};
use plugbay_core::codec::{CodecCall, CodecFuture, Direction};
use plugbay_core::{CallError, Context};

use super::call::KindCall;
use super::capability::{Callee, Capability};

/// The number of the kind in frames.
#[cfg(target_os = "linux")]
pub(super) const NUMBER: u8 = 1;

/// `encode` or `decode`.
struct Convert<'a> {
    direction: Direction,
    input: &'a [u8],
}

impl KindCall for Convert<'_> {
    type Answer = Buffer;
    type Output = Vec<u8>;

    #[inline]
    fn call(&self, instance: &Instance, host: &dyn HostCalls, index: u32) -> Result<Buffer, Error> {
        match self.direction {
            Direction::Encode => instance.encode(host, index, self.input),
            Direction::Decode => instance.decode(host, index, self.input),
        }
    }

    #[inline]
    fn size(answer: &Buffer) -> usize {
        answer.len()
    }

    #[inline]
    fn take(answer: Buffer, _: &Arc<str>) -> Result<Vec<u8>, CallError> {
        Ok(answer.into_vec())
    }
}

impl<C: Callee> CodecCall for Capability<C> {
    #[inline]
    fn convert(
        &self,
        context: &Context<'_>,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.call(context, &Convert { direction, input })
    }

    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        Box::pin(async move {
            if let Some(_place) = self.inline(input.len()) {
                return self.convert(&context, direction, &input);
            }
            let calls = self.clone();
            let blocking = self.blocking().call(context, move |context, deadline| {
                calls.call_until(context, &Convert { direction, input: &input }, deadline)
            });
            blocking.await
        })
    }
}

/// Both ends of a worker.
#[cfg(target_os = "linux")]
pub(super) mod worker {
    use std::sync::Arc;

    use plugbay_abi::{Buffer, Error};
    use plugbay_core::CallError;
    use plugbay_core::codec::Direction;

    use super::{Convert, NUMBER};
    use crate::kind::wire::{Function, Incoming, Reply, WireCall};
    use crate::worker::link::error::LaneError;
    use crate::worker::link::wire::Frame;

    const ENCODE: Function = Function(NUMBER, 1);
    const DECODE: Function = Function(NUMBER, 2);

    impl WireCall for Convert<'_> {
        fn function(&self) -> Function {
            match self.direction {
                Direction::Encode => ENCODE,
                Direction::Decode => DECODE,
            }
        }

        fn meta(&self) -> Result<Vec<u8>, LaneError> {
            Ok(Vec::new())
        }

        fn body(&self) -> &[u8] {
            self.input
        }

        fn reply(answer: Buffer) -> Result<Reply, Error> {
            Ok(Reply::lent(answer))
        }

        fn output(reply: Frame, _: &Arc<str>) -> Result<Vec<u8>, CallError> {
            Ok(reply.body)
        }
    }

    /// Makes the call that a frame carries.
    pub(in crate::kind) fn serve(call: &Incoming<'_>) -> Result<Reply, Error> {
        let direction = match call.function() {
            ENCODE => Direction::Encode,
            DECODE => Direction::Decode,
            _ => return Err(call.unknown()),
        };
        call.make(&Convert { direction, input: &call.frame.body })
    }
}
