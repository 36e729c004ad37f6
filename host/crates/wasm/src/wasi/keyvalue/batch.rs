//! The interface `batch`: many keys of a bucket at once, all or none.

use plugbay_state::{Answer, Operation, States};
use wasmtime::component::{LinkerInstance, Resource, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::types::Bucket;
use super::{Returned, arguments, run, unexpected};
use crate::sandbox::state::State;

type Context<'a> = StoreContextMut<'a, State>;
type Handle = Resource<Bucket>;
type Entries = WasmList<(WasmStr, WasmList<u8>)>;

pub(super) fn add_to_linker(batch: &mut LinkerInstance<'_, State>, states: &States) -> Result<()> {
    let shared = states.clone();
    batch.func_wrap_async(
        "get-many",
        move |store, (bucket, keys): (Handle, WasmList<WasmStr>)| {
            Box::new(get_many(store, shared.clone(), bucket, keys))
        },
    )?;
    let shared = states.clone();
    batch.func_wrap_async("set-many", move |store, (bucket, entries): (Handle, Entries)| {
        Box::new(set_many(store, shared.clone(), bucket, entries))
    })?;
    let shared = states.clone();
    batch.func_wrap_async(
        "delete-many",
        move |store, (bucket, keys): (Handle, WasmList<WasmStr>)| {
            Box::new(delete_many(store, shared.clone(), bucket, keys))
        },
    )
}

async fn get_many(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    keys: WasmList<WasmStr>,
) -> Returned<Vec<Option<(String, Vec<u8>)>>> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let keys = arguments::keys(&mut store, &keys)?;
    let asked = keys.clone().unwrap_or_default();
    match run(&mut store, &states, name, keys.map(Operation::Get)).await? {
        Ok(Answer::Values(values)) => {
            let found = asked.into_iter().zip(values);
            Ok((Ok(found.map(|(key, value)| value.map(|value| (key, value))).collect()),))
        }
        Ok(other) => unexpected(&other),
        Err(error) => Ok((Err(error),)),
    }
}

async fn set_many(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    entries: Entries,
) -> Returned<()> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let entries = arguments::entries(&mut store, entries).await?;
    Ok((run(&mut store, &states, name, entries.map(Operation::Set)).await?.map(|_| ()),))
}

async fn delete_many(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    keys: WasmList<WasmStr>,
) -> Returned<()> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let keys = arguments::keys(&mut store, &keys)?;
    Ok((run(&mut store, &states, name, keys.map(Operation::Delete)).await?.map(|_| ()),))
}
