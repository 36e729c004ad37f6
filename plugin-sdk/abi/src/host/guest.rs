//! A plugin and its instances.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use super::incompatible::{Incompatible, check};
use super::table::host_ref;
use super::{HostCalls, NoHost};
use crate::convert::replied;
use crate::raw::{self, Array, Buf, Bytes, Pair};
use crate::{Buffer, Error, Kind, Request, Response, Status, Vtable};

/// A plugin: describes itself and makes instances.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    vtable: &'static Vtable,
}

impl Guest {
    /// The plugin with the functions `vtable`, as its entry function returned it.
    ///
    /// # Safety
    ///
    /// Unless null, `vtable` is a [`Vtable`] whose functions, unless null, keep their contracts,
    /// which nothing changes, and which stays as long as the process does: its library is never
    /// unloaded. (Of a vtable of another version or size only its first two fields are read.)
    ///
    /// # Errors
    ///
    /// [`Incompatible`] if this host cannot call it.
    pub unsafe fn from_raw(vtable: *const Vtable) -> Result<Self, Incompatible> {
        // SAFETY: the contract above.
        unsafe { check(vtable) }?;
        // SAFETY: it is of our version and has all our fields, of which none is null; the rest is
        // the contract above.
        Ok(Self { vtable: unsafe { &*vtable } })
    }

    /// A plugin that the application was linked with.
    #[cfg(feature = "linked")]
    #[must_use]
    pub fn linked(plugin: crate::linked::Linked) -> Self {
        Self { vtable: plugin.vtable() }
    }

    /// What the plugin says of itself, in the JSON that [`Vtable::describe`] documents.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn describe(&self, host: &dyn HostCalls) -> Result<Buffer, Error> {
        let mut out = Buf::EMPTY;
        // SAFETY: `Guest` holds only tables that keep their contract; `host` and `out` live on.
        let status = unsafe { (self.vtable.describe)(host_ref(&host), &raw mut out) };
        // SAFETY: the plugin wrote a `Buf` for us alone.
        unsafe { replied(status, out) }
    }

    /// Makes one instance from a JSON object.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn create(&self, host: &dyn HostCalls, config: &str) -> Result<Instance, Error> {
        let mut out = Buf::EMPTY;
        let mut made = ptr::null_mut::<c_void>();
        // SAFETY: `Guest` holds only tables that keep their contract; all arguments live on.
        let status = unsafe {
            (self.vtable.create)(host_ref(&host), config.into(), &raw mut made, &raw mut out)
        };
        // SAFETY: the plugin wrote a `Buf` for us alone.
        unsafe { replied(status, out) }?;
        let instance = NonNull::new(made)
            .ok_or_else(|| Error::new(Kind::Internal, "expected an instance, found null"))?;
        Ok(Instance { guest: *self, instance })
    }
}

/// One instance of a plugin. Dropping it frees it; [`shutdown`](Instance::shutdown) comes before.
#[derive(Debug)]
pub struct Instance {
    guest: Guest,
    /// What `create` made; `drop` destroys it.
    instance: NonNull<c_void>,
}

// SAFETY: the ABI says that an instance's functions may be called from any thread.
unsafe impl Send for Instance {}
// SAFETY: and that all but `destroy`, which needs the instance by value, may run at once.
unsafe impl Sync for Instance {}

impl Instance {
    /// Says whether the instance can serve.
    ///
    /// # Errors
    ///
    /// The plugin's own; `Unavailable` means "not now".
    pub fn health(&self, host: &dyn HostCalls) -> Result<(), Error> {
        let mut out = Buf::EMPTY;
        let health = self.guest.vtable.health;
        // SAFETY: the instance is alive until `drop`; `host` and `out` outlive the call.
        let status = unsafe { health(self.instance.as_ptr(), host_ref(&host), &raw mut out) };
        // SAFETY: the plugin wrote a `Buf` for us alone.
        unsafe { replied(status, out) }.map(drop)
    }

    /// Writes `document` (one CBOR item) with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn encode(
        &self,
        host: &dyn HostCalls,
        index: u32,
        document: &[u8],
    ) -> Result<Buffer, Error> {
        self.convert(self.guest.vtable.encode, host, index, document)
    }

    /// Reads `bytes` with the capability `index` into one CBOR item. Whether it is one is for
    /// the caller to check.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn decode(&self, host: &dyn HostCalls, index: u32, bytes: &[u8]) -> Result<Buffer, Error> {
        self.convert(self.guest.vtable.decode, host, index, bytes)
    }

    fn convert(
        &self,
        function: unsafe extern "C" fn(*const c_void, raw::HostRef, u32, Bytes, *mut Buf) -> Status,
        host: &dyn HostCalls,
        index: u32,
        input: &[u8],
    ) -> Result<Buffer, Error> {
        let mut out = Buf::EMPTY;
        let instance = self.instance.as_ptr();
        // SAFETY: the instance is alive until `drop`; `host`, `input` and `out` outlive the call.
        let status =
            unsafe { function(instance, host_ref(&host), index, input.into(), &raw mut out) };
        // SAFETY: the plugin wrote a `Buf` for us alone.
        unsafe { replied(status, out) }
    }

    /// Answers one request with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn handle(
        &self,
        host: &dyn HostCalls,
        index: u32,
        request: Request<'_>,
    ) -> Result<Answer, Error> {
        let params: Vec<Pair> =
            request.params.iter().map(|(key, value)| Pair::new(key, *value)).collect();
        let headers: Vec<Pair> =
            request.headers.iter().map(|(key, value)| Pair::new(key, *value)).collect();
        let request = raw::Request {
            method: request.method.into(),
            path: request.path.into(),
            query: request.query.map_or(Bytes::NULL, Bytes::from),
            params: Array::from(params.as_slice()),
            headers: Array::from(headers.as_slice()),
            body: request.body.into(),
        };
        let mut response = raw::Response {
            status: 0,
            headers: Array { ptr: ptr::null(), len: 0 },
            body: Bytes::NULL,
            owner: ptr::null_mut(),
            free: None,
        };
        let mut error = Buf::EMPTY;
        // SAFETY: the instance is alive until `drop`; all arguments outlive the call.
        let status = unsafe {
            (self.guest.vtable.handle)(
                self.instance.as_ptr(),
                host_ref(&host),
                index,
                &raw const request,
                &raw mut response,
                &raw mut error,
            )
        };
        // SAFETY: the plugin wrote `error` for us alone, or left it empty.
        unsafe { replied(status, error) }?;
        // SAFETY: with `OK` the plugin wrote a response for us alone.
        unsafe { Answer::new(response) }
    }

    /// The last call before the instance is dropped.
    pub fn shutdown(&self, host: &dyn HostCalls) {
        let shutdown = self.guest.vtable.shutdown;
        // SAFETY: the instance is alive until `drop`; `host` outlives the call.
        unsafe { shutdown(self.instance.as_ptr(), host_ref(&host)) };
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let host: &dyn HostCalls = &NoHost;
        // SAFETY: `&mut self` says that no other call runs, and none can follow.
        unsafe { (self.guest.vtable.destroy)(self.instance.as_ptr(), host_ref(&host)) };
    }
}

/// A response where the plugin made it. Dropping it gives it back.
#[derive(Debug)]
pub struct Answer {
    response: raw::Response,
    size: usize,
}

impl Answer {
    /// What a header field counts beside its bytes, as HTTP/2 has it (RFC 9113, 6.5.2).
    const FIELD: usize = 32;

    /// Takes it over, and sees how large it is.
    ///
    /// # Safety
    ///
    /// The contract of [`raw::Response`] holds, and nothing else reads or frees it. As with
    /// [`Array::slice`], null, alignment and impossible lengths are checked.
    unsafe fn new(response: raw::Response) -> Result<Self, Error> {
        let mut answer = Self { response, size: 0 };
        let raw::Response { headers, body, .. } = answer.response;
        // SAFETY: the contract above.
        let mut size = unsafe { body.slice() }?.len();
        // SAFETY: the contract above.
        for pair in unsafe { headers.slice() }? {
            let field = pair.key.len.saturating_add(pair.value.len);
            size = size.saturating_add(field).saturating_add(Self::FIELD);
        }
        answer.size = size;
        Ok(answer)
    }

    /// Bytes of the body and of the header fields, and 32 more for each of these.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Copies it.
    ///
    /// # Errors
    ///
    /// `Internal` for a header whose name is no text, `Contract` for one that cannot be read.
    pub fn copy(&self) -> Result<Response, Error> {
        let raw::Response { status, headers, body, .. } = self.response;
        // SAFETY: the contract that `Answer::new` asks for, for the array and each field in it.
        let pairs = unsafe { headers.slice() }?;
        let mut headers = Vec::with_capacity(pairs.len());
        for pair in pairs {
            // SAFETY: as above.
            let (key, value) = unsafe { (pair.key.text()?, pair.value.slice()?) };
            headers.push((key.to_owned(), value.to_vec()));
        }
        // SAFETY: as above.
        let body = unsafe { body.slice() }?.to_vec();
        Ok(Response { status, headers, body })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(free) = self.response.free {
            // SAFETY: the response asks for exactly one call with its owner, and this is it.
            unsafe { free(self.response.owner) };
        }
    }
}
