//! The future of an asynchronous codec call.

use std::pin::Pin;

use crate::CallError;

/// A future of a codec's answer.
pub type CodecFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send + 'a>>;
