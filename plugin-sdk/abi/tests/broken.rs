//! Plugins that break the contract in ways that the host can detect: each call is an error, and no
//! invalid memory is read.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugbay_abi::guest::{self, Exports};
use plugbay_abi::host::{Guest, Incompatible, Instance, NoHost};
use plugbay_abi::kind::codec::{self, CodecExports, CodecTable};
use plugbay_abi::kind::handler::raw::{Request as RawRequest, Response as RawResponse};
use plugbay_abi::kind::handler::{self, HandlerExports, HandlerTable};
use plugbay_abi::raw::{self, Array, Buf, Bytes, Pair};
use plugbay_abi::{Error, ErrorKind, HostRef, Request, Response, Status, Vtable};

/// A plugin that keeps the contract: the tests replace single functions of its tables.
struct Good;

impl Exports for Good {
    const KINDS: &'static [raw::Kind] = &[Self::CODEC, Self::HANDLER];

    fn describe() -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn create(_: &str) -> Result<Self, Error> {
        Ok(Self)
    }

    fn health(&self) -> Result<(), Error> {
        Ok(())
    }

    fn shutdown(&self) {}
}

impl CodecExports for Good {
    fn encode(&self, _: u32, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn decode(&self, _: u32, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }
}

impl HandlerExports for Good {
    fn handle(&self, _: u32, _: Request<'_>) -> Result<Response, Error> {
        Ok(Response { status: 200, headers: Vec::new(), body: Vec::new() })
    }
}

static GOOD: Vtable = guest::vtable::<Good>();

/// A plugin that lists one kind, by a table that is never freed.
fn with_kind<T>(name: &'static str, table: T) -> Vtable {
    let table = std::ptr::from_ref(Box::leak(Box::new(table))).cast();
    let kinds = Box::leak(Box::new([raw::Kind { name: name.into(), table }]));
    Vtable { kinds: Array::from(&kinds[..]), ..GOOD }
}

/// An instance behind these functions.
fn instance<T>(kind: &'static str, table: T) -> Instance {
    // SAFETY: the functions keep their contracts, except for what the host checks; the tables are
    // never freed.
    let guest = unsafe { Guest::from_raw(Box::leak(Box::new(with_kind(kind, table)))) }.unwrap();
    guest.create(&NoHost, "{}").unwrap()
}

/// How often a buffer of [`write_result`] was freed.
static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn free(_: *mut u8, _: usize, _: usize) {
    FREED.fetch_add(1, Ordering::SeqCst);
}

/// Writes a result that depends on the capability's index.
unsafe extern "C" fn write_result(
    _: *mut c_void,
    _: HostRef,
    index: u32,
    _: Bytes,
    out: *mut Buf,
) -> Status {
    let buf = |ptr: *const u8, len| Buf { ptr: ptr.cast_mut(), len, cap: 0, free: Some(free) };
    let (status, buf) = match index {
        0 => (Status::OK, buf(ptr::null(), 7)),
        1 => (Status::OK, buf(b"".as_ptr(), usize::MAX)),
        2 => (Status::UNAVAILABLE, buf(ptr::null(), 7)),
        3 => (Status::OK, buf(ptr::null(), 0)),
        _ => {
            // One byte, then characters of two bytes each: the cut would be within one.
            let text = Box::leak(format!("x{}", "é".repeat(1 << 20)).into_boxed_str());
            (Status::INVALID_INPUT, buf(text.as_ptr(), text.len()))
        }
    };
    // SAFETY: `out` is valid for a write.
    unsafe { out.write(buf) };
    status
}

#[test]
fn buffers_that_cannot_be_read_are_refused() {
    let instance = instance("codec", CodecTable { encode: write_result, ..codec::table::<Good>() });
    for (index, len) in [(0, "7 elements"), (1, "18446744073709551615 elements"), (2, "7 ")] {
        let error = instance.encode(&NoHost, index, b"").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Contract, "{error}");
        assert!(cfg!(not(target_pointer_width = "64")) || error.message.contains(len), "{error}");
    }
    assert!(instance.encode(&NoHost, 3, b"").unwrap().is_empty());
    // Each buffer was freed, also those that cannot be read.
    assert_eq!(FREED.load(Ordering::SeqCst), 4);
    let error = instance.encode(&NoHost, 4, b"").unwrap_err();
    assert_eq!((error.kind, error.message.len()), (ErrorKind::InvalidInput, 1023));
    assert!(error.message.ends_with('é'));
}

unsafe extern "C" fn respond(
    _: *mut c_void,
    _: HostRef,
    index: u32,
    _: *const RawRequest,
    response: *mut RawResponse,
    _: *mut Buf,
) -> Status {
    let huge = Bytes { ptr: ptr::without_provenance(1), len: usize::MAX };
    let huge = Box::leak(Box::new([Pair { key: Bytes::NULL, value: huge }; 2]));
    let none = Array { ptr: ptr::null(), len: 0 };
    let (headers, body) = match index {
        0 => (Array { ptr: ptr::null(), len: usize::MAX }, Bytes::NULL),
        1 => (Array { ptr: ptr::without_provenance(1), len: 1 }, Bytes::NULL),
        2 => (Array { ptr: ptr::without_provenance(8), len: usize::MAX / 8 }, Bytes::NULL),
        3 => (none, Bytes { ptr: ptr::null(), len: 3 }),
        4 => (none, Bytes { ptr: ptr::without_provenance(1), len: usize::MAX }),
        _ => (Array { ptr: huge.as_ptr(), len: 2 }, Bytes::NULL),
    };
    let made = RawResponse { status: 200, headers, body, owner: ptr::null_mut(), free: None };
    // SAFETY: `response` is valid for a write.
    unsafe { response.write(made) };
    Status::OK
}

#[test]
fn responses_that_cannot_be_read_are_refused() {
    let instance =
        instance("handler", HandlerTable { handle: respond, ..handler::table::<Good>() });
    let request =
        Request { method: "", path: "", query: None, params: &[], headers: &[], body: b"" };
    for index in 0..5 {
        let error = instance.handle(&NoHost, index, request).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Contract, "{index}: {error}");
    }
    // The size is known before anything is copied.
    let huge = instance.handle(&NoHost, 5, request).unwrap();
    assert_eq!(huge.size(), usize::MAX);
    assert_eq!(huge.copy().unwrap_err().kind, ErrorKind::Contract);
}

#[test]
fn every_function_is_required() {
    let functions = [
        (offset_of!(Vtable, describe), "describe"),
        (offset_of!(Vtable, create), "create"),
        (offset_of!(Vtable, health), "health"),
        (offset_of!(Vtable, shutdown), "shutdown"),
        (offset_of!(Vtable, destroy), "destroy"),
    ];
    for (at, function) in functions {
        let mut words = Words::of(&GOOD);
        words.0[at / size_of::<usize>()] = ptr::null();
        assert_eq!(words.load(0), Err(Incompatible::Missing { function }));
    }
    assert_eq!(Words::of(&GOOD).load(0), Ok(()));
    assert_eq!(Words::of(&GOOD).load(1), Err(Incompatible::Unaligned));
}

/// The error of loading a plugin whose one kind has this table, or "fine".
fn load_kind<T: Copy>(name: &'static str, table: &T, change: impl FnOnce(&mut Words)) -> String {
    let mut words = Words::of(table);
    change(&mut words);
    let vtable = with_kind(name, words);
    // SAFETY: the vtable keeps its contract, except for what the host checks in the kind's table.
    match unsafe { Guest::from_raw(&raw const vtable) } {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_function_of_a_kind_is_required() {
    let (codec, handler) = (codec::table::<Good>(), handler::table::<Good>());
    let without = |at| move |words: &mut Words| words.0[at / size_of::<usize>()] = ptr::null();
    for (found, function) in [
        (load_kind("codec", &codec, without(offset_of!(CodecTable, encode))), "codec encode"),
        (load_kind("codec", &codec, without(offset_of!(CodecTable, decode))), "codec decode"),
        (
            load_kind("handler", &handler, without(offset_of!(HandlerTable, handle))),
            "handler handle",
        ),
    ] {
        let (kind, function) = function.split_once(' ').unwrap();
        let expected =
            format!("kind {kind}: expected a vtable with a function {function}, found null");
        assert_eq!(found, expected);
    }
    assert_eq!(load_kind("codec", &codec, |_| ()), "fine");
}

#[test]
fn a_kind_of_another_version_or_size_is_refused() {
    let codec = codec::table::<Good>();
    let other = CodecTable { version: 2, ..codec };
    assert_eq!(load_kind("codec", &other, |_| ()), "kind codec: expected ABI version 1, found 2");
    let other = CodecTable { size: codec.size - 8, ..codec };
    let found = load_kind("codec", &other, |_| ());
    assert!(found.starts_with("kind codec: expected a vtable of "), "{found}");
    let other = CodecTable { size: codec.size + 8, ..codec };
    assert_eq!(load_kind("codec", &other, |_| ()), "fine");
}

#[test]
fn a_list_of_kinds_that_cannot_be_read_is_refused() {
    let load = |kinds| {
        let vtable = Vtable { kinds, ..GOOD };
        // SAFETY: the vtable keeps its contract, except for its list.
        unsafe { Guest::from_raw(&raw const vtable) }.map(drop)
    };
    assert_eq!(load(Array { ptr: ptr::null(), len: 1 }), Err(Incompatible::Kinds));
    assert_eq!(load(Array { ptr: ptr::null(), len: 0 }), Ok(()));
    let null = [raw::Kind { name: "codec".into(), table: ptr::null() }];
    let problem = Box::new(Incompatible::Null);
    assert_eq!(load(Array::from(&null[..])), Err(Incompatible::Kind { kind: "codec", problem }));
}

/// The words of a table in memory, of which a function may be null.
struct Words([*const c_void; 16]);

impl Words {
    fn of<T: Copy>(table: &T) -> Self {
        assert!(size_of::<T>() <= size_of::<Self>());
        let mut words = [ptr::null::<c_void>(); 16];
        // SAFETY: a table is no larger, is as aligned, and has no padding.
        unsafe { words.as_mut_ptr().cast::<T>().write(*table) };
        Self(words)
    }

    fn load(&self, offset: usize) -> Result<(), Incompatible> {
        // SAFETY: a table, if at 0, else unaligned.
        unsafe { Guest::from_raw(self.0.as_ptr().byte_add(offset).cast()) }.map(drop)
    }
}
