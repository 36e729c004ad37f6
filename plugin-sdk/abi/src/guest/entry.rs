//! The header, and the functions of the vtable, one instance of each per plugin type.

use std::ffi::c_void;

use super::Exports;
use super::calls::Scope;
use crate::convert::reply;
use crate::panics::{catch, quietly};
use crate::raw::{self, Array, Buf, Bytes, Pair, size_of_u32};
use crate::{Error, Header, HostRef, MAGIC, Request, Response, Status, VERSION, Vtable};

impl Header {
    /// The header of a plugin that is built with this crate.
    pub const CURRENT: Header = Header {
        magic: MAGIC,
        version: VERSION,
        header_size: size_of_u32::<Header>(),
        vtable_size: size_of_u32::<Vtable>(),
        reserved: 0,
    };
}

/// The vtable of the plugin `E`.
#[must_use]
pub const fn vtable<E: Exports>() -> Vtable {
    Vtable {
        size: size_of_u32::<Vtable>(),
        version: VERSION,
        describe: describe::<E>,
        create: create::<E>,
        health: health::<E>,
        encode: encode::<E>,
        decode: decode::<E>,
        handle: handle::<E>,
        shutdown: shutdown::<E>,
        destroy: destroy::<E>,
    }
}

// Every function below has the contract that its field of `Vtable` states, and takes each of its
// arguments under it: `host` is valid for the call, `instance` came from `create` and is alive,
// `Bytes` are valid for the call, `out` is valid for a write.

unsafe extern "C" fn describe<E: Exports>(host: HostRef, out: *mut Buf) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(E::describe)) }
}

unsafe extern "C" fn create<E: Exports>(
    host: HostRef,
    config: Bytes,
    instance: *mut *mut c_void,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `config` is valid for the call.
    let config = unsafe { config.text() };
    match catch(|| E::create(config?)) {
        Ok(made) => {
            // SAFETY: `instance` is valid for a write.
            unsafe { instance.write(Box::into_raw(Box::new(made)).cast()) };
            // SAFETY: `out` is valid for a write.
            unsafe { reply(out, Ok(Vec::new())) }
        }
        // SAFETY: `out` is valid for a write.
        Err(error) => unsafe { reply(out, Err(error)) },
    }
}

unsafe extern "C" fn health<E: Exports>(
    instance: *const c_void,
    host: HostRef,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(|| instance.health().map(|()| Vec::new()))) }
}

unsafe extern "C" fn encode<E: Exports>(
    instance: *const c_void,
    host: HostRef,
    index: u32,
    document: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // SAFETY: `document` is valid for the call.
    let document = unsafe { document.slice() };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(|| instance.encode(index, document?))) }
}

unsafe extern "C" fn decode<E: Exports>(
    instance: *const c_void,
    host: HostRef,
    index: u32,
    bytes: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // SAFETY: `bytes` is valid for the call.
    let bytes = unsafe { bytes.slice() };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(|| instance.decode(index, bytes?))) }
}

unsafe extern "C" fn handle<E: Exports>(
    instance: *const c_void,
    host: HostRef,
    index: u32,
    request: *const raw::Request,
    response: *mut raw::Response,
    error: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // SAFETY: `request` is valid for the call.
    let request = unsafe { &*request };
    // SAFETY: everything in it is valid for the call, and the closure's end is within it.
    match catch(|| unsafe { with_request(request, |request| instance.handle(index, request)) }) {
        Ok(made) => {
            // SAFETY: `response` is valid for a write.
            unsafe { response.write(hand_out(made)) };
            Status::OK
        }
        // SAFETY: `error` is valid for a write.
        Err(failed) => unsafe { reply(error, Err(failed)) },
    }
}

unsafe extern "C" fn shutdown<E: Exports>(instance: *const c_void, host: HostRef) {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // A panic has nowhere to go: whatever happens, `destroy` comes next.
    quietly(|| instance.shutdown());
}

unsafe extern "C" fn destroy<E: Exports>(instance: *mut c_void, host: HostRef) {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `create` boxed it, no other call of it runs, and none follows.
    let instance = unsafe { Box::from_raw(instance.cast::<E>()) };
    quietly(|| drop(instance));
}

/// Borrows a request's parts.
///
/// # Safety
///
/// Everything in `request` is valid until `call` returns.
unsafe fn with_request<T>(
    request: &raw::Request,
    call: impl FnOnce(Request<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    // SAFETY: the caller's promise, for the array and each text in it.
    let pairs = unsafe { request.params.slice() }?;
    let mut params = Vec::with_capacity(pairs.len());
    for pair in pairs {
        // SAFETY: as above.
        params.push(unsafe { (pair.key.text()?, pair.value.text()?) });
    }
    // SAFETY: the caller's promise, for the array and each field in it.
    let pairs = unsafe { request.headers.slice() }?;
    let mut headers = Vec::with_capacity(pairs.len());
    for pair in pairs {
        // SAFETY: as above.
        headers.push(unsafe { (pair.key.text()?, pair.value.slice()?) });
    }
    let query = if request.query.ptr.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        Some(unsafe { request.query.text()? })
    };
    // SAFETY: the caller's promise.
    let (method, path) = unsafe { (request.method.text()?, request.path.text()?) };
    // SAFETY: the caller's promise.
    let body = unsafe { request.body.slice() }?;
    call(Request { method, path, query, params: &params, headers: &headers, body })
}

/// What a response handed out points into. The heap blocks of `headers` and `body` stay where
/// they are when it is boxed.
struct Handed {
    response: Response,
    pairs: Vec<Pair>,
}

fn hand_out(response: Response) -> raw::Response {
    let pairs: Vec<Pair> =
        response.headers.iter().map(|(key, value)| Pair::new(key, value.as_slice())).collect();
    let handed = Box::new(Handed { response, pairs });
    raw::Response {
        status: handed.response.status,
        headers: Array::from(handed.pairs.as_slice()),
        body: handed.response.body.as_slice().into(),
        owner: Box::into_raw(handed).cast(),
        free: Some(free_response),
    }
}

/// Frees what [`hand_out`] handed out.
///
/// # Safety
///
/// `owner` is that of one such response, and this is the only call for it.
unsafe extern "C" fn free_response(owner: *mut c_void) {
    // SAFETY: by the contract above it is the box that `hand_out` gave away.
    drop(unsafe { Box::from_raw(owner.cast::<Handed>()) });
}
