//! The functions of the host, for a plugin's code during a call.

use std::cell::Cell;
use std::ffi::c_void;
use std::time::Duration;

use crate::convert::replied;
use crate::raw::{Array, Buf, Bytes, Pair, Status};
use crate::{Buffer, CodecInfo, Error, ErrorKind, HostRef, HostVtable, Level, Metric};

thread_local! {
    /// The host of the call that runs on this thread. It needs no destructor, which would keep
    /// a library from being unloaded.
    static HOST: Cell<Option<HostRef>> = const { Cell::new(None) };
}

/// A call on this thread: as long as it lives, `HOST` is the host of the call.
pub(crate) struct Scope {
    previous: Option<HostRef>,
}

impl Scope {
    /// Begins a call.
    ///
    /// # Safety
    ///
    /// The contract of [`HostRef`] holds until the scope is dropped.
    pub(crate) unsafe fn enter(host: HostRef) -> Self {
        Self { previous: HOST.replace(Some(host)) }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        HOST.set(self.previous);
    }
}

/// Calls `call` with the host's functions and `ctx`, if a call runs on this thread.
fn with_host<T>(call: impl FnOnce(&HostVtable, *const c_void) -> T) -> Option<T> {
    let host = HOST.get()?;
    // SAFETY: `Scope::enter` was promised that the host is valid until the scope's end, which
    // clears it; the scope outlives `call`, which runs within it on the same thread.
    let vtable = unsafe { &*host.vtable };
    Some(call(vtable, host.ctx))
}

/// Whether a call runs on this thread, so that the host's functions can be called.
#[must_use]
pub fn inside() -> bool {
    HOST.get().is_some()
}

/// Writes a log line with fields. Outside of a call it is dropped.
pub fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    with_host(|host, ctx| {
        let fields: Vec<Pair> = fields.iter().map(|(key, value)| Pair::new(key, *value)).collect();
        let fields = Array::from(fields.as_slice());
        // SAFETY: `ctx` belongs to `host`; the texts outlive the call.
        unsafe { (host.log)(ctx, level.to_raw(), message.into(), fields) };
    });
}

/// Whether the host records lines of this level.
#[must_use]
pub fn log_enabled(level: Level) -> bool {
    // SAFETY: `ctx` belongs to `host`.
    with_host(|host, ctx| unsafe { (host.log_enabled)(ctx, level.to_raw()) }).unwrap_or(false)
}

/// Adds to a counter.
pub fn metric_add(name: &str, delta: u64) {
    // SAFETY: `ctx` belongs to `host`; the name outlives the call.
    with_host(|host, ctx| unsafe { (host.metric_add)(ctx, name.into(), delta) });
}

/// Sets a gauge.
pub fn metric_set(name: &str, value: f64) {
    // SAFETY: `ctx` belongs to `host`; the name outlives the call.
    with_host(|host, ctx| unsafe { (host.metric_set)(ctx, name.into(), value) });
}

/// Counts a value in a histogram.
pub fn metric_observe(name: &str, value: f64) {
    // SAFETY: `ctx` belongs to `host`; the name outlives the call.
    with_host(|host, ctx| unsafe { (host.metric_observe)(ctx, name.into(), value) });
}

/// Describes a metric. Outside of a call it does nothing.
///
/// # Errors
///
/// `InvalidInput` if the description breaks a rule or differs from an earlier one; `Unsupported` if the plugin
/// has too many metrics.
pub fn metric_describe(name: &str, metric: &Metric<'_>) -> Result<(), Error> {
    let Metric { kind, help, unit, buckets } = *metric;
    with_host(|host, ctx| {
        let mut out = Buf::EMPTY;
        // SAFETY: `ctx` belongs to `host`; the arguments outlive the call; `out` is writable.
        let status = unsafe {
            (host.metric_describe)(
                ctx,
                name.into(),
                kind.to_raw(),
                help.into(),
                unit.into(),
                buckets.into(),
                &raw mut out,
            )
        };
        // SAFETY: the host wrote a `Buf` that nothing else reads or frees.
        unsafe { replied(status, out) }.map(drop)
    })
    .unwrap_or(Ok(()))
}

/// The id of the request that the call belongs to.
#[must_use]
pub fn request_id() -> Option<String> {
    // SAFETY: `ctx` belongs to `host`; the text is valid for the call, and is copied.
    with_host(|host, ctx| unsafe { lent((host.request_id)(ctx)) })?
}

/// The number of the generation with which the call began.
#[must_use]
pub fn generation() -> Option<u64> {
    // SAFETY: `ctx` belongs to `host`.
    with_host(|host, ctx| unsafe { (host.generation)(ctx) }).filter(|number| *number != 0)
}

/// The request's place in a trace, as the header field `traceparent` has it.
#[must_use]
pub fn trace_parent() -> Option<String> {
    // SAFETY: `ctx` belongs to `host`; the text is valid for the call, and is copied.
    with_host(|host, ctx| unsafe { lent((host.trace_parent)(ctx)) })?
}

/// What other tracing systems added to the trace, as the header field `tracestate` has it.
#[must_use]
pub fn trace_state() -> Option<String> {
    // SAFETY: `ctx` belongs to `host`; the text is valid for the call, and is copied.
    with_host(|host, ctx| unsafe { lent((host.trace_state)(ctx)) })?
}

/// The time until the deadline of the call.
#[must_use]
pub fn time_left() -> Option<Duration> {
    // SAFETY: `ctx` belongs to `host`.
    let nanos = with_host(|host, ctx| unsafe { (host.time_left)(ctx) })?;
    (nanos != u64::MAX).then(|| Duration::from_nanos(nanos))
}

/// A copy of a text that the host lends; `None` for null.
///
/// # Safety
///
/// The contract of [`Bytes`] holds.
unsafe fn lent(text: Bytes) -> Option<String> {
    if text.ptr.is_null() {
        return None;
    }
    // SAFETY: the caller's promise is the same.
    unsafe { text.text() }.ok().map(str::to_owned)
}

/// The host's codecs, sorted by name. Empty outside of a call.
#[must_use]
pub fn codecs() -> Vec<CodecInfo> {
    let mut codecs: Vec<CodecInfo> = Vec::new();
    let arg: *mut Vec<CodecInfo> = &raw mut codecs;
    // SAFETY: `ctx` belongs to `host`; `collect` takes `arg` for what it is.
    with_host(|host, ctx| unsafe { (host.codecs)(ctx, collect, arg.cast()) });
    codecs
}

/// Receives one codec of the host.
///
/// # Safety
///
/// `arg` is the `Vec<CodecInfo>` of [`codecs`], and the host calls it only within that call, once
/// at a time; `name` and `media_types` are valid for the call.
unsafe extern "C" fn collect(arg: *mut c_void, name: Bytes, media_types: Array<Bytes>) {
    // SAFETY: by the contract above nothing else uses the vector meanwhile.
    let codecs = unsafe { &mut *arg.cast::<Vec<CodecInfo>>() };
    // SAFETY: valid for the call.
    let bytes = |bytes: Bytes| unsafe { bytes.slice() }.unwrap_or_default();
    let text = |it: Bytes| String::from_utf8_lossy(bytes(it)).into_owned();
    // SAFETY: valid for the call.
    let media_types = unsafe { media_types.slice() }.unwrap_or_default();
    codecs.push(CodecInfo {
        name: text(name),
        media_types: media_types.iter().map(|media_type| text(*media_type)).collect(),
    });
}

type Convert = unsafe extern "C" fn(*const c_void, Bytes, Bytes, *mut Buf) -> Status;

fn convert(which: fn(&HostVtable) -> Convert, name: &str, input: &[u8]) -> Result<Buffer, Error> {
    with_host(|host, ctx| {
        let mut out = Buf::EMPTY;
        // SAFETY: `ctx` belongs to `host`; name and input outlive the call; `out` is writable.
        let status = unsafe { which(host)(ctx, name.into(), input.into(), &raw mut out) };
        // SAFETY: the host wrote a `Buf` that nothing else reads or frees.
        unsafe { replied(status, out) }
    })
    .unwrap_or_else(|| {
        let message = "expected a call of the plugin on this thread, found none: the host's codecs \
                       can be used only during a call";
        Err(Error::new(ErrorKind::Unavailable, message))
    })
}

/// Writes `document` (one CBOR item) with the host's codec `name`.
///
/// # Errors
///
/// The codec's own; `Unsupported` if the host has no codec `name`; `Unavailable` outside of a call.
pub fn encode(name: &str, document: &[u8]) -> Result<Buffer, Error> {
    convert(|host| host.encode, name, document)
}

/// Reads `bytes` with the host's codec `name` into one CBOR item.
///
/// # Errors
///
/// As for [`encode`].
pub fn decode(name: &str, bytes: &[u8]) -> Result<Buffer, Error> {
    convert(|host| host.decode, name, bytes)
}
