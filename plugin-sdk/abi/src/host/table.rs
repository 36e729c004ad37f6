//! The host's functions as a table of the ABI.

use std::ffi::c_void;

use super::HostCalls;
use crate::convert::reply;
use crate::panics::{catch, quietly};
use crate::raw::{Array, Buf, Bytes, Pair, Visit, size_of_u32};
use crate::{Error, HostRef, HostVtable, Level, Status, VERSION};

/// One table serves every host: `ctx` points to the reference to the host.
static TABLE: HostVtable = HostVtable {
    size: size_of_u32::<HostVtable>(),
    version: VERSION,
    log,
    log_enabled,
    metric_add,
    metric_set,
    codecs,
    encode,
    decode,
};

/// The host as a call passes it: valid as long as `host` is borrowed.
pub(crate) fn host_ref(host: &&dyn HostCalls) -> HostRef {
    HostRef { ctx: std::ptr::from_ref(host).cast(), vtable: &raw const TABLE }
}

/// The host whose function a plugin calls.
///
/// # Safety
///
/// `ctx` is that of a [`host_ref`] whose borrow lasts for `'a`: plugins pass the `ctx` of the call
/// that is in progress.
unsafe fn calls<'a>(ctx: *const c_void) -> &'a dyn HostCalls {
    // SAFETY: by the contract above it points to such a reference.
    *unsafe { &*ctx.cast::<&dyn HostCalls>() }
}

// Every function below has the contract that its field of `HostVtable` states: `ctx` is that of
// the call's `HostRef`, `Bytes` are valid for the call, `out` is valid for a write.

unsafe extern "C" fn log(ctx: *const c_void, level: u32, message: Bytes, fields: Array<Pair>) {
    // SAFETY: the plugin passes the `ctx` it was given.
    let host = unsafe { calls(ctx) };
    // SAFETY: valid for the call. A text that cannot be read is left out.
    let text = |bytes: Bytes| String::from_utf8_lossy(unsafe { bytes.slice() }.unwrap_or_default());
    let message = text(message);
    // SAFETY: valid for the call.
    let fields = unsafe { fields.slice() }.unwrap_or_default();
    let fields: Vec<_> = fields.iter().map(|pair| (text(pair.key), text(pair.value))).collect();
    let fields: Vec<_> = fields.iter().map(|(key, value)| (&**key, &**value)).collect();
    quietly(|| host.log(Level::from_raw(level), &message, &fields));
}

unsafe extern "C" fn log_enabled(ctx: *const c_void, level: u32) -> bool {
    // SAFETY: the plugin passes the `ctx` it was given.
    let host = unsafe { calls(ctx) };
    catch(|| Ok(host.log_enabled(Level::from_raw(level)))).unwrap_or(false)
}

unsafe extern "C" fn metric_add(ctx: *const c_void, name: Bytes, delta: u64) {
    // SAFETY: the plugin passes the `ctx` it was given; the name is valid for the call.
    let (host, name) = unsafe { (calls(ctx), name.text()) };
    let Ok(name) = name else { return };
    quietly(|| host.metric_add(name, delta));
}

unsafe extern "C" fn metric_set(ctx: *const c_void, name: Bytes, value: f64) {
    // SAFETY: the plugin passes the `ctx` it was given; the name is valid for the call.
    let (host, name) = unsafe { (calls(ctx), name.text()) };
    let Ok(name) = name else { return };
    quietly(|| host.metric_set(name, value));
}

unsafe extern "C" fn codecs(ctx: *const c_void, visit: Visit, arg: *mut c_void) {
    // SAFETY: the plugin passes the `ctx` it was given.
    let host = unsafe { calls(ctx) };
    for codec in catch(|| Ok(host.codecs())).unwrap_or_default() {
        let media_types: Vec<Bytes> =
            codec.media_types.iter().map(|media_type| media_type.as_str().into()).collect();
        // SAFETY: `visit` wants the `arg` that came with it, and texts that outlive the call.
        unsafe { visit(arg, codec.name.as_str().into(), Array::from(media_types.as_slice())) };
    }
}

type Convert = fn(&dyn HostCalls, &str, &[u8]) -> Result<Vec<u8>, Error>;

/// `encode` and `decode`, which differ in the method alone.
///
/// # Safety
///
/// The contract of [`HostVtable::encode`].
unsafe fn convert(
    method: Convert,
    ctx: *const c_void,
    name: Bytes,
    input: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: the plugin passes the `ctx` it was given; name and input are valid for the call.
    let (host, name, input) = unsafe { (calls(ctx), name.text(), input.slice()) };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(|| method(host, name?, input?))) }
}

unsafe extern "C" fn encode(
    ctx: *const c_void,
    name: Bytes,
    document: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: the contract is the same.
    unsafe { convert(|host, name, input| host.encode(name, input), ctx, name, document, out) }
}

unsafe extern "C" fn decode(
    ctx: *const c_void,
    name: Bytes,
    bytes: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: the contract is the same.
    unsafe { convert(|host, name, input| host.decode(name, input), ctx, name, bytes, out) }
}
