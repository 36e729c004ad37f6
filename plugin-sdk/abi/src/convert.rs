//! Conversions between the types that cross the boundary and those of Rust, for both sides.
//!
//! From Rust to raw is safe: a raw value promises nothing by itself. From raw to Rust is unsafe:
//! it relies on the contracts that [`raw`](crate::raw) states.

use std::ops::Deref;

use crate::raw::{Array, Buf, Bytes, Pair, Status};
use crate::{Error, ErrorKind, Level, MetricKind};

/// Error messages of the other side are cut to this many bytes.
const MAX_MESSAGE: usize = 1024;

impl Bytes {
    /// Stands for no bytes where that differs from empty bytes.
    pub const NULL: Bytes = Bytes { ptr: std::ptr::null(), len: 0 };

    /// The bytes.
    ///
    /// # Safety
    ///
    /// The contract of [`Bytes`] holds for `'a`, as far as [`Array::slice`] does not check it.
    pub(crate) unsafe fn slice<'a>(self) -> Result<&'a [u8], Error> {
        // SAFETY: `Bytes` and `Array<u8>` have the same contract, which the caller upholds.
        unsafe { Array { ptr: self.ptr, len: self.len }.slice() }
    }

    /// The text.
    ///
    /// # Safety
    ///
    /// As for [`Bytes::slice`]. That it is UTF-8 is checked.
    pub(crate) unsafe fn text<'a>(self) -> Result<&'a str, Error> {
        // SAFETY: the caller's promise is ours.
        let bytes = unsafe { self.slice() }?;
        std::str::from_utf8(bytes).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("expected a text in UTF-8: {error}"))
        })
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl<T> Array<T> {
    /// The elements.
    ///
    /// # Safety
    ///
    /// The contract of [`Array`] holds for `'a`. Null, alignment and an impossible length are
    /// checked.
    pub(crate) unsafe fn slice<'a>(self) -> Result<&'a [T], Error> {
        if self.len == 0 {
            return Ok(&[]);
        }
        let size = self.len.checked_mul(size_of::<T>());
        if self.ptr.is_null() || !self.ptr.is_aligned() || size.is_none_or(is_impossible) {
            return Err(unreadable(self.ptr.cast(), self.len));
        }
        // SAFETY: `ptr` is not null and aligned, the size is one that memory can have, and the
        // contract of `Array` says that it is valid for reads of `len` elements.
        Ok(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }
}

/// Whether `size` is more bytes than an object can have.
fn is_impossible(size: usize) -> bool {
    isize::try_from(size).is_err()
}

#[cold]
fn unreadable(ptr: *const u8, len: usize) -> Error {
    let message = format!("expected a readable pointer to {len} elements, found {ptr:p}");
    Error::new(ErrorKind::Contract, message)
}

impl<T> From<&[T]> for Array<T> {
    fn from(items: &[T]) -> Self {
        Self { ptr: items.as_ptr(), len: items.len() }
    }
}

impl Pair {
    pub(crate) fn new(key: &str, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Buf {
    /// No bytes, nothing to free.
    pub const EMPTY: Buf = Buf { ptr: std::ptr::null_mut(), len: 0, cap: 0, free: None };
}

/// Gives the bytes away; they leak unless the receiver frees them.
impl From<Vec<u8>> for Buf {
    fn from(bytes: Vec<u8>) -> Self {
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        Buf {
            ptr: bytes.as_mut_ptr(),
            len: bytes.len(),
            cap: bytes.capacity(),
            free: Some(free_vec),
        }
    }
}

/// Frees the bytes of a `Buf::from(Vec<u8>)`.
///
/// # Safety
///
/// The three are those of one such `Buf`, and this is the only call for it.
unsafe extern "C" fn free_vec(ptr: *mut u8, len: usize, cap: usize) {
    // SAFETY: by the contract above they are the parts of a `Vec` that nothing else owns.
    drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
}

/// Bytes that the other side allocated. Dropping a `Buffer` frees them there.
#[derive(Debug)]
pub struct Buffer(Buf);

// SAFETY: `Buf` says that it may be read and freed from any thread, and a `Buffer` owns its bytes
// as a `Vec<u8>` does.
unsafe impl Send for Buffer {}
// SAFETY: as above; `&Buffer` only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Takes ownership of bytes that the other side allocated.
    ///
    /// # Safety
    ///
    /// The contract of [`Buf`] holds, and nothing else reads or frees it. Null and an impossible
    /// length are checked.
    ///
    /// # Errors
    ///
    /// `Contract` if `buf` cannot be read. It is freed all the same.
    #[inline]
    pub(crate) unsafe fn new(buf: Buf) -> Result<Self, Error> {
        let buffer = Self(buf);
        let Buf { ptr, len, .. } = buffer.0;
        if len != 0 && (ptr.is_null() || is_impossible(len)) {
            return Err(unreadable(ptr, len));
        }
        Ok(buffer)
    }

    /// The bytes as a `Vec`: without copying them if this instance of the crate allocated them, as
    /// for a linked plugin.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        let Buf { ptr, len, cap, free } = self.0;
        if free.is_some_and(|free| std::ptr::fn_addr_eq(free, free_vec as FreeVec)) {
            std::mem::forget(self);
            // SAFETY: `free_vec` would take these parts for those of a `Vec` and own them; as
            // `self` is forgotten, it never will.
            return unsafe { Vec::from_raw_parts(ptr, len, cap) };
        }
        self.to_vec()
    }

    /// The bytes as an error message, cut to [`MAX_MESSAGE`]; invalid UTF-8 becomes U+FFFD.
    fn message(&self) -> String {
        let mut end = self.len().min(MAX_MESSAGE);
        // Not in the middle of a character.
        while end < self.len() && end > 0 && self[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        String::from_utf8_lossy(&self[..end]).into_owned()
    }
}

type FreeVec = unsafe extern "C" fn(*mut u8, usize, usize);

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: the contract of `Buf`, which `Buffer::new` asks for, says that the bytes are
        // valid until freed, which `drop` does; it saw that they are not at null, nor too many.
        unsafe { std::slice::from_raw_parts(self.0.ptr, self.0.len) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(free) = self.0.free {
            // SAFETY: `Buf` asks for exactly one call with its own three numbers, and this is it.
            unsafe { free(self.0.ptr, self.0.len, self.0.cap) };
        }
    }
}

/// Writes the result of a call to `out`, and returns its status.
///
/// # Safety
///
/// `out` is valid for a write of a `Buf`.
pub(crate) unsafe fn reply(out: *mut Buf, result: Result<Vec<u8>, Error>) -> Status {
    let (status, bytes) = match result {
        Ok(bytes) => (Status::OK, bytes),
        Err(error) => (error.kind.into(), error.message.into_bytes()),
    };
    // SAFETY: the caller's promise. `write` does not read or drop what was there.
    unsafe { out.write(bytes.into()) };
    status
}

/// The result of a call that the other side answered with `status` and `out`.
///
/// # Safety
///
/// The contract of [`Buf`] holds for `out`, and nothing else reads or frees it.
pub(crate) unsafe fn replied(status: Status, out: Buf) -> Result<Buffer, Error> {
    // SAFETY: the caller's promise is the same.
    let buffer = unsafe { Buffer::new(out) }?;
    match status {
        Status::OK => Ok(buffer),
        failed => Err(Error { kind: failed.into(), message: buffer.message() }),
    }
}

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => Self::INVALID_INPUT,
            ErrorKind::Unsupported => Self::UNSUPPORTED,
            ErrorKind::Unavailable => Self::UNAVAILABLE,
            ErrorKind::Internal | ErrorKind::Contract => Self::INTERNAL,
            ErrorKind::Panicked => Self::PANICKED,
        }
    }
}

/// The kind of an error; [`Status::OK`] is no error, and counts as internal like an unknown status.
impl From<Status> for ErrorKind {
    fn from(status: Status) -> Self {
        match status {
            Status::INVALID_INPUT => Self::InvalidInput,
            Status::UNSUPPORTED => Self::Unsupported,
            Status::UNAVAILABLE => Self::Unavailable,
            Status::PANICKED => Self::Panicked,
            _ => Self::Internal,
        }
    }
}

impl Level {
    pub(crate) fn to_raw(self) -> u32 {
        self as u32
    }

    #[cfg(feature = "host")]
    pub(crate) fn from_raw(level: u32) -> Self {
        usize::try_from(level)
            .ok()
            .and_then(|level| Self::ALL.get(level).copied())
            .unwrap_or(Self::Trace)
    }
}

impl MetricKind {
    pub(crate) fn to_raw(self) -> u32 {
        self as u32
    }

    #[cfg(feature = "host")]
    pub(crate) fn from_raw(kind: u32) -> Result<Self, Error> {
        let known = usize::try_from(kind).ok().and_then(|kind| Self::ALL.get(kind).copied());
        known.ok_or_else(|| {
            let message = format!("expected 0, 1 or 2 as the kind of a metric, found {kind}");
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}
