//! The kind `codec`: converts documents to the bytes of a format and back.

#[cfg(feature = "host")]
mod host;

use std::ffi::c_void;

use super::table::{Table, entry};
use crate::Error;
use crate::convert::reply;
use crate::guest::{Exports, Scope};
use crate::panics::catch;
use crate::raw::{Buf, Bytes, HostRef, Kind, Status, size_of_u32};

/// The functions of the kind `codec`. All are required.
///
/// `instance` is the pointer that `create` wrote. Each function writes one [`Buf`] to `out`,
/// whatever status it returns: with [`Status::OK`] the result, which may be empty, else the error
/// message. It never reads `out`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CodecTable {
    /// The size of this struct in bytes; a host reads no fields beyond it.
    pub size: u32,
    /// The version of this table: 1.
    pub version: u32,
    /// Writes `document` (one CBOR item) with the capability `index`.
    pub encode: unsafe extern "C" fn(
        instance: *mut c_void,
        host: HostRef,
        index: u32,
        document: Bytes,
        out: *mut Buf,
    ) -> Status,
    /// Reads `bytes` with the capability `index` into one CBOR item.
    pub decode: unsafe extern "C" fn(
        instance: *mut c_void,
        host: HostRef,
        index: u32,
        bytes: Bytes,
        out: *mut Buf,
    ) -> Status,
}

// SAFETY: the struct is `repr(C)` and has these fields.
unsafe impl Table for CodecTable {
    const KIND: &'static str = "codec";
    const VERSION: u32 = 1;
    const FUNCTIONS: &'static [&'static str] = &["encode", "decode"];
}

/// The functions of a plugin that offers codecs.
pub trait CodecExports: Exports {
    /// The entry for the list [`Exports::KINDS`].
    const CODEC: Kind = entry(const { &table::<Self>() });

    /// Writes `document` (one CBOR item) with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn encode(&self, index: u32, document: &[u8]) -> Result<Vec<u8>, Error>;

    /// Reads `bytes` with the capability `index` into one CBOR item.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn decode(&self, index: u32, bytes: &[u8]) -> Result<Vec<u8>, Error>;
}

/// The table of the plugin `E`.
#[must_use]
pub const fn table<E: CodecExports>() -> CodecTable {
    CodecTable {
        size: size_of_u32::<CodecTable>(),
        version: CodecTable::VERSION,
        encode: encode::<E>,
        decode: decode::<E>,
    }
}

unsafe extern "C" fn encode<E: CodecExports>(
    instance: *mut c_void,
    host: HostRef,
    index: u32,
    document: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: the contract of `CodecTable::encode` is that of `convert`.
    unsafe { convert(E::encode, instance, host, index, document, out) }
}

unsafe extern "C" fn decode<E: CodecExports>(
    instance: *mut c_void,
    host: HostRef,
    index: u32,
    bytes: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: the contract of `CodecTable::decode` is that of `convert`.
    unsafe { convert(E::decode, instance, host, index, bytes, out) }
}

/// `encode` and `decode`, which differ in the method alone.
///
/// # Safety
///
/// `instance` came from `create` and is alive; `host` and `input` are valid for the call, `out` is
/// valid for a write.
#[inline]
unsafe fn convert<E: CodecExports>(
    method: impl FnOnce(&E, u32, &[u8]) -> Result<Vec<u8>, Error>,
    instance: *mut c_void,
    host: HostRef,
    index: u32,
    input: Bytes,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // SAFETY: `input` is valid for the call.
    let input = unsafe { input.slice() };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(|| method(instance, index, input?))) }
}
