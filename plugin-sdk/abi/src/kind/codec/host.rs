//! The caller's side of the kind `codec`.

use std::ffi::c_void;

use super::CodecTable;
use crate::convert::replied;
use crate::host::{HostCalls, Instance, host_ref};
use crate::kind::table::{Table, missing};
use crate::raw::{Buf, Bytes, HostRef, Status};
use crate::{Buffer, Error};

type Convert = unsafe extern "C" fn(*mut c_void, HostRef, u32, Bytes, *mut Buf) -> Status;

impl Instance {
    /// Writes `document` (one CBOR item) with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own; `Contract` if it does not list the kind `codec`.
    pub fn encode(
        &self,
        host: &dyn HostCalls,
        index: u32,
        document: &[u8],
    ) -> Result<Buffer, Error> {
        self.convert(|table| table.encode, host, index, document)
    }

    /// Reads `bytes` with the capability `index` into one CBOR item. The caller has to check that
    /// the result is one.
    ///
    /// # Errors
    ///
    /// As for [`Instance::encode`].
    pub fn decode(&self, host: &dyn HostCalls, index: u32, bytes: &[u8]) -> Result<Buffer, Error> {
        self.convert(|table| table.decode, host, index, bytes)
    }

    #[inline]
    fn convert(
        &self,
        function: fn(&CodecTable) -> Convert,
        host: &dyn HostCalls,
        index: u32,
        input: &[u8],
    ) -> Result<Buffer, Error> {
        let Some(table) = self.tables().codec else { return Err(missing(CodecTable::KIND)) };
        let mut out = Buf::EMPTY;
        let (function, instance) = (function(table), self.as_ptr());
        // SAFETY: the instance is alive until `drop`; `host`, `input` and `out` outlive the
        // call.
        let status =
            unsafe { function(instance, host_ref(&host), index, input.into(), &raw mut out) };
        // SAFETY: the plugin wrote a `Buf` that nothing else reads or frees.
        unsafe { replied(status, out) }
    }
}
