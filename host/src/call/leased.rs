//! The right to call one capability in one generation.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use plugbay_core::codec::{Codec, Direction};
use plugbay_core::handler::{Handler, Request, Response};
use plugbay_core::{CallError, CallErrorKind, CapabilityDescription, Context, Kind, Policy};
use plugbay_document::Document;
use plugbay_registry::Lease;

use super::dispatch;
use super::error::Error;
use super::options::{CallFuture, CallOptions};
use super::sticky::key_of;
use crate::set::{Capability, PublishedSet, Running};

/// Why a set gives no lease of a capability.
pub(crate) enum LeaseError {
    /// The set was retired: try the newer one.
    Retired,
    /// The capability is of another kind.
    WrongKind(CallError),
}

/// The right to call one capability in one generation: the plugin versions that offer it there
/// are not shut down before this is dropped.
pub struct CapabilityLease<K: Kind> {
    /// Dropped before the snapshot, in the order of the fields.
    _rights: Rights,
    published: Arc<PublishedSet>,
    /// The capability's index in the generation's table.
    position: usize,
    kind: PhantomData<fn() -> K>,
}

/// The leases that keep the plugins from being shut down; dropped in the order of the fields.
struct Rights {
    _running: Option<Lease<Running>>,
    /// Of the whole generation, if other plugins in it may be called.
    _users: Option<Lease<()>>,
}

impl<K: Kind> CapabilityLease<K> {
    /// Leases the capability at this position of exactly this set.
    pub(crate) fn take(published: &Arc<PublishedSet>, position: usize) -> Result<Self, LeaseError> {
        let generation = &published.generation;
        let Some((_, capability)) = generation.capabilities.at(position) else {
            unreachable!("a position is looked up in the set that it is used in")
        };
        if capability.first.call::<K>().is_none() {
            return Err(LeaseError::WrongKind(dispatch::wrong_kind::<K>(capability)));
        }
        let running = &capability.first.running;
        let several = capability.balancing.is_some();
        let users = if several || running.calls_others {
            Some(generation.users.lease().map_err(|_| LeaseError::Retired)?)
        } else {
            None
        };
        let running =
            if several { None } else { Some(running.lease().map_err(|_| LeaseError::Retired)?) };
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

    /// Calls the capability on this thread, as [`Handle::call`](super::handle::Handle::call) does.
    ///
    /// # Errors
    /// The error that `call` returns, or why the plugin takes no calls at the moment.
    pub fn call<R>(
        &self,
        options: CallOptions<'_>,
        mut call: impl FnMut(&K::Call, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let call =
            |target: &K::Call, context: &Context<'_>, _plugin: &Arc<str>| call(target, context);
        let context = options.bound(self.published.context())?;
        dispatch::call::<K, R>(self.capability(), &context, options, call)
    }

    /// Calls the capability asynchronously. `call` runs once for each provider that is called.
    ///
    /// # Errors
    /// The error that `call` returns, or why the plugin takes no calls at the moment.
    ///
    /// # Cancel safety
    ///
    /// That of the futures that `call` makes; a plugin is not blamed for a caller that goes away.
    pub async fn call_async<R>(
        &self,
        options: CallOptions<'_>,
        mut call: impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
    ) -> Result<R, CallError> {
        self.call_with_fault(options, |_answer| None, &mut call).await
    }

    /// As [`CapabilityLease::call_async`]; `fault` returns an error for an answer that counts as a
    /// failure of the plugin.
    async fn call_with_fault<R>(
        &self,
        options: CallOptions<'_>,
        fault: impl Fn(&R) -> Option<CallError>,
        call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
    ) -> Result<R, CallError> {
        let context = options.bound(self.published.context())?;
        dispatch::call_async::<K, R>(self.capability(), context, options, fault, call).await
    }

    /// Checks whether the capability takes calls now, and returns the error with which a call would
    /// be rejected.
    ///
    /// # Errors
    /// Why no provider takes calls; of several errors, the one with the shortest time to wait.
    pub fn check_available(&self) -> Result<(), CallError> {
        dispatch::check_available(self.capability())
    }

    /// The policies of all plugins that offer the capability.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.capability().targets().map(|target| &target.running.identity.policy)
    }

    /// The name of the bulkhead that the calls share: that of the plugin or, if several plugins offer
    /// the capability, that of the capability.
    #[must_use]
    pub fn bulkhead(&self) -> Cow<'_, str> {
        let capability = self.capability();
        match &capability.balancing {
            None => Cow::Borrowed(&capability.first.running.identity.name),
            Some(_) => Cow::Owned(capability.key.to_string()),
        }
    }

    /// The plugin that gets the calls, as `name@version`; `None` if several plugins offer the capability.
    #[must_use]
    pub fn plugin(&self) -> Option<&str> {
        let capability = self.capability();
        capability.balancing.is_none().then_some(&*capability.first.running.label)
    }

    /// The number of the generation that the lease is of.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.published.generation.number
    }

    /// The plugin's description of the capability; of several plugins, that of the first.
    #[must_use]
    pub fn description(&self) -> &CapabilityDescription {
        self.capability().first.described()
    }
}

impl CapabilityLease<Codec> {
    /// Writes a document that is CBOR already: one item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer.
    pub fn encode_document(
        &self,
        options: CallOptions<'_>,
        document: &[u8],
    ) -> Result<Vec<u8>, Error> {
        Ok(self.call(options.repeatable(true), |codec, context| codec.encode(context, document))?)
    }

    /// Reads a document, checked to be one CBOR item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    pub fn decode_document(
        &self,
        options: CallOptions<'_>,
        bytes: &[u8],
    ) -> Result<Document, Error> {
        let capability = self.capability();
        let name = &capability.key.name;
        let (context, options) =
            (options.bound(self.published.context())?, options.repeatable(true));
        Ok(dispatch::call::<Codec, _>(capability, &context, options, |codec, context, plugin| {
            checked(codec.decode(context, bytes)?, name).map_err(|error| error.of(plugin))
        })?)
    }

    /// As [`encode_document`](Self::encode_document), without blocking a thread.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this document; other calls are not affected.
    pub async fn encode_document_async(
        &self,
        options: CallOptions<'_>,
        mut document: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let called_once = self.capability().balancing.is_none();
        Ok(self
            .call_with_fault(options.repeatable(true), |_bytes| None, &mut |codec, context| {
                let document = take_or_copy(&mut document, called_once);
                codec.convert_async(context, Direction::Encode, document)
            })
            .await?)
    }

    /// As [`decode_document`](Self::decode_document), without blocking a thread.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on these bytes; other calls are not affected.
    pub async fn decode_document_async(
        &self,
        options: CallOptions<'_>,
        mut bytes: Vec<u8>,
    ) -> Result<Document, Error> {
        let capability = self.capability();
        let called_once = capability.balancing.is_none();
        Ok(self
            .call_with_fault(options.repeatable(true), |_document| None, &mut |codec, context| {
                let name = capability.key.name.clone();
                let bytes = take_or_copy(&mut bytes, called_once);
                let document = codec.convert_async(context, Direction::Decode, bytes);
                Box::pin(async move { checked(document.await?, &name) })
            })
            .await?)
    }
}

/// The bytes for one provider: a copy if another provider may be called after it.
fn take_or_copy(bytes: &mut Vec<u8>, called_once: bool) -> Vec<u8> {
    if called_once { std::mem::take(bytes) } else { bytes.clone() }
}

impl CapabilityLease<Handler> {
    /// Answers one request. Unless `options` says otherwise, the method decides whether the call
    /// may be repeated, and the configuration decides by which key it is sticky.
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
    pub async fn handle(
        &self,
        options: CallOptions<'_>,
        request: Request,
    ) -> Result<Response, CallError> {
        let capability = self.capability();
        let Some(balancing) = &capability.balancing else {
            let mut request = Some(request);
            // The only provider is called once.
            return self
                .call_with_fault(options, fault, &mut |handler, context| {
                    handler.handle(context, request.take().unwrap_or_default())
                })
                .await;
        };
        let key = balancing.key.as_ref().and_then(|key| key_of(key, &request));
        let options = options.repeatable(options.repeatable || is_repeatable(&request.method));
        let options = options.key(options.key.or(key.as_deref()));
        self.call_with_fault(options, fault, &mut |handler, context| {
            handler.handle(context, request.clone())
        })
        .await
    }
}

/// The failure that a response reports, if it reports one: as in proxies, a status of 500 or above
/// counts as a failure of the handler, and 503 as `unavailable`.
fn fault(response: &Response) -> Option<CallError> {
    let kind = match response.status {
        ..500 => return None,
        503 => CallErrorKind::Unavailable,
        _ => CallErrorKind::Internal,
    };
    Some(CallError::new(kind, format!("the handler answered with status {}", response.status)))
}

/// Whether a request may be repeated: its method is idempotent (RFC 9110, section 9.2.2).
fn is_repeatable(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
}

/// Checks that a codec's answer is one document.
pub(crate) fn checked(document: Vec<u8>, codec: &str) -> Result<Document, CallError> {
    Document::from_cbor(document).map_err(|error| no_document(codec, &error))
}

/// The failure of a codec whose answer is no document.
pub(super) fn no_document(codec: &str, error: &plugbay_document::Error) -> CallError {
    let message = format!("codec {codec}: expected one CBOR item: {error}");
    CallError::new(CallErrorKind::Contract, message)
}

impl<K: Kind> fmt::Debug for CapabilityLease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapabilityLease")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
