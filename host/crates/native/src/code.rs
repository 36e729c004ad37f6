//! A plugin's code in this process, outside its calls: each step has a deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::calls::Calls;
use crate::ledger::Ledger;
use crate::threads::{Hung, Threads};
use plugbay_abi::host::{Guest, Instance, NoHost};
use plugbay_abi::{Buffer, Error};

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

    /// What the plugin says of itself. The host offers it nothing.
    pub(crate) fn describe(&self, bound: Duration) -> Result<Buffer, StepError> {
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
        let life = Arc::clone(self);
        let step = move || step(&life, &Calls::outside(&life.ledger));
        self.code.threads.within(within, step)?.map_err(StepError::Own)
    }

    /// Makes an instance.
    pub(crate) fn create(self: &Arc<Self>) -> Result<Living, StepError> {
        let instance =
            self.step(self.bound, |life, calls| life.code.guest.create(calls, &life.config))?;
        Ok(Living { instance: Some(instance), life: Arc::clone(self) })
    }
}

/// An instance, which is freed within its plugin's bound.
pub(crate) struct Living {
    /// None only while it is freed.
    instance: Option<Instance>,
    life: Arc<Life>,
}

impl Living {
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
        let instance = self.instance.take();
        let freed = self.life.step(self.life.bound, move |_, _| {
            drop(instance);
            Ok(())
        });
        if let Err(error) = freed {
            let plugin = &**self.life.label();
            tracing::warn!(plugin, %error, "an instance was not freed");
        }
    }
}
