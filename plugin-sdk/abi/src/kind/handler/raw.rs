//! The types of the kind `handler` that cross the boundary.

use std::ffi::c_void;

use crate::kind::table::Table;
use crate::raw::{Array, Buf, Bytes, HostRef, Pair, Status};

/// A request to a handler. Everything in it is valid for the call.
#[repr(C)]
#[derive(Debug)]
pub struct Request {
    /// The upper-case method.
    pub method: Bytes,
    /// The path, percent-encoded as it came, without the query.
    pub path: Bytes,
    /// The query without `?`; null for a URL without one.
    pub query: Bytes,
    /// The path parameters, percent-decoded, in the order of the route's pattern.
    pub params: Array<Pair>,
    /// The header fields, names in lower case.
    pub headers: Array<Pair>,
    /// The whole body.
    pub body: Bytes,
}

/// A handler's answer to a request. Its receiver calls `free` with `owner` exactly once, from any
/// thread; everything in the response is valid until then. If `free` is null there is nothing to
/// free.
#[repr(C)]
#[derive(Debug)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Array<Pair>,
    /// The whole body.
    pub body: Bytes,
    /// The argument of `free`.
    pub owner: *mut c_void,
    /// Frees the response.
    pub free: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// The functions of the kind `handler`. All are required.
///
/// `instance` is the pointer that `create` wrote.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HandlerTable {
    /// The size of this struct in bytes; a host reads no fields beyond it.
    pub size: u32,
    /// The version of this table: 1.
    pub version: u32,
    /// Answers one request with the capability `index`. Writes `response` only if it returns
    /// [`Status::OK`], and `error` only if it does not.
    pub handle: unsafe extern "C" fn(
        instance: *mut c_void,
        host: HostRef,
        index: u32,
        request: *const Request,
        response: *mut Response,
        error: *mut Buf,
    ) -> Status,
}

// SAFETY: the struct is `repr(C)` and has these fields.
unsafe impl Table for HandlerTable {
    const KIND: &'static str = "handler";
    const VERSION: u32 = 1;
    const FUNCTIONS: &'static [&'static str] = &["handle"];
}
