//! A plugin's code in this process, outside its calls: each step has a deadline.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugbay_abi::host::{Guest, Instance, NoHost};
use plugbay_abi::{Buffer, Error};
use plugbay_core::{Description, Policy, Reason, Refusal};

use super::threads::{Asked, Hung, Threads};
use crate::calls::Calls;
use crate::description;
use crate::ledger::Ledger;

/// How long whoever drops an instance waits until it is freed. Most are at once, so that a host
/// that ends does so after them; and whoever it is, is not held up by one that is not.
const MOMENT: Duration = Duration::from_millis(20);

/// The functions of a plugin, and the threads on which they run outside calls.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) guest: Guest,
    pub(crate) threads: Threads,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The plugin said so.
    #[error("{}", .0.message)]
    Own(Error),
    /// It said nothing.
    #[error(transparent)]
    Hung(#[from] Hung),
}

impl Code {
    pub(crate) fn new(guest: Guest) -> Self {
        Self { guest, threads: Threads::default() }
    }

    /// What the plugin says of itself, checked. Blocks for at most the `init` of the default
    /// policy: which plugin it is, and so its own policy, is known only afterwards.
    pub(crate) fn description(&self) -> Result<Description, Refusal> {
        let json = self
            .describe(Policy::default().init)
            .map_err(|error| Refusal::new(Reason::Describe, format!("describe: {error}")))?;
        description::read(&json)
    }

    /// The host offers the plugin nothing meanwhile.
    fn describe(&self, bound: Duration) -> Result<Buffer, StepError> {
        let guest = self.guest;
        self.threads.within(bound, move || guest.describe(&NoHost))?.map_err(StepError::Own)
    }
}

/// One plugin that is made of the code: what its instances are made with.
pub(crate) struct Life {
    pub(crate) code: Code,
    pub(crate) config: String,
    /// How long each step may take.
    pub(crate) bound: Duration,
    pub(crate) ledger: Ledger,
    /// Instances made so far.
    pub(crate) made: AtomicU64,
}

impl Life {
    pub(crate) fn label(&self) -> &Arc<str> {
        self.ledger.label()
    }

    /// Takes a step on a thread of its own.
    fn step<T: Send + 'static>(
        self: &Arc<Self>,
        within: Duration,
        step: impl FnOnce(&Self, &Calls<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StepError> {
        self.begin(step)?.within(within)?.map_err(StepError::Own)
    }

    fn begin<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&Self, &Calls<'_>) -> T + Send + 'static,
    ) -> Result<Asked<T>, Hung> {
        let life = Arc::clone(self);
        self.code.threads.ask(move || step(&life, &Calls::outside(&life.ledger)))
    }

    /// Makes an instance.
    pub(crate) fn create(self: &Arc<Self>, within: Duration) -> Result<Living, StepError> {
        let instance =
            self.step(within, |life, calls| life.code.guest.create(calls, &life.config))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Living { instance: Some(instance), life: Arc::clone(self), number })
    }
}

/// An instance, which is freed on a thread of its own.
pub(crate) struct Living {
    /// None only while it is freed.
    instance: Option<Instance>,
    life: Arc<Life>,
    number: u64,
}

impl Living {
    /// Which of its plugin's it is.
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
            None => {
                Err(Error::new(plugbay_abi::Kind::Internal, "expected an instance, found none"))
            }
        }
    }

    /// Asks whether it can serve.
    pub(crate) fn health(self: &Arc<Self>, within: Duration) -> Result<(), StepError> {
        let living = Arc::clone(self);
        self.life.step(within, move |_, calls| living.call(|instance| instance.health(calls)))
    }

    /// Makes the last call. If it hangs, the instance is never freed.
    pub(crate) fn shutdown(self: &Arc<Self>) -> Result<(), StepError> {
        let living = Arc::clone(self);
        self.life.step(self.life.bound, move |_, calls| {
            living.call(|instance| {
                instance.shutdown(calls);
                Ok(())
            })
        })
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let Some(instance) = self.instance.take() else { return };
        // To free it is foreign code as well, which may run on no other thread than its own: if
        // it cannot begin there, the instance leaks.
        let instance = ManuallyDrop::new(instance);
        let freeing = self.life.begin(move |_, _| drop(ManuallyDrop::into_inner(instance)));
        let label = Arc::clone(self.life.label());
        let late = move |error: Hung| {
            tracing::warn!(plugin = &*label, %error, "an instance was not freed");
        };
        match freeing {
            Ok(freeing) if freeing.is_over(MOMENT) => {}
            Ok(freeing) => freeing.later(self.life.bound, late),
            Err(error) => late(error),
        }
    }
}
