//! `wasi:keyvalue` in its two drafts: state that the host keeps for the plugin's name, with the grant `state`.
//!
//! The drafts differ in their cursors, in the numbers of an increment, and in that the second one has a
//! compare-and-swap. All else is shared. A later edit of the second draft changed the result of `get-many`
//! without a new version; the earlier one, which hosts and guests in use have, is served.
//!
//! The types are declared here and not generated, so that arguments are checked where they lie in the guest's memory
//! and copied only if they are within their limits. No thread waits for the store: a call does, and if it ends before
//! the answer comes, the operation happens or does not.

mod arguments;
mod atomics;
mod batch;
mod store;
mod types;

use std::sync::Arc;

use plugbay_core::Grant;
use plugbay_state::{Answer, Operation, Quota, Request, StateError, States};
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

use crate::load::world::KEYVALUE;
use crate::sandbox::state::State;
use types::{Bucket, Cas, Error};

/// The most bytes of values that one call reads, unless one value may have more.
const MAX_ANSWER: u64 = 4 << 20;

/// What a function returns to the guest.
type Returned<T> = Result<(Result<T, Error>,)>;

/// Defines the interfaces in a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<State>, states: &States) -> Result<()> {
    let [store, atomics, batch, store2, atomics2, batch2] = KEYVALUE;
    for name in [store, store2] {
        let mut store = linker.instance(name)?;
        store.resource("bucket", ResourceType::host::<Bucket>(), |mut store, rep| {
            store.data_mut().drop_handle(Resource::<Bucket>::new_own(rep))
        })?;
        store::add_to_linker(&mut store, states)?;
    }
    store::add_list_by_number(&mut linker.instance(store)?, states)?;
    store::add_list_by_key(&mut linker.instance(store2)?, states)?;
    for name in [batch, batch2] {
        batch::add_to_linker(&mut linker.instance(name)?, states)?;
    }
    atomics::add_unsigned(&mut linker.instance(atomics)?, states)?;
    let mut atomics = linker.instance(atomics2)?;
    atomics.resource("cas", ResourceType::host::<Cas>(), |mut store, rep| {
        store.data_mut().drop_handle(Resource::<Cas>::new_own(rep))
    })?;
    atomics::add_signed(&mut atomics, states)?;
    atomics::add_swap(&mut atomics, states)
}

impl State {
    /// A bucket of the plugin, if state is granted to it.
    fn open_bucket(
        &mut self,
        name: Result<String, StateError>,
    ) -> Result<Result<Resource<Bucket>, Error>> {
        if self.sandbox.grants().state.is_none() {
            self.sandbox.deny(Grant::State, "open a bucket of its state");
            return Ok(Err(Error::AccessDenied));
        }
        match name {
            Ok(name) => Ok(Ok(self.wasi().table.push(Bucket::of(name.into()))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn drop_handle<T: Send + 'static>(&mut self, handle: Resource<T>) -> Result<()> {
        self.wasi().table.delete(handle)?;
        Ok(())
    }

    fn bucket(&mut self, bucket: &Resource<Bucket>) -> Result<&mut Bucket> {
        Ok(self.wasi().table.get_mut(bucket)?)
    }

    /// How much the plugin may keep. Who has a bucket has the grant; without it nothing is kept.
    fn quota(&self) -> Quota {
        let grant = self.sandbox.grants().state;
        let (keys, value, total) = grant.map_or((0, 0, 0), |it| (it.keys, it.value, it.total));
        Quota { keys, value, total, answer: value.max(MAX_ANSWER) }
    }
}

/// Carries out an operation on a bucket, without blocking the thread.
async fn run(
    store: &mut StoreContextMut<'_, State>,
    states: &States,
    bucket: Arc<str>,
    operation: Result<Operation, StateError>,
) -> Result<Result<Answer, Error>> {
    let state = store.data();
    let (sandbox, quota) = (Arc::clone(&state.sandbox), state.quota());
    let plugin = Arc::clone(sandbox.identity().name());
    let operation = match operation {
        Ok(operation) => operation,
        Err(error) => {
            states.count_refused(&plugin);
            return Ok(Err(error.into()));
        }
    };
    // Held by the request, which may wait for the disk longer than its call.
    let permit = Arc::clone(&sandbox.state_jobs).acquire_owned().await?;
    let request = Request { plugin, bucket, quota, operation };
    let answer = states.run_holding(request, permit).await;
    Ok(answer.map_err(Error::from))
}

/// The answer of the operation that was asked for is another one: no store does that.
fn unexpected<T>(answer: &Answer) -> Result<T> {
    Err(wasmtime::format_err!("expected another answer of the store of states, found {answer:?}"))
}
