//! A plugin's code in this process, outside its calls: each step has a deadline.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugbay_abi::host::{Guest, Instance, NoHost};
use plugbay_abi::{Buffer, Error};
use plugbay_core::{Description, Policy, Reason, Refusal};

use super::threads::{NoAnswer, Pending, Threads};
use crate::call_host::CallHost;
use crate::description;
use crate::ledger::Ledger;

/// How long the thread that drops an instance waits until it is freed. Most instances are freed at
/// once, so that a host that ends has freed them by then; one that hangs delays its thread by no more.
const FREED_WITHIN: Duration = Duration::from_millis(20);

/// The functions of a plugin, and the threads on which they run outside calls.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) guest: Guest,
    pub(crate) threads: Threads,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The plugin returned an error.
    #[error("{}", .0.message)]
    Own(Error),
    /// The plugin did not return.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

impl Code {
    pub(crate) fn new(guest: Guest) -> Self {
        Self { guest, threads: Threads::default() }
    }

    /// Calls the plugin's `describe` and checks the description. Blocks for at most the `init` of
    /// the default policy: the plugin's name, and so its own policy, is known only afterwards.
    pub(crate) fn description(&self) -> Result<Description, Refusal> {
        let json = self
            .describe(Policy::default().init)
            .map_err(|error| Refusal::new(Reason::Describe, format!("describe: {error}")))?;
        let description = description::read(&json)?;
        description::check_kinds(&description, &self.guest)
            .map_err(|message| Refusal::new(Reason::Description, format!("describe: {message}")))?;
        Ok(description)
    }

    /// Calls `describe`. The host offers the plugin no function meanwhile.
    fn describe(&self, bound: Duration) -> Result<Buffer, StepError> {
        let guest = self.guest;
        self.threads.run_within(bound, move || guest.describe(&NoHost))?.map_err(StepError::Own)
    }
}

/// Creates the instances of one plugin from its code and its configuration.
pub(crate) struct InstanceFactory {
    pub(crate) code: Code,
    pub(crate) config: String,
    /// How long each step of an instance's life may take.
    pub(crate) bound: Duration,
    pub(crate) ledger: Ledger,
    /// Instances created so far.
    pub(crate) created: AtomicU64,
}

impl InstanceFactory {
    pub(crate) fn label(&self) -> &Arc<str> {
        self.ledger.label()
    }

    /// Runs a step on a thread of its own and waits for its result.
    fn step<T: Send + 'static>(
        self: &Arc<Self>,
        within: Duration,
        step: impl FnOnce(&Self, &CallHost<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StepError> {
        self.begin(step)?.take_within(within)?.map_err(StepError::Own)
    }

    /// Starts a step on a thread of its own.
    fn begin<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&Self, &CallHost<'_>) -> T + Send + 'static,
    ) -> Result<Pending<T>, NoAnswer> {
        let factory = Arc::clone(self);
        self.code.threads.spawn(move || step(&factory, &CallHost::outside(&factory.ledger)))
    }

    /// Creates an instance.
    pub(crate) fn create(self: &Arc<Self>, within: Duration) -> Result<LiveInstance, StepError> {
        let instance =
            self.step(within, |factory, host| factory.code.guest.create(host, &factory.config))?;
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        Ok(LiveInstance { instance: Some(instance), factory: Arc::clone(self), number })
    }
}

/// An instance of a plugin. Dropped, it is freed on a thread of its own.
pub(crate) struct LiveInstance {
    /// `None` only while it is freed.
    instance: Option<Instance>,
    factory: Arc<InstanceFactory>,
    number: u64,
}

impl LiveInstance {
    /// Its number among the instances of its plugin.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Calls the instance.
    #[inline]
    pub(crate) fn call<T>(
        &self,
        call: impl FnOnce(&Instance) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &self.instance {
            Some(instance) => call(instance),
            None => Err(Error::new(
                plugbay_abi::ErrorKind::Internal,
                "expected an instance, found none",
            )),
        }
    }

    /// Calls the instance's `health`.
    pub(crate) fn health(self: &Arc<Self>, within: Duration) -> Result<(), StepError> {
        let instance = Arc::clone(self);
        self.factory.step(within, move |_, host| instance.call(|instance| instance.health(host)))
    }

    /// Calls the instance's `shutdown`. If that hangs, the instance is never freed.
    pub(crate) fn shutdown(self: &Arc<Self>) -> Result<(), StepError> {
        let instance = Arc::clone(self);
        self.factory.step(self.factory.bound, move |_, host| {
            instance.call(|instance| {
                instance.shutdown(host);
                Ok(())
            })
        })
    }
}

impl Drop for LiveInstance {
    fn drop(&mut self) {
        let Some(instance) = self.instance.take() else { return };
        // Freeing an instance runs foreign code, too, which must not hold up this thread: without a
        // thread of its own the instance leaks.
        let instance = ManuallyDrop::new(instance);
        let freeing = self.factory.begin(move |_, _| drop(ManuallyDrop::into_inner(instance)));
        let identity = self.factory.ledger.identity().clone();
        let late = move |error: NoAnswer| {
            let (plugin, version) = identity.name_and_version();
            tracing::warn!(plugin, version, %error, "an instance was not freed");
        };
        match freeing {
            Ok(freeing) if freeing.wait(FREED_WITHIN) => {}
            Ok(freeing) => freeing.report_if_late(self.factory.bound, late),
            Err(error) => late(error),
        }
    }
}
