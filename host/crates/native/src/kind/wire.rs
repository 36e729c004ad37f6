//! How a call of a kind's function goes to a worker and back, as frames.

use std::sync::Arc;

use plugbay_abi::host::{HostCalls, Instance};
use plugbay_abi::{Buffer, Error, ErrorKind};
use plugbay_core::CallError;

use super::call::KindCall;
use crate::worker::link::error::LaneError;
use crate::worker::link::wire::{Frame, Head, Op};

/// A function of a kind, as the field `code` of a request has it: the kind's number and the function's
/// number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(pub(super) u8, pub(super) u8);

/// A call that a frame can carry.
pub(crate) trait WireCall: KindCall {
    /// The function that is called.
    fn function(&self) -> Function;

    /// The arguments that go as metadata.
    ///
    /// # Errors
    ///
    /// If they cannot be serialized.
    fn meta(&self) -> Result<Vec<u8>, LaneError>;

    /// The argument that goes as it is.
    fn body(&self) -> &[u8];

    /// In the worker: the reply with an answer.
    ///
    /// # Errors
    ///
    /// As for [`KindCall::take`].
    fn reply(answer: Self::Answer) -> Result<Reply, Error>;

    /// In the host: what the plugin `label` answered, from its worker's reply.
    ///
    /// # Errors
    ///
    /// As for [`KindCall::take`].
    fn output(reply: Frame, label: &Arc<str>) -> Result<Self::Output, CallError>;
}

impl Function {
    /// The head of the request that calls it of the capability `index`.
    pub(crate) fn head(self, index: u32) -> Head {
        let Self(kind, number) = self;
        Head { code: u16::from_le_bytes([number, kind]), ..Head::indexed(Op::Call, index) }
    }
}

/// A call, as it comes to a worker.
pub(crate) struct Incoming<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) host: &'a dyn HostCalls,
    pub(crate) frame: &'a Frame,
}

impl Incoming<'_> {
    /// The number of the kind.
    pub(super) fn kind(&self) -> u8 {
        self.function().0
    }

    /// The function that is called.
    pub(super) fn function(&self) -> Function {
        let [number, kind] = self.frame.head.code.to_le_bytes();
        Function(kind, number)
    }

    /// Calls the instance.
    pub(super) fn make<C: WireCall>(&self, call: &C) -> Result<Reply, Error> {
        C::reply(call.call(self.instance, self.host, self.frame.head.index)?)
    }

    /// The error of a function that no kind has.
    #[cold]
    pub(super) fn unknown(&self) -> Error {
        let Function(kind, number) = self.function();
        let message =
            format!("expected a function of a kind, found function {number} of kind {kind}");
        Error::new(ErrorKind::Internal, message)
    }
}

/// The reply to a successful call.
#[derive(Default)]
pub(crate) struct Reply {
    /// For the field `code`.
    pub(crate) code: u16,
    pub(crate) meta: Vec<u8>,
    pub(crate) body: Body,
}

/// The body of a reply.
#[derive(Default)]
pub(crate) enum Body {
    #[default]
    None,
    /// The plugin's own buffer, sent without a copy.
    Lent(Buffer),
    Owned(Vec<u8>),
}

impl Reply {
    /// A reply of a body alone.
    pub(crate) fn lent(body: Buffer) -> Self {
        Self { body: Body::Lent(body), ..Self::default() }
    }
}

impl Body {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Body::None => &[],
            Body::Lent(buffer) => buffer,
            Body::Owned(bytes) => bytes,
        }
    }
}
