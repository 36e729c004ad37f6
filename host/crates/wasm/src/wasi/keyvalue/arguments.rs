//! Reads a guest's arguments: checked first, then copied.

use futures_lite::future::yield_now;
use plugbay_state::{MAX_BUCKET, MAX_ENTRIES, MAX_KEY, Quota, StateError};
use wasmtime::component::{WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::sandbox::state::State;

/// The size of values, in bytes, from which on a call yields before it copies them.
const LARGE: usize = 64 << 10;

type Checked<T> = Result<Result<T, StateError>>;

pub(super) fn bucket(store: &StoreContextMut<'_, State>, name: &WasmStr) -> Checked<String> {
    let name = name.to_str(store)?;
    let found = name.len();
    let fits = found <= MAX_BUCKET;
    Ok(if fits {
        Ok(name.into_owned())
    } else {
        Err(StateError::BucketName { most: MAX_BUCKET, found })
    })
}

pub(super) fn key(store: &StoreContextMut<'_, State>, key: &WasmStr) -> Checked<String> {
    let key = key.to_str(store)?;
    let found = key.len();
    let fits = (1..=MAX_KEY).contains(&found);
    Ok(if fits { Ok(key.into_owned()) } else { Err(StateError::Key { most: MAX_KEY, found }) })
}

pub(super) fn keys(
    store: &mut StoreContextMut<'_, State>,
    keys: &WasmList<WasmStr>,
) -> Checked<Vec<String>> {
    if keys.len() > MAX_ENTRIES {
        return Ok(Err(StateError::TooManyEntries { most: MAX_ENTRIES, found: keys.len() }));
    }
    let listed: Vec<WasmStr> = keys.iter(&mut *store)?.collect::<Result<_>>()?;
    listed.iter().map(|it| key(store, it)).collect()
}

pub(super) async fn value(
    store: &mut StoreContextMut<'_, State>,
    value: WasmList<u8>,
) -> Checked<Vec<u8>> {
    let quota = store.data().quota();
    if let Err(error) = check_value(&quota, &value) {
        return Ok(Err(error));
    }
    if value.len() > LARGE {
        // Who runs the call may now continue it on a thread that serves no sockets.
        yield_now().await;
    }
    Ok(Ok(value.as_le_slice(&*store).to_vec()))
}

pub(super) async fn entries(
    store: &mut StoreContextMut<'_, State>,
    entries: WasmList<(WasmStr, WasmList<u8>)>,
) -> Checked<Vec<(String, Vec<u8>)>> {
    if entries.len() > MAX_ENTRIES {
        return Ok(Err(StateError::TooManyEntries { most: MAX_ENTRIES, found: entries.len() }));
    }
    let listed: Vec<_> = entries.iter(&mut *store)?.collect::<Result<_>>()?;
    let quota = store.data().quota();
    let mut bytes = 0;
    for (_, value) in &listed {
        if let Err(error) = check_value(&quota, value) {
            return Ok(Err(error));
        }
        bytes += value.len();
    }
    // Even if all else were deleted.
    if bytes as u64 > quota.total {
        return Ok(Err(StateError::TooManyBytes { most: quota.total, found: bytes as u64 }));
    }
    if bytes > LARGE {
        yield_now().await;
    }
    let read = |(name, value): &(WasmStr, WasmList<u8>)| {
        Ok(key(&*store, name)?.map(|name| (name, value.as_le_slice(&*store).to_vec())))
    };
    listed.iter().map(read).collect()
}

fn check_value(quota: &Quota, value: &WasmList<u8>) -> Result<(), StateError> {
    let found = value.len() as u64;
    if found > quota.value {
        return Err(StateError::ValueTooLarge { most: quota.value, found });
    }
    Ok(())
}
