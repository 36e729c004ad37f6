//! The interface `store`: buckets and their keys.

use plugbay_state::{Answer, Keys, Operation, StateError, States};
use wasmtime::component::{LinkerInstance, Resource, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::types::{Bucket, Error, KeysByKey, KeysByNumber};
use super::{Returned, arguments, run, unexpected};
use crate::sandbox::state::State;

type Context<'a> = StoreContextMut<'a, State>;
type Handle = Resource<Bucket>;

/// What both drafts have.
pub(super) fn add_to_linker(store: &mut LinkerInstance<'_, State>, states: &States) -> Result<()> {
    store.func_wrap("open", |mut store: Context<'_>, (name,): (WasmStr,)| {
        store.data_mut().host_call()?;
        let name = arguments::bucket(&store, &name)?;
        Ok((store.data_mut().open_bucket(name)?,))
    })?;
    let shared = states.clone();
    store.func_wrap_async(
        "[method]bucket.get",
        move |store, (bucket, key): (Handle, WasmStr)| {
            Box::new(get(store, shared.clone(), bucket, key))
        },
    )?;
    let shared = states.clone();
    store.func_wrap_async(
        "[method]bucket.set",
        move |store, (bucket, key, value): (Handle, WasmStr, WasmList<u8>)| {
            Box::new(set(store, shared.clone(), bucket, key, value))
        },
    )?;
    let shared = states.clone();
    store.func_wrap_async(
        "[method]bucket.delete",
        move |store, (bucket, key): (Handle, WasmStr)| {
            Box::new(delete(store, shared.clone(), bucket, key))
        },
    )?;
    let shared = states.clone();
    store.func_wrap_async(
        "[method]bucket.exists",
        move |store, (bucket, key): (Handle, WasmStr)| {
            Box::new(exists(store, shared.clone(), bucket, key))
        },
    )
}

async fn get(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    key: WasmStr,
) -> Returned<Option<Vec<u8>>> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let operation = arguments::key(&store, &key)?.map(|key| Operation::Get(vec![key]));
    match run(&mut store, &states, name, operation).await? {
        Ok(Answer::Values(mut values)) => Ok((Ok(values.pop().flatten()),)),
        Ok(other) => unexpected(&other),
        Err(error) => Ok((Err(error),)),
    }
}

async fn set(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    key: WasmStr,
    value: WasmList<u8>,
) -> Returned<()> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let operation = match arguments::key(&store, &key)? {
        Ok(key) => {
            let value = arguments::value(&mut store, value).await?;
            value.map(|value| Operation::Set(vec![(key, value)]))
        }
        Err(error) => Err(error),
    };
    Ok((run(&mut store, &states, name, operation).await?.map(|_| ()),))
}

async fn delete(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    key: WasmStr,
) -> Returned<()> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let operation = arguments::key(&store, &key)?.map(|key| Operation::Delete(vec![key]));
    Ok((run(&mut store, &states, name, operation).await?.map(|_| ()),))
}

async fn exists(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    key: WasmStr,
) -> Returned<bool> {
    store.data_mut().host_call()?;
    let name = store.data_mut().bucket(&bucket)?.name.clone();
    let operation = arguments::key(&store, &key)?.map(Operation::Exists);
    match run(&mut store, &states, name, operation).await? {
        Ok(Answer::Bool(exists)) => Ok((Ok(exists),)),
        Ok(other) => unexpected(&other),
        Err(error) => Ok((Err(error),)),
    }
}

/// `list-keys` of the first draft, whose cursors are numbers: each is remembered with the bucket's handle.
pub(super) fn add_list_by_number(
    store: &mut LinkerInstance<'_, State>,
    states: &States,
) -> Result<()> {
    let states = states.clone();
    store.func_wrap_async(
        "[method]bucket.list-keys",
        move |store, (bucket, cursor): (Handle, Option<u64>)| {
            Box::new(list_by_number(store, states.clone(), bucket, cursor))
        },
    )
}

async fn list_by_number(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    cursor: Option<u64>,
) -> Returned<KeysByNumber> {
    store.data_mut().host_call()?;
    let after = match cursor {
        None => None,
        Some(cursor) => {
            let known = store.data_mut().bucket(&bucket)?.key_of(cursor);
            let Some(key) = known else {
                let message = format!(
                    "expected one of the last cursors of this handle of the bucket, found {cursor}; begin without one"
                );
                return Ok((Err(Error::Other(message)),));
            };
            Some(key)
        }
    };
    match list(&mut store, &states, &bucket, Ok(after)).await? {
        Ok((keys, None)) => Ok((Ok(KeysByNumber { keys, cursor: None }),)),
        Ok((keys, Some(last))) => {
            let cursor = store.data_mut().bucket(&bucket)?.cursor_after(last);
            Ok((Ok(KeysByNumber { keys, cursor: Some(cursor) }),))
        }
        Err(error) => Ok((Err(error),)),
    }
}

/// `list-keys` of the second draft, whose cursors are texts: the last key of the page before.
pub(super) fn add_list_by_key(
    store: &mut LinkerInstance<'_, State>,
    states: &States,
) -> Result<()> {
    let states = states.clone();
    store.func_wrap_async(
        "[method]bucket.list-keys",
        move |store, (bucket, cursor): (Handle, Option<WasmStr>)| {
            Box::new(list_by_key(store, states.clone(), bucket, cursor))
        },
    )
}

async fn list_by_key(
    mut store: Context<'_>,
    states: States,
    bucket: Handle,
    cursor: Option<WasmStr>,
) -> Returned<KeysByKey> {
    store.data_mut().host_call()?;
    let after = match &cursor {
        None => Ok(None),
        Some(cursor) => arguments::key(&store, cursor)?.map(Some),
    };
    let listed = list(&mut store, &states, &bucket, after).await?;
    Ok((listed.map(|(keys, cursor)| KeysByKey { keys, cursor }),))
}

/// A page of keys, and the last one if more follow.
async fn list(
    store: &mut Context<'_>,
    states: &States,
    bucket: &Handle,
    after: Result<Option<String>, StateError>,
) -> Result<Result<(Vec<String>, Option<String>), Error>> {
    let name = store.data_mut().bucket(bucket)?.name.clone();
    match run(store, states, name, after.map(Operation::List)).await? {
        Ok(Answer::Keys(Keys { keys, more })) => {
            let last = keys.last().filter(|_| more).cloned();
            Ok(Ok((keys, last)))
        }
        Ok(other) => unexpected(&other),
        Err(error) => Ok(Err(error)),
    }
}
