//! The plugin's side of the kind `handler`.

use std::ffi::c_void;

use super::raw::{self, HandlerTable};
use super::{Request, Response};
use crate::Error;
use crate::convert::reply;
use crate::guest::{Exports, Scope};
use crate::kind::table::{Table, entry};
use crate::panics::catch;
use crate::raw::{Array, Buf, HostRef, Kind, Pair, Status, size_of_u32};

/// The functions of a plugin that offers handlers.
pub trait HandlerExports: Exports {
    /// The entry for the list [`Exports::KINDS`].
    const HANDLER: Kind = entry(const { &table::<Self>() });

    /// Answers one request with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn handle(&self, index: u32, request: Request<'_>) -> Result<Response, Error>;
}

/// The table of the plugin `E`.
#[must_use]
pub const fn table<E: HandlerExports>() -> HandlerTable {
    HandlerTable {
        size: size_of_u32::<HandlerTable>(),
        version: HandlerTable::VERSION,
        handle: handle::<E>,
    }
}

// The contract is that of `HandlerTable::handle`.
unsafe extern "C" fn handle<E: HandlerExports>(
    instance: *mut c_void,
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
            unsafe { response.write(into_raw(made)) };
            Status::OK
        }
        // SAFETY: `error` is valid for a write.
        Err(failed) => unsafe { reply(error, Err(failed)) },
    }
}

/// Calls `call` with the request as Rust has it, which borrows from the raw one.
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

/// The owner of everything that a raw response points to. The heap blocks of `headers` and `body`
/// stay where they are when it is boxed.
struct Owner {
    response: Response,
    pairs: Vec<Pair>,
}

/// Gives the response away; it leaks unless the receiver frees it.
fn into_raw(response: Response) -> raw::Response {
    let pairs: Vec<Pair> =
        response.headers.iter().map(|(key, value)| Pair::new(key, value.as_slice())).collect();
    let owner = Box::new(Owner { response, pairs });
    raw::Response {
        status: owner.response.status,
        headers: Array::from(owner.pairs.as_slice()),
        body: owner.response.body.as_slice().into(),
        owner: Box::into_raw(owner).cast(),
        free: Some(free_response),
    }
}

/// Frees a response of [`into_raw`].
///
/// # Safety
///
/// `owner` is that of one such response, and this is the only call for it.
unsafe extern "C" fn free_response(owner: *mut c_void) {
    // SAFETY: by the contract above it is the box of `into_raw`.
    drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
}
