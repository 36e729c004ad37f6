//! Typed handles: what callers hold, and how a call finds its plugin.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugbay_core::codec::Codec;
use plugbay_core::handler::{Handler, Request, Response};
use plugbay_core::{CallError, CallErrorKind, CapabilityDescription, Context, Kind};
use plugbay_document::Document;
use plugbay_registry::{Lease, NotFound};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::generation::{Capability, Cell, Published, Running};

/// A capability by kind and name, whoever offers it at the time of the call.
///
/// A handle holds no plugin: a call goes to the generation that runs when the call begins,
/// and stays with it to the end.
pub struct Handle<K> {
    cell: Arc<Cell>,
    /// `kind:name`.
    key: Arc<str>,
    position: Position,
    kind: PhantomData<fn() -> K>,
}

/// Where the capability stood when it was last looked up: the generation's number and the
/// index in its table, in one word, so that a warm call compares instead of searching.
#[derive(Default)]
struct Position(AtomicU64);

impl Position {
    const INDEX_BITS: u32 = 20;
    const INDEX_MASK: u64 = (1 << Self::INDEX_BITS) - 1;

    /// The index, if it was noted in this generation. 0 stands for "nothing noted".
    #[inline]
    fn get(&self, generation: u64) -> Option<usize> {
        let word = self.0.load(Ordering::Relaxed);
        let noted = word >> Self::INDEX_BITS == (generation & (u64::MAX >> Self::INDEX_BITS));
        (noted && word != 0).then_some((word & Self::INDEX_MASK) as usize)
    }

    fn set(&self, generation: u64, index: usize) {
        let index = index as u64;
        if index <= Self::INDEX_MASK {
            self.0.store(generation << Self::INDEX_BITS | index, Ordering::Relaxed);
        }
    }
}

impl<K: Kind> Handle<K> {
    pub(crate) fn new(cell: Arc<Cell>, name: &str) -> Result<Self, NotFound> {
        let key = Arc::from(format!("{}:{name}", K::NAME));
        let handle = Self { cell, key, position: Position::default(), kind: PhantomData };
        handle.cell.peek(|published| handle.find(published).map(|_| ()))?;
        Ok(handle)
    }

    /// The capability's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.split_once(':').map_or(&*self.key, |(_, name)| name)
    }

    /// Calls the capability on this thread: one snapshot, one lease, given back on return.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the capability, or what `call` returns.
    pub fn call<R>(
        &self,
        call: impl FnOnce(&K::Call, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, Error> {
        self.call_named(|target, context, _plugin| call(target, context))
    }

    /// As [`Handle::call`]; `call` also gets `name@version` of the plugin that it calls.
    #[inline]
    pub(crate) fn call_named<R>(
        &self,
        call: impl FnOnce(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
    ) -> Result<R, Error> {
        let mut call = Some(call);
        let mut last = None;
        loop {
            // Everything happens under the cheap guard, which cannot leave the closure.
            let tried = self.cell.peek(|published| {
                let capability = self.find(published)?;
                let Some(_entered) = published.enter(capability) else {
                    return Ok(Err(published.generation.number));
                };
                let target = self.target(capability)?;
                let Some(call) = call.take() else { return Err(self.retired().into()) };
                Ok(Ok(call(target, &published.context(), &capability.running.label)?))
            });
            match tried {
                Ok(Ok(answer)) => return Ok(answer),
                Err(error) => return Err(error),
                // Retired between the load and the lease: a newer set is published already,
                // or none ever will be.
                Ok(Err(generation)) if last == Some(generation) => {
                    return Err(self.retired().into());
                }
                Ok(Err(generation)) => last = Some(generation),
            }
        }
    }

    /// Takes a lease for a call that outlives this function: the snapshot and the plugin
    /// version stay until it is dropped.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the capability.
    pub fn lease(&self) -> Result<Leased<K>, Error> {
        let mut last = None;
        loop {
            let published = self.cell.load();
            let capability = self.find(&published)?;
            match Leased::take(&published, capability) {
                Ok(leased) => return Ok(leased),
                Err(Missed::WrongKind) => return Err(self.wrong_kind().into()),
                Err(Missed::Retired) => {}
            }
            if last == Some(published.generation.number) {
                return Err(self.retired().into());
            }
            last = Some(published.generation.number);
        }
    }

    #[inline]
    fn find<'a>(&self, published: &'a Published) -> Result<&'a Capability, NotFound> {
        let generation = &published.generation;
        if let Some((_, capability)) =
            self.position.get(generation.number).and_then(|index| generation.capabilities.at(index))
        {
            return Ok(capability);
        }
        let capability = generation.capability(K::NAME, &self.key)?;
        if let Some(index) = generation.capabilities.index_of(&self.key) {
            self.position.set(generation.number, index);
        }
        Ok(capability)
    }

    #[inline]
    fn target<'a>(&self, capability: &'a Capability) -> Result<&'a K::Call, CallError> {
        capability.call::<K>().map(|call| &**call).ok_or_else(|| self.wrong_kind())
    }

    fn wrong_kind(&self) -> CallError {
        let message = format!("expected {} to be called as a {}", self.key, K::NAME);
        CallError::new(CallErrorKind::Internal, message)
    }

    fn retired(&self) -> CallError {
        CallError::new(CallErrorKind::Retired, format!("{}: the host is shut down", self.key))
    }
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self {
            cell: Arc::clone(&self.cell),
            key: Arc::clone(&self.key),
            position: Position::default(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.key).finish()
    }
}

/// Why a capability of a set gives no lease.
pub(crate) enum Missed {
    /// The set was retired: look for a newer one.
    Retired,
    /// The capability is of another kind.
    WrongKind,
}

/// The right to call one capability in one generation: its plugin version is not shut down
/// before this is dropped.
pub struct Leased<K: Kind> {
    call: Arc<K::Call>,
    published: Arc<Published>,
    /// The capability's index in the plugin's description.
    index: usize,
    /// Given back before the snapshot, in the order of the fields.
    running: Lease<Running>,
    _users: Option<Lease<()>>,
}

impl<K: Kind> Leased<K> {
    /// Leases the capability in this very set, or says why that cannot be.
    pub(crate) fn take(
        published: &Arc<Published>,
        capability: &Capability,
    ) -> Result<Self, Missed> {
        let users = if capability.running.calls_others {
            Some(published.generation.users.lease().map_err(|_| Missed::Retired)?)
        } else {
            None
        };
        let running = capability.running.lease().map_err(|_| Missed::Retired)?;
        let call = Arc::clone(capability.call::<K>().ok_or(Missed::WrongKind)?);
        let published = Arc::clone(published);
        Ok(Self { call, published, index: capability.index, running, _users: users })
    }

    /// What to call.
    #[must_use]
    pub fn target(&self) -> &K::Call {
        &self.call
    }

    /// What to pass along.
    #[must_use]
    pub fn context(&self) -> Context<'_> {
        self.published.context()
    }

    /// The number of the generation that the lease is of.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.published.generation.number
    }

    /// What the plugin says of the capability.
    #[must_use]
    pub fn description(&self) -> &CapabilityDescription {
        &self.running.description.capabilities[self.index]
    }
}

impl Leased<Codec> {
    /// Writes a document that is CBOR already: one item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer.
    pub fn encode_document(&self, document: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.call.encode(&self.context(), document)?)
    }

    /// Reads a document, checked to be one CBOR item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    pub fn decode_document(&self, bytes: &[u8]) -> Result<Document, Error> {
        let document = self.call.decode(&self.context(), bytes)?;
        Ok(checked(document, &self.description().name, &self.running.label)?)
    }
}

/// A codec's answer as a document, if it is one.
fn checked(document: Vec<u8>, codec: &str, plugin: &Arc<str>) -> Result<Document, CallError> {
    Document::from_cbor(document).map_err(|error| {
        let message = format!("codec {codec}: expected one CBOR item: {error}");
        CallError::new(CallErrorKind::Contract, message).of(plugin)
    })
}

impl<K: Kind> fmt::Debug for Leased<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

/// A codec: any `serde` value to the format's bytes and back, whatever the plugin is
/// written in.
#[derive(Clone, Debug)]
pub struct CodecHandle(pub(crate) Handle<Codec>);

impl CodecHandle {
    /// The codec's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Writes a value in the codec's format.
    ///
    /// # Errors
    ///
    /// If the value does not serialise, or the codec gives no answer; see
    /// [`CallErrorKind`].
    pub fn encode(&self, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, Error> {
        let document =
            Document::from_value(value).map_err(|error| Error::Serialize(Box::new(error)))?;
        self.encode_document(document.as_cbor())
    }

    /// Reads a value from the codec's format.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or its document is not of type `T`.
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Error> {
        let document = self.decode_document(bytes)?;
        document.to_value().map_err(|error| Error::Deserialize(Box::new(error)))
    }

    /// Writes a document that is CBOR already: one item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer.
    pub fn encode_document(&self, document: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.call(|codec, context| codec.encode(context, document))
    }

    /// Reads a document, checked to be one CBOR item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    pub fn decode_document(&self, bytes: &[u8]) -> Result<Document, Error> {
        self.0.call_named(|codec, context, plugin| {
            checked(codec.decode(context, bytes)?, self.name(), plugin)
        })
    }
}

/// A handler of HTTP requests.
#[derive(Clone, Debug)]
pub struct HandlerHandle(pub(crate) Handle<Handler>);

impl HandlerHandle {
    /// The handler's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Answers one request on the plugin version that runs now.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the handler, or it gives no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this request; no other call notices.
    pub async fn handle(&self, request: Request) -> Result<Response, Error> {
        let leased = self.0.lease()?;
        Ok(leased.target().handle(leased.context(), request).await?)
    }
}
