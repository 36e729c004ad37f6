//! A started native plugin.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugbay_abi::host::{Guest, Instance};
use plugbay_abi::{Buffer, Error, Kind};
use plugbay_core::codec::{Codec, CodecCall};
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Description, GuestMetrics, Identity, Kind as _, Plugin,
    PluginStats, Policy, Provider, Reason, Refusal, StartPlugin,
};
use plugbay_registry::Swap;
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

use crate::calls::{Calls, from_guest};

/// What all calls of one plugin share.
struct Shared {
    guest: Guest,
    identity: Identity,
    policy: Policy,
    config: String,
    tokio: Handle,
    metrics: GuestMetrics,
    /// Serves all calls at once; replaced after a panic, which may leave it half changed.
    instance: Swap<Instance>,
    instantiations: AtomicU64,
    discarded: AtomicU64,
}

/// A started native plugin.
pub(crate) struct NativePlugin {
    shared: Arc<Shared>,
    description: Arc<Description>,
}

impl NativePlugin {
    pub(crate) fn start(guest: Guest, start: StartPlugin, tokio: Handle) -> Result<Self, Refusal> {
        let metrics = GuestMetrics::default();
        let config = start.config.to_string();
        let calls = Calls::outside(start.identity.label(), &metrics);
        let refuse = |reason, step: &str, error: &Error| {
            Refusal::new(reason, format!("{step}: {}", error.message))
        };
        let instance =
            guest.create(&calls, &config).map_err(|error| refuse(Reason::Init, "init", &error))?;
        instance.health(&calls).map_err(|error| refuse(Reason::Unhealthy, "health", &error))?;
        let shared = Shared {
            guest,
            identity: start.identity,
            policy: start.policy,
            config,
            tokio,
            metrics,
            instance: Swap::new(instance),
            instantiations: AtomicU64::new(1),
            discarded: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), description: start.description })
    }
}

impl Shared {
    fn outside(&self) -> Calls<'_> {
        Calls::outside(self.identity.label(), &self.metrics)
    }

    /// Names the failure; after a panic the instance is replaced.
    fn failed(&self, error: Error) -> CallError {
        if error.kind == Kind::Panicked {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            match self.guest.create(&self.outside(), &self.config) {
                Ok(instance) => {
                    self.instantiations.fetch_add(1, Ordering::Relaxed);
                    self.instance.store(Arc::new(instance));
                }
                Err(error) => {
                    let plugin = &**self.identity.label();
                    tracing::error!(plugin, %error, "no new instance after a panic");
                }
            }
        }
        from_guest(error, self.identity.label())
    }

    fn convert(
        &self,
        convert: impl FnOnce(&Instance) -> Result<Buffer, Error>,
    ) -> Result<Vec<u8>, CallError> {
        let answer = self.instance.peek(|instance| convert(instance));
        let answer = answer.map_err(|error| self.failed(error))?;
        self.bounded(answer.len())?;
        Ok(answer.into_vec())
    }

    fn bounded(&self, size: usize) -> Result<(), CallError> {
        if size as u64 <= self.policy.output {
            return Ok(());
        }
        let message =
            format!("expected an answer of at most {} bytes, found {size}", self.policy.output);
        Err(CallError::new(CallErrorKind::Output, message).of(self.identity.label()))
    }
}

impl Plugin for NativePlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let calls = NativeCalls { shared: Arc::clone(&self.shared), capability };
        match &*described.kind {
            Codec::NAME => Some(Provider::new::<Codec>(Arc::new(calls))),
            Handler::NAME => Some(Provider::new::<Handler>(Arc::new(calls))),
            _ => None,
        }
    }

    fn calls_others(&self) -> bool {
        // Which functions of the host a native plugin uses cannot be told beforehand.
        true
    }

    fn health(&self, _within: Duration) -> Result<(), CallError> {
        let shared = &self.shared;
        let answer = shared.instance.load().health(&shared.outside());
        answer.map_err(|error| shared.failed(error))
    }

    fn shutdown(&self) {
        self.shared.instance.load().shutdown(&self.shared.outside());
    }

    fn stats(&self) -> PluginStats {
        PluginStats {
            instances: 1,
            instantiations: self.shared.instantiations.load(Ordering::Relaxed),
            discarded: self.shared.discarded.load(Ordering::Relaxed),
            metrics: self.shared.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}

/// One capability.
struct NativeCalls {
    shared: Arc<Shared>,
    capability: u32,
}

impl CodecCall for NativeCalls {
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError> {
        let shared = &self.shared;
        let calls = Calls::during(shared.identity.label(), &shared.metrics, context);
        shared.convert(|instance| instance.encode(&calls, self.capability, document))
    }

    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        let shared = &self.shared;
        let calls = Calls::during(shared.identity.label(), &shared.metrics, context);
        shared.convert(|instance| instance.decode(&calls, self.capability, bytes))
    }
}

impl HandlerCall for NativeCalls {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        let (shared, capability) = (Arc::clone(&self.shared), self.capability);
        let (services, depth) = (Arc::clone(context.services()), context.depth());
        let (label, deadline) = (Arc::clone(shared.identity.label()), shared.policy.deadline);
        let (tokio, timers) = (shared.tokio.clone(), shared.tokio.clone());
        Box::pin(async move {
            // Native code may block: it gets a thread that may. If the caller goes, or the
            // deadline passes, the work ends by itself; native code cannot be stopped.
            let work = tokio.spawn_blocking(move || {
                let context = Context::nested(&services, depth);
                handle(&shared, capability, &context, &request)
            });
            let bounded = async { tokio::time::timeout(deadline, work).await };
            match TokioContext::new(bounded, timers).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    Err(CallError::new(CallErrorKind::Internal, error.to_string()).of(&label))
                }
                Err(_elapsed) => {
                    let message = format!("expected an answer within {deadline:?}");
                    Err(CallError::new(CallErrorKind::Deadline, message).of(&label))
                }
            }
        })
    }
}

fn handle(
    shared: &Shared,
    capability: u32,
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, CallError> {
    let calls = Calls::during(shared.identity.label(), &shared.metrics, context);
    let params: Vec<(&str, &str)> =
        request.params.iter().map(|(name, value)| (&**name, &**value)).collect();
    let headers: Vec<(&str, &[u8])> =
        request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let borrowed = plugbay_abi::Request {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        params: &params,
        headers: &headers,
        body: &request.body,
    };
    let instance = shared.instance.load();
    let response =
        instance.handle(&calls, capability, borrowed).map_err(|error| shared.failed(error))?;
    let fields: usize = response.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    shared.bounded(response.body.len() + fields)?;
    if !(200..=599).contains(&response.status) {
        let message = format!("expected a status from 200 to 599, found {}", response.status);
        let error = CallError::new(CallErrorKind::Contract, message);
        return Err(error.of(shared.identity.label()));
    }
    Ok(Response { status: response.status, headers: response.headers, body: response.body })
}

impl fmt::Debug for NativePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativePlugin").field(self.shared.identity.label()).finish()
    }
}
