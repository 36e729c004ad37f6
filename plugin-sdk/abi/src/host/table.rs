//! The host's functions as a table of the ABI.

use std::ffi::c_void;
use std::time::Instant;

use super::{CallInfo, HostCalls};
use crate::convert::reply;
use crate::panics::{catch, quietly};
use crate::raw::{Array, Buf, Bytes, Pair, Visit, size_of_u32};
use crate::{Error, HostRef, HostVtable, Level, Metric, MetricKind, Status, VERSION};

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
    request_id,
    generation,
    trace_parent,
    trace_state,
    time_left,
    metric_observe,
    metric_describe,
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

/// The call that the plugin serves.
///
/// # Safety
///
/// The contract of [`calls`], whose host lends the texts.
unsafe fn call<'a>(ctx: *const c_void) -> CallInfo<'a> {
    // SAFETY: the caller's promise is the same.
    let host = unsafe { calls::<'a>(ctx) };
    catch(|| Ok(host.call())).unwrap_or_default()
}

unsafe extern "C" fn request_id(ctx: *const c_void) -> Bytes {
    // SAFETY: the plugin passes the `ctx` it was given; the text is valid as long as the host, for the call.
    unsafe { call(ctx) }.request_id.map_or(Bytes::NULL, Bytes::from)
}

unsafe extern "C" fn generation(ctx: *const c_void) -> u64 {
    // SAFETY: the plugin passes the `ctx` it was given.
    unsafe { call(ctx) }.generation.unwrap_or(0)
}

unsafe extern "C" fn trace_parent(ctx: *const c_void) -> Bytes {
    // SAFETY: the plugin passes the `ctx` it was given; the text is valid as long as the host, for the call.
    unsafe { call(ctx) }.trace_parent.map_or(Bytes::NULL, Bytes::from)
}

unsafe extern "C" fn trace_state(ctx: *const c_void) -> Bytes {
    // SAFETY: the plugin passes the `ctx` it was given; the text is valid as long as the host, for the call.
    unsafe { call(ctx) }.trace_state.map_or(Bytes::NULL, Bytes::from)
}

unsafe extern "C" fn time_left(ctx: *const c_void) -> u64 {
    // SAFETY: the plugin passes the `ctx` it was given.
    let Some(deadline) = unsafe { call(ctx) }.deadline else { return u64::MAX };
    let left = deadline.saturating_duration_since(Instant::now());
    u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)
}

unsafe extern "C" fn metric_observe(ctx: *const c_void, name: Bytes, value: f64) {
    // SAFETY: the plugin passes the `ctx` it was given; the name is valid for the call.
    let (host, name) = unsafe { (calls(ctx), name.text()) };
    let Ok(name) = name else { return };
    quietly(|| host.metric_observe(name, value));
}

unsafe extern "C" fn metric_describe(
    ctx: *const c_void,
    name: Bytes,
    kind: u32,
    help: Bytes,
    unit: Bytes,
    buckets: Array<f64>,
    out: *mut Buf,
) -> Status {
    // SAFETY: the plugin passes the `ctx` it was given.
    let host = unsafe { calls(ctx) };
    // SAFETY: all are valid for the call.
    let (name, help, unit, buckets) =
        unsafe { (name.text(), help.text(), unit.text(), buckets.slice()) };
    let describe = || {
        let kind = MetricKind::from_raw(kind)?;
        let metric = Metric { kind, help: help?, unit: unit?, buckets: buckets? };
        host.metric_describe(name?, &metric).map(|()| Vec::new())
    };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(describe)) }
}
