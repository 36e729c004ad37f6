//! A compiled and linked component: described, then started.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
#[cfg(feature = "compile")]
use std::sync::{Mutex, PoisonError};

use futures_lite::future::block_on;
use plugbay_core::{
    CallError, CallErrorKind, CapabilityDescription, Description, DescriptionError, GuestMetrics,
    Isolation, Plugin, Policy, Prepared, Reason, Refusal, RouteDescription, Source, StartPlugin,
};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

#[cfg(feature = "compile")]
use super::code::Unsaved;
use super::scan::Shape;
use super::world::{Wants, list};
use crate::bindings::plugbay::plugin::types;
use crate::call::erased::{AnyKind, Served};
use crate::call::guest::AnyIndices;
use crate::call::instances::{Instances, new_store};
use crate::call::lifecycle::{self, Lifecycle};
use crate::call::plugin::{Stage, WasmPlugin};
use crate::call::pool::Pool;
use crate::engine::Engine;
use crate::sandbox::clock::{Allowance, deadline_passed, until_deadline};
use crate::sandbox::fault::fault;
use crate::sandbox::folders::Folders;
use crate::sandbox::grants::Sandbox;
use crate::sandbox::limits::Budget;
use crate::sandbox::meter::metered;
use crate::sandbox::state::State;
use crate::wasi::Wasi;

const GRANT_HINT: &str = "create the folder, or remove it from the plugin's grants";

/// A component that was checked, compiled and linked.
pub(crate) struct WasmPrepared {
    pub(crate) engine: Engine,
    pub(crate) tokio: Handle,
    pub(crate) component: InstancePre<State>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The interfaces that the component exports and the runtime serves.
    pub(crate) kinds: Vec<Arc<dyn Served>>,
    /// All kinds that the runtime serves, for error messages.
    pub(crate) served: Arc<[Box<dyn AnyKind>]>,
    pub(crate) shape: Shape,
    /// Where the component was found first.
    pub(crate) source: Source,
    pub(crate) wants: Wants,
    pub(crate) code_size: u64,
    /// The place in the cache where the code is not yet.
    #[cfg(feature = "compile")]
    pub(crate) unsaved: Mutex<Option<Unsaved>>,
}

impl WasmPrepared {
    /// Writes the code to the cache, unless it is there.
    fn save(&self) {
        #[cfg(feature = "compile")]
        {
            let unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(unsaved) = unsaved {
                unsaved.save(&self.engine, self.component.component());
            }
        }
    }

    /// Calls `describe` in an instance of its own, after checking the types of all interfaces
    /// that the runtime calls.
    fn call_describe(&self) -> Result<types::Description, Refusal> {
        // The plugin's own limit of memory is configured by its name, which is not known yet.
        let defaults = Policy::default();
        let policy = Policy { memory: defaults.total_memory, ..defaults };
        let sandbox = Arc::new(Sandbox::bare(&self.source, &policy));
        let budget = Budget::new(policy.total_memory);
        let wasi = Wasi::of(&sandbox, self.wants.wasi);
        let state = State::new(sandbox, budget, &policy, Arc::default(), wasi);
        let mut store = new_store(&self.engine, state);
        let allowed = Allowance::step(policy.init, None);
        let on_fiber = self.wants.may_wait();
        store.data_mut().begin(allowed, on_fiber);
        let describe_call = async {
            let instance = if on_fiber {
                self.component.instantiate_async(&mut store).await?
            } else {
                self.component.instantiate(&mut store)?
            };
            let describe = self.lifecycle.describe(&mut store, &instance);
            let describe = match self.load_kinds(&mut store, &instance).and(describe) {
                Ok(describe) => describe,
                Err(error) => return Ok(Err(error)),
            };
            lifecycle::call(&mut store, describe, (), on_fiber).await.map(Ok)
        };
        let answer = if on_fiber {
            let bounded = until_deadline(allowed.ends, metered(describe_call));
            block_on(TokioContext::new(bounded, self.tokio.clone()))
                .ok_or_else(|| describe_failed(&deadline_passed(policy.init)))?
        } else {
            block_on(describe_call)
        };
        match answer {
            Ok(Ok((description,))) => Ok(description),
            Ok(Err(mismatch)) => {
                let message =
                    format!("expected functions of the types that this host has: {mismatch:#}");
                Err(Refusal::new(Reason::WrongWorld, message))
            }
            Err(error) => Err(describe_failed(&fault(&error, store.data_mut()))),
        }
    }

    fn load_kinds(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<()> {
        self.kinds.iter().try_for_each(|kind| kind.load(store, instance).map(drop))
    }

    /// Checks that the component exports the interface of each of its capabilities.
    fn check_kinds(&self, description: &Description) -> Result<(), Refusal> {
        for capability in &description.capabilities {
            if self.kinds.iter().any(|kind| kind.kind() == capability.kind) {
                continue;
            }
            let served = self.served.iter().find(|kind| kind.name() == capability.kind);
            let message = match served {
                Some(kind) => format!(
                    "capability {}:{}: expected the component to export {}, found {}",
                    capability.kind,
                    capability.name,
                    kind.interface(),
                    list(&self.shape.exports)
                ),
                None => format!(
                    "capability {}:{}: expected a kind that this host serves ({}), found {:?}",
                    capability.kind,
                    capability.name,
                    list(self.served.iter().map(|kind| kind.name())),
                    capability.kind
                ),
            };
            return Err(Refusal::new(Reason::WrongWorld, message));
        }
        Ok(())
    }
}

impl Prepared for WasmPrepared {
    fn describe(&self, _isolation: Isolation) -> Result<Description, Refusal> {
        let description = convert(self.call_describe()?)
            .and_then(|description| description.check().map(|()| description))
            .map_err(|error| Refusal::new(Reason::Description, format!("describe: {error}")))?;
        self.check_kinds(&description)?;
        Ok(description)
    }

    fn imports(&self) -> &[String] {
        &self.shape.imports
    }

    fn exports(&self) -> &[String] {
        &self.shape.exports
    }

    fn code_size(&self) -> u64 {
        self.code_size
    }

    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
        let folders = Folders::open(&start.policy.grants)
            .map_err(|error| Refusal::new(Reason::Grant, error.to_string()).hint(GRANT_HINT))?;
        let sandbox =
            Arc::new(Sandbox::new(start.identity, &start.policy, folders, start.observer));
        let instances = Instances {
            engine: self.engine.clone(),
            tokio: self.tokio.clone(),
            component: self.component.clone(),
            _code: self.engine.started().register(sandbox.label(), self.component.component()),
            lifecycle: Arc::clone(&self.lifecycle),
            kinds: self.kinds.iter().map(|kind| Arc::clone(kind) as Arc<dyn AnyIndices>).collect(),
            sandbox: Arc::clone(&sandbox),
            config: start.config.to_string().into(),
            wants: self.wants,
            budget: Budget::new(start.policy.total_memory),
            metrics: Arc::new(GuestMetrics::default()),
            pool: Pool::new(start.policy.instances, start.policy.queue),
            instantiations: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
            cpu: AtomicU64::new(0),
            policy: start.policy,
        };
        let plugin = WasmPlugin {
            instances: Arc::new(instances),
            description: start.description,
            kinds: self.kinds.clone(),
        };
        self.engine.idle().register(&plugin.instances);
        match plugin.warm_up() {
            Ok(()) => {
                self.save();
                Ok(Arc::new(plugin))
            }
            Err((stage, error)) => Err(refuse(stage, &error)),
        }
    }
}

/// The refusal for a failed `describe`.
fn describe_failed(error: &CallError) -> Refusal {
    let hint = "describe runs without grants and for at most 5 s; it must not depend on \
                configuration, time or random numbers";
    Refusal::new(Reason::Describe, format!("describe: {}", error.message())).hint(hint)
}

/// The refusal for a failed start.
fn refuse(stage: Stage, error: &CallError) -> Refusal {
    let (name, refused) = match stage {
        Stage::Init => ("init", Reason::Init),
        Stage::Health => ("health", Reason::Unhealthy),
    };
    let reason = match (stage, error.kind()) {
        (Stage::Init, CallErrorKind::Cpu | CallErrorKind::Deadline) => Reason::InitDeadline,
        _ => refused,
    };
    let mut message = format!("{name}: {}", error.message());
    if let Some(backtrace) = error.backtrace() {
        message.push_str("; backtrace: ");
        message.push_str(&backtrace.trim_end().replace('\n', " < "));
    }
    Refusal::new(reason, message)
}

fn convert(answer: types::Description) -> Result<Description, DescriptionError> {
    let capabilities = answer.capabilities.into_iter().map(|capability| CapabilityDescription {
        kind: capability.kind,
        name: capability.name,
        description: capability.description,
        media_types: capability.media_types,
        routes: capability
            .routes
            .into_iter()
            .map(|route| RouteDescription { methods: route.methods, path: route.path })
            .collect(),
        // It is interrupted.
        nonblocking: false,
    });
    Ok(Description {
        name: answer.name,
        version: Description::parse_version(&answer.version)?,
        description: answer.description,
        capabilities: capabilities.collect(),
        config_schema: answer
            .config_schema
            .map(|schema| Description::parse_schema(&schema))
            .transpose()?,
    })
}
