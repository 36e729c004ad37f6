//! Typed handles: what callers hold, and how a call finds its plugin.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugbay_core::codec::Codec;
use plugbay_core::handler::{Handler, Request, Response};
use plugbay_core::{CallError, CallErrorKind, CapabilityDescription, Context, Kind, Policy};
use plugbay_document::Document;
use plugbay_registry::{Lease, NotFound};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calling::{CallFuture, Calling};
use crate::dispatch;
use crate::error::Error;
use crate::generation::{Capability, Cell, Published, Running};
use crate::sticky::key_of;

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
    /// Of several providers the configuration says who is asked; `call` runs once for each that
    /// is. Only you know whether your kind's calls may be made twice: `how` says so.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the capability, what `call` returns, or why the
    /// plugin gets no calls at the moment.
    pub fn call<R>(
        &self,
        how: Calling<'_>,
        mut call: impl FnMut(&K::Call, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, Error> {
        self.call_named(how, |target, context, _plugin| call(target, context))
    }

    /// As [`Handle::call`]; `call` also gets `name@version` of the plugin that it calls.
    #[inline]
    pub(crate) fn call_named<R>(
        &self,
        how: Calling<'_>,
        mut call: impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
    ) -> Result<R, Error> {
        let mut last = None;
        loop {
            // Everything happens under the cheap guard, which cannot leave the closure.
            let tried = self.cell.peek(|published| {
                let capability = self.find(published)?;
                let Some(_entered) = published.enter(capability) else {
                    return Ok(Err(published.generation.number));
                };
                let context = how.bound(published.context())?;
                Ok(Ok(dispatch::call::<K, R>(capability, &context, how, &mut call)?))
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
            self.find(&published)?;
            match Leased::take(&published, &self.key) {
                Ok(leased) => return Ok(leased),
                Err(Missed::WrongKind(error)) => return Err(error.into()),
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
    /// The capability is of another kind, or gone.
    WrongKind(CallError),
}

/// The right to call one capability in one generation: the plugin versions that offer it there
/// are not shut down before this is dropped.
pub struct Leased<K: Kind> {
    /// Given back before the snapshot is let go, in the order of the fields.
    _rights: Rights,
    published: Arc<Published>,
    /// Where the capability stands in the generation's table.
    position: usize,
    kind: PhantomData<fn() -> K>,
}

/// What keeps the plugins of a lease from being shut down; given back in the order of fields.
struct Rights {
    _running: Option<Lease<Running>>,
    /// Of the generation, if other plugins in it may be called.
    _users: Option<Lease<()>>,
}

impl<K: Kind> Leased<K> {
    /// Leases the capability `key` in this very set, or says why that cannot be.
    pub(crate) fn take(published: &Arc<Published>, key: &str) -> Result<Self, Missed> {
        let generation = &published.generation;
        let found = generation.capabilities.index_of(key);
        let found = found.and_then(|at| Some((at, generation.capabilities.at(at)?.1)));
        let Some((position, capability)) = found else {
            let message = format!("expected generation {} to hold {key}", generation.number);
            let error = CallError::new(CallErrorKind::Internal, message);
            return Err(Missed::WrongKind(error));
        };
        if capability.first.call::<K>().is_none() {
            return Err(Missed::WrongKind(dispatch::wrong_kind::<K>(capability)));
        }
        let running = &capability.first.running;
        let several = capability.spread.is_some();
        let users = if several || running.calls_others {
            Some(generation.users.lease().map_err(|_| Missed::Retired)?)
        } else {
            None
        };
        let running =
            if several { None } else { Some(running.lease().map_err(|_| Missed::Retired)?) };
        Ok(Self {
            _rights: Rights { _running: running, _users: users },
            published: Arc::clone(published),
            position,
            kind: PhantomData,
        })
    }

    fn capability(&self) -> &Capability {
        match self.published.generation.capabilities.at(self.position) {
            Some((_, capability)) => capability,
            None => unreachable!("a lease is taken where its capability stands"),
        }
    }

    /// Calls the capability on this thread, as [`Handle::call`] does.
    ///
    /// # Errors
    ///
    /// What `call` returns, or why the plugin gets no calls at the moment.
    pub fn call<R>(
        &self,
        how: Calling<'_>,
        mut call: impl FnMut(&K::Call, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let call =
            |target: &K::Call, context: &Context<'_>, _plugin: &Arc<str>| call(target, context);
        let context = how.bound(self.published.context())?;
        dispatch::call::<K, R>(self.capability(), &context, how, call)
    }

    /// Calls the capability, waiting for its answer.
    ///
    /// `call` runs once for each provider that is asked.
    ///
    /// # Errors
    ///
    /// What `call` returns, or why the plugin gets no calls at the moment.
    ///
    /// # Cancel safety
    ///
    /// That of the futures that `call` makes; a plugin is not blamed for a caller that goes away.
    pub async fn call_async<R>(
        &self,
        how: Calling<'_>,
        mut call: impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
    ) -> Result<R, CallError> {
        self.call_judged(how, |_answer| None, &mut call).await
    }

    /// As [`Leased::call_async`]; `fault` says what an answer says of its plugin, if that is
    /// nothing good.
    async fn call_judged<R>(
        &self,
        how: Calling<'_>,
        fault: impl Fn(&R) -> Option<CallError>,
        call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
    ) -> Result<R, CallError> {
        let context = how.bound(self.published.context())?;
        dispatch::call_async::<K, R>(self.capability(), context, how, fault, call).await
    }

    /// Whether the capability takes calls now: says beforehand what a call would be refused with.
    ///
    /// # Errors
    ///
    /// Why all who offer it are refused; of several, for the shortest time.
    pub fn takes_calls(&self) -> Result<(), CallError> {
        dispatch::takes_calls(self.capability())
    }

    /// The policies of all plugins that offer the capability.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.capability().targets().map(|target| &target.running.identity.policy)
    }

    /// A name for what its calls have a share in: the plugin, or, where several offer it, the
    /// capability.
    #[must_use]
    pub fn bulkhead(&self) -> Cow<'_, str> {
        let capability = self.capability();
        match &capability.spread {
            None => Cow::Borrowed(&capability.first.running.identity.name),
            Some(_) => Cow::Owned(capability.key.to_string()),
        }
    }

    /// The number of the generation that the lease is of.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.published.generation.number
    }

    /// What the plugin says of the capability; of several, the first.
    #[must_use]
    pub fn description(&self) -> &CapabilityDescription {
        self.capability().first.described()
    }
}

impl Leased<Codec> {
    /// Writes a document that is CBOR already: one item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer.
    pub fn encode_document(&self, how: Calling<'_>, document: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.call(how.repeatable(true), |codec, context| codec.encode(context, document))?)
    }

    /// Reads a document, checked to be one CBOR item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    pub fn decode_document(&self, how: Calling<'_>, bytes: &[u8]) -> Result<Document, Error> {
        let capability = self.capability();
        let name = &capability.key.name;
        let (context, how) = (how.bound(self.published.context())?, how.repeatable(true));
        Ok(dispatch::call::<Codec, _>(capability, &context, how, |codec, context, plugin| {
            checked(codec.decode(context, bytes)?, name, plugin)
        })?)
    }
}

impl Leased<Handler> {
    /// Answers one request. Whether it may be made twice says its method, and the key is the
    /// configuration's, unless `how` says otherwise.
    ///
    /// A status of 500 and above is a failure of the plugin, though the response goes to the
    /// caller like any other.
    ///
    /// # Errors
    ///
    /// If the handler gives no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this request; no other call notices.
    pub async fn handle(&self, how: Calling<'_>, request: Request) -> Result<Response, CallError> {
        let capability = self.capability();
        let Some(spread) = &capability.spread else {
            let mut request = Some(request);
            // One provider is asked once.
            return self
                .call_judged(how, fault, &mut |handler, context| {
                    handler.handle(context, request.take().unwrap_or_default())
                })
                .await;
        };
        let key = spread.key.as_ref().and_then(|key| key_of(key, &request));
        let how = how.repeatable(how.repeatable || is_repeatable(&request.method));
        let how = how.key(how.key.or(key.as_deref()));
        self.call_judged(how, fault, &mut |handler, context| {
            handler.handle(context, request.clone())
        })
        .await
    }
}

/// What a response says of its handler: as proxies do, a status of the server's own errors counts
/// as a failure, and 503 as one that says "not now".
fn fault(response: &Response) -> Option<CallError> {
    let kind = match response.status {
        ..500 => return None,
        503 => CallErrorKind::Unavailable,
        _ => CallErrorKind::Internal,
    };
    Some(CallError::new(kind, format!("it answered with status {}", response.status)))
}

/// Whether a request may be made twice: its method is idempotent (RFC 9110, section 9.2.2).
fn is_repeatable(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
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
        self.0.call(Calling::codec(), |codec, context| codec.encode(context, document))
    }

    /// Reads a document, checked to be one CBOR item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    pub fn decode_document(&self, bytes: &[u8]) -> Result<Document, Error> {
        self.0.call_named(Calling::codec(), |codec, context, plugin| {
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
        Ok(self.0.lease()?.handle(Calling::default(), request).await?)
    }
}
