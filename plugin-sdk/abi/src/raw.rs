//! The types that cross the boundary, and the contract of each pointer in them.
//!
//! "Valid for the call" means: readable, unchanged by anyone, until the function that it is an
//! argument of returns. All texts are UTF-8 without a terminating zero.
//!
//! `plugin-sdk/c/plugbay.h` is generated from this file and from the tables in [`kind`](crate::kind),
//! comments included: after a change, `PLUGBAY_BLESS=1 cargo test -p plugbay-abi --test c_header`.

use std::ffi::c_void;

/// The value of [`Header::magic`].
pub const MAGIC: [u8; 8] = *b"PLUGBAY\0";

/// The version of this ABI. A host refuses a plugin of another version.
pub const VERSION: u32 = 2;

/// The symbol of the entry function, `extern "C" fn() -> *const Vtable`; its number is [`VERSION`].
pub const ENTRY: &str = "plugbay_entry_v2";

/// The symbol of the [`Header`], which lies in the section [`SECTION`].
pub const HEADER: &str = "plugbay_abi";

/// The section that holds the [`Header`], as the file format spells it.
pub const SECTION: &str = if cfg!(target_vendor = "apple") { "__plugbay" } else { ".plugbay" };

/// The header, which a host reads from the file before any code of the plugin runs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`], in the byte order of the target.
    pub version: u32,
    /// The size of this struct in bytes.
    pub header_size: u32,
    /// The size of the plugin's [`Vtable`] in bytes.
    pub vtable_size: u32,
    /// Reserved: zero.
    pub reserved: u32,
}

/// The size of `T`, which is one of the tables here and far below 4 GiB.
#[expect(clippy::cast_possible_truncation, reason = "the tables are a few hundred bytes")]
pub(crate) const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// The status of a call.
///
/// Not an enum: the other side may return any number. An unknown one counts as `INTERNAL`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// The call succeeded.
    pub const OK: Status = Status(0);
    /// The caller's input is wrong.
    pub const INVALID_INPUT: Status = Status(1);
    /// The input is valid, but the callee cannot do what it asks for.
    pub const UNSUPPORTED: Status = Status(2);
    /// The callee cannot answer now.
    pub const UNAVAILABLE: Status = Status(3);
    /// The callee failed.
    pub const INTERNAL: Status = Status(4);
    /// The callee panicked; if it is an instance, it should serve no more calls.
    pub const PANICKED: Status = Status(5);
}

/// Borrowed bytes. `ptr` is valid for the call for reads of `len` bytes; when `len` is 0 it may
/// be null or dangle.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// The first byte.
    pub ptr: *const u8,
    /// The number of bytes.
    pub len: usize,
}

/// Borrowed array. `ptr` is valid for the call for reads of `len` elements and aligned for them;
/// when `len` is 0 it may be null or dangle.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Array<T> {
    /// The first element.
    pub ptr: *const T,
    /// The number of elements.
    pub len: usize,
}

/// A key and a value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The key, a text.
    pub key: Bytes,
    /// The value: bytes in header fields, a text everywhere else.
    pub value: Bytes,
}

/// Owned bytes. Their receiver calls `free` exactly once, from any thread, with `ptr`, `len` and
/// `cap`. If `free` is null there is nothing to free.
///
/// `ptr` is valid for reads of `len` bytes until then, and may be null when `len` is 0.
#[repr(C)]
#[derive(Debug)]
pub struct Buf {
    /// The first byte.
    pub ptr: *mut u8,
    /// The number of bytes.
    pub len: usize,
    /// The capacity of the allocation, for `free`. The receiver does not use it.
    pub cap: usize,
    /// Frees the bytes.
    pub free: Option<unsafe extern "C" fn(ptr: *mut u8, len: usize, cap: usize)>,
}

/// The host of a call. Both pointers are valid for the call, on the thread of the call only. `ctx`
/// is opaque to the plugin.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostRef {
    /// The first argument of each of the host's functions.
    pub ctx: *const c_void,
    /// The host's functions; never null.
    pub vtable: *const HostVtable,
}

/// Receives one codec of the host: its name and its media types, valid for the call.
pub type Visit = unsafe extern "C" fn(arg: *mut c_void, name: Bytes, media_types: Array<Bytes>);

/// The functions of the host, which a plugin may call during a call.
///
/// `ctx` is that of the [`HostRef`]. A function with `out` writes one [`Buf`] there, whatever status
/// it returns: with [`Status::OK`] the result, else the error message. It never reads `out`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostVtable {
    /// The size of this struct in bytes; a plugin reads no fields beyond it.
    pub size: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Writes a log line with fields. `level` is 0 (error) to 4 (trace); a greater one counts as 4.
    pub log:
        unsafe extern "C" fn(ctx: *const c_void, level: u32, message: Bytes, fields: Array<Pair>),
    /// Whether the host records lines of this level.
    pub log_enabled: unsafe extern "C" fn(ctx: *const c_void, level: u32) -> bool,
    /// Adds `delta` to the counter `name`.
    pub metric_add: unsafe extern "C" fn(ctx: *const c_void, name: Bytes, delta: u64),
    /// Sets the gauge `name` to `value`.
    pub metric_set: unsafe extern "C" fn(ctx: *const c_void, name: Bytes, value: f64),
    /// Calls `visit` with `arg` once for each codec of the host, sorted by name.
    pub codecs: unsafe extern "C" fn(ctx: *const c_void, visit: Visit, arg: *mut c_void),
    /// Writes `document` (one CBOR item) with the codec `name`.
    pub encode: unsafe extern "C" fn(
        ctx: *const c_void,
        name: Bytes,
        document: Bytes,
        out: *mut Buf,
    ) -> Status,
    /// Reads `bytes` with the codec `name` into one CBOR item.
    pub decode: unsafe extern "C" fn(
        ctx: *const c_void,
        name: Bytes,
        bytes: Bytes,
        out: *mut Buf,
    ) -> Status,
    /// The id of the request that the call belongs to, as in the host's log: 1 to 128 ASCII letters,
    /// digits and characters of `-._:+/=`, valid for the call. Null if the caller named none, and outside
    /// of a call of a capability, as in `create`.
    pub request_id: unsafe extern "C" fn(ctx: *const c_void) -> Bytes,
    /// The number of the generation with which the call began; 0 outside of a call of a capability.
    pub generation: unsafe extern "C" fn(ctx: *const c_void) -> u64,
    /// The request's place in a distributed trace, for the header field `traceparent` of requests that
    /// the plugin makes (W3C Trace Context, version 00), valid for the call. If the host records the request,
    /// this names the host's span of the call as the parent. Otherwise it is the one that the caller named, or
    /// null if that is not valid. Null outside of a call of a capability.
    pub trace_parent: unsafe extern "C" fn(ctx: *const c_void) -> Bytes,
    /// What other tracing systems added to that trace, for the header field `tracestate` of the same
    /// requests: at most 512 bytes, valid for the call. Null without a `trace_parent`, and if the caller named
    /// none.
    pub trace_state: unsafe extern "C" fn(ctx: *const c_void) -> Bytes,
    /// The time until the deadline of the call, in nanoseconds; 0 once it has passed, and `UINT64_MAX` if
    /// the call has no deadline, as outside of a call of a capability.
    pub time_left: unsafe extern "C" fn(ctx: *const c_void) -> u64,
    /// Counts `value` in the histogram `name`.
    pub metric_observe: unsafe extern "C" fn(ctx: *const c_void, name: Bytes, value: f64),
    /// Describes the metric `name`, as a rule in `create`. `kind` is 0 (counter), 1 (gauge) or 2
    /// (histogram). `help` says what it measures, in words for people, without control characters; the
    /// host cuts it to 1,024 bytes. `unit` is the unit of its values, as `seconds`: at most 32 lowercase
    /// letters, digits and `_`; empty for none. `buckets` are the upper bounds of a histogram's buckets:
    /// at most 32 finite, ascending numbers; without any the host chooses some for durations in seconds.
    ///
    /// [`Status::INVALID_INPUT`] says that something breaks a rule, or that the metric is there and
    /// differs; [`Status::UNSUPPORTED`] that the plugin has too many. Describing a metric again in the same
    /// way is no error. With [`Status::OK`] the result is empty.
    pub metric_describe: unsafe extern "C" fn(
        ctx: *const c_void,
        name: Bytes,
        kind: u32,
        help: Bytes,
        unit: Bytes,
        buckets: Array<f64>,
        out: *mut Buf,
    ) -> Status,
}

/// The functions of one kind of capability that a plugin offers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The kind's name, as in the description's capabilities: `codec`.
    pub name: Bytes,
    /// The table of the kind's functions, for a codec a `CodecTable`; never null. Every table
    /// begins with its size in bytes and its version, two numbers of 32 bits.
    pub table: *const c_void,
}

/// A plugin's functions, and its kinds. All functions are required: none may be null.
///
/// The vtable and all that it points to do not change as long as the library is loaded. `instance`
/// is a pointer that `create` wrote and that was not yet passed to `destroy`. A function with `out`
/// writes one [`Buf`] there, whatever status it returns: with [`Status::OK`] the result, which may
/// be empty, else the error message. It never reads `out`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Vtable {
    /// The size of this struct in bytes; a host reads no fields beyond it.
    pub size: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Describes the plugin, as JSON (a C plugin writes it as a literal):
    ///
    /// ```json
    /// {
    ///   "name": "tabular", "version": "1.2.0", "description": "tables as text",
    ///   "capabilities": [
    ///     {"kind": "codec", "name": "csv", "description": "", "media_types": ["text/csv"]},
    ///     {"kind": "handler", "name": "stats", "description": "",
    ///      "routes": [{"methods": ["GET"], "path": "/stats/{table}"}], "nonblocking": false}
    ///   ],
    ///   "config_schema": {"type": "object"}
    /// }
    /// ```
    ///
    /// `media_types`, `routes`, `nonblocking` and `config_schema` may be absent; a null schema counts as
    /// absent. `nonblocking` counts in a plugin that is linked into the host.
    pub describe: unsafe extern "C" fn(host: HostRef, out: *mut Buf) -> Status,
    /// Creates an instance. `config` is a JSON object. Only with [`Status::OK`] the function writes
    /// `instance`, which then is not null.
    pub create: unsafe extern "C" fn(
        host: HostRef,
        config: Bytes,
        instance: *mut *mut c_void,
        out: *mut Buf,
    ) -> Status,
    /// Says whether the instance can serve.
    pub health: unsafe extern "C" fn(instance: *mut c_void, host: HostRef, out: *mut Buf) -> Status,
    /// The last call that an instance gets before `destroy`.
    pub shutdown: unsafe extern "C" fn(instance: *mut c_void, host: HostRef),
    /// Frees the instance. No other call of the instance may be running, and none may follow.
    pub destroy: unsafe extern "C" fn(instance: *mut c_void, host: HostRef),
    /// The kinds of the capabilities that `describe` names, each once. A host skips those that it
    /// does not know.
    pub kinds: Array<Kind>,
}

// SAFETY: by the contract of `Vtable` nothing changes what they point to.
unsafe impl Send for Kind {}
// SAFETY: as above.
unsafe impl Sync for Kind {}
// SAFETY: as above.
unsafe impl Send for Vtable {}
// SAFETY: as above.
unsafe impl Sync for Vtable {}
