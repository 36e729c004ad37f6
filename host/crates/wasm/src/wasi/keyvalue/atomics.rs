//! The interface `atomics`: increments, and in the second draft a compare-and-swap.

use plugbay_state::{Answer, Fingerprint, Operation, States};
use wasmtime::component::{LinkerInstance, Resource, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::types::{Bucket, Cas, CasError};
use super::{Returned, arguments, run, unexpected};
use crate::sandbox::state::State;

type Context<'a> = StoreContextMut<'a, State>;
type Handle = Resource<Bucket>;

/// `increment` of the first draft.
pub(super) fn add_unsigned(atomics: &mut LinkerInstance<'_, State>, states: &States) -> Result<()> {
    let states = states.clone();
    atomics.func_wrap_async(
        "increment",
        move |store, (bucket, key, delta): (Handle, WasmStr, u64)| {
            let range = (0, i128::from(u64::MAX));
            Box::new(increment::<u64>(store, states.clone(), bucket, key, i128::from(delta), range))
        },
    )
}

/// `increment` of the second draft.
pub(super) fn add_signed(atomics: &mut LinkerInstance<'_, State>, states: &States) -> Result<()> {
    let states = states.clone();
    atomics.func_wrap_async(
        "increment",
        move |store, (bucket, key, delta): (Handle, WasmStr, i64)| {
            let range = (i128::from(i64::MIN), i128::from(i64::MAX));
            Box::new(increment::<i64>(store, states.clone(), bucket, key, i128::from(delta), range))
        },
    )
}

async fn increment<N: TryFrom<i128>>(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    key: WasmStr,
    delta: i128,
    range: (i128, i128),
) -> Returned<N> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let key = arguments::key(&store, &key)?;
    let operation = key.map(|key| Operation::Increment { key, delta, range });
    match run(&mut store, &states, name, operation).await? {
        Ok(answer @ Answer::Number(sum)) => match N::try_from(sum) {
            Ok(sum) => Ok((Ok(sum),)),
            Err(_) => unexpected(&answer),
        },
        Ok(other) => unexpected(&other),
        Err(error) => Ok((Err(error),)),
    }
}

/// The resource `cas`, and `swap`.
pub(super) fn add_swap(atomics: &mut LinkerInstance<'_, State>, states: &States) -> Result<()> {
    let shared = states.clone();
    atomics.func_wrap_async(
        "[static]cas.new",
        move |store, (bucket, key): (Handle, WasmStr)| {
            Box::new(new(store, shared.clone(), bucket, key))
        },
    )?;
    let shared = states.clone();
    atomics.func_wrap_async("[method]cas.current", move |store, (cas,): (Resource<Cas>,)| {
        Box::new(current(store, shared.clone(), cas))
    })?;
    let shared = states.clone();
    atomics.func_wrap_async("swap", move |store, (cas, value): (Resource<Cas>, WasmList<u8>)| {
        Box::new(swap(store, shared.clone(), cas, value))
    })
}

/// Reads what the guest has seen from now on.
async fn new(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    key: WasmStr,
) -> Returned<Resource<Cas>> {
    store.data_mut().host_call()?;
    let bucket = store.data_mut().bucket(&bucket)?.name.clone();
    let key = arguments::key(&store, &key)?;
    let named = key.clone().unwrap_or_default();
    let operation = key.map(|key| Operation::Get(vec![key]));
    match run(&mut store, &states, bucket.clone(), operation).await? {
        Ok(Answer::Values(values)) => {
            let seen = values.first().and_then(Option::as_deref).map(Fingerprint::of);
            let cas = Cas { bucket, key: named, seen };
            Ok((Ok(store.data_mut().wasi().table.push(cas)?),))
        }
        Ok(other) => unexpected(&other),
        Err(error) => Ok((Err(error),)),
    }
}

/// Reads the value once more, which the guest has then seen. The handle keeps no value, of whatever size.
async fn current(
    mut store: Context<'_>,
    states: States,
    cas: Resource<Cas>,
) -> Returned<Option<Vec<u8>>> {
    store.data_mut().host_call()?;
    let Cas { bucket, key, .. } = store.data_mut().wasi().table.get(&cas)?;
    let (bucket, operation) = (bucket.clone(), Operation::Get(vec![key.clone()]));
    match run(&mut store, &states, bucket, Ok(operation)).await? {
        Ok(Answer::Values(mut values)) => {
            let value = values.pop().flatten();
            store.data_mut().wasi().table.get_mut(&cas)?.seen =
                value.as_deref().map(Fingerprint::of);
            Ok((Ok(value),))
        }
        Ok(other) => unexpected(&other),
        Err(error) => Ok((Err(error),)),
    }
}

/// Sets the value if it is still what the guest has seen; otherwise returns a handle that has seen the present one.
async fn swap(
    mut store: Context<'_>,
    states: States,
    cas: Resource<Cas>,
    value: WasmList<u8>,
) -> Result<(Result<(), CasError>,)> {
    store.data_mut().host_call()?;
    let Cas { bucket, key, seen } = store.data_mut().wasi().table.delete(cas)?;
    let value = arguments::value(&mut store, value).await?;
    let operation = value.map(|value| Operation::Swap { key: key.clone(), expected: seen, value });
    match run(&mut store, &states, bucket.clone(), operation).await? {
        Ok(Answer::Bool(true)) => return Ok((Ok(()),)),
        Ok(Answer::Bool(false)) => {}
        Ok(other) => return unexpected(&other),
        Err(error) => return Ok((Err(CasError::Store(error)),)),
    }
    let present =
        run(&mut store, &states, bucket.clone(), Ok(Operation::Get(vec![key.clone()]))).await?;
    let seen = match present {
        Ok(Answer::Values(values)) => {
            values.first().and_then(Option::as_deref).map(Fingerprint::of)
        }
        Ok(other) => return unexpected(&other),
        Err(error) => return Ok((Err(CasError::Store(error)),)),
    };
    let handle = store.data_mut().wasi().table.push(Cas { bucket, key, seen })?;
    Ok((Err(CasError::Failed(handle)),))
}
