//! Catches panics, which must not cross the boundary.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Error, ErrorKind};

/// Runs `call`; a panic becomes an error with its message.
///
/// Asserting unwind safety is right here because the error is [`ErrorKind::Panicked`], after which
/// the instance must not be used again.
pub(crate) fn catch<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(Error::new(ErrorKind::Panicked, message(payload))))
}

/// Runs `call`, whose caller expects no result; a panic ends it, and is not reported.
pub(crate) fn quietly(call: impl FnOnce()) {
    drop(catch(|| {
        call();
        Ok(())
    }));
}

/// The text of a panic. A payload that is no text is leaked: dropping it could panic again.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        std::mem::forget(payload);
        return "panicked".to_owned();
    };
    format!("panicked: {text}")
}
