//! The caller's side of the kind `handler`.

use std::ptr;

use super::raw::{self, HandlerTable};
use super::{Request, Response};
use crate::Error;
use crate::convert::replied;
use crate::host::{HostCalls, Instance, host_ref};
use crate::kind::table::{Table, missing};
use crate::raw::{Array, Buf, Bytes, Pair};

impl Instance {
    /// Answers one request with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own; `Contract` if it does not list the kind `handler`.
    pub fn handle(
        &self,
        host: &dyn HostCalls,
        index: u32,
        request: Request<'_>,
    ) -> Result<Answer, Error> {
        let Some(table) = self.tables().handler else { return Err(missing(HandlerTable::KIND)) };
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
            (table.handle)(
                self.as_ptr(),
                host_ref(&host),
                index,
                &raw const request,
                &raw mut response,
                &raw mut error,
            )
        };
        // SAFETY: nothing else reads or frees the `error` that the plugin wrote, or left empty.
        unsafe { replied(status, error) }?;
        // SAFETY: with `OK` the plugin wrote a response that nothing else reads or frees.
        unsafe { Answer::new(response) }
    }
}

/// A response in the plugin's memory. Dropping it frees it there.
#[derive(Debug)]
pub struct Answer {
    response: raw::Response,
    size: usize,
}

impl Answer {
    /// How much a header field counts in addition to its bytes, as in HTTP/2 (RFC 9113, 6.5.2).
    const FIELD: usize = 32;

    /// Takes ownership of a response, and computes its size.
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

    /// The size in bytes: the body, the header fields, and 32 more for each field.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Copies the response.
    ///
    /// # Errors
    ///
    /// `Internal` for a header field whose name is not UTF-8, `Contract` for one that cannot be read.
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
