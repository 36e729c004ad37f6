//! The answer on systems on which no profile can be recorded.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use plugbay_core::MachineCode;

use crate::error::ProfileError;
use crate::recording::Recording;

/// Records no profile.
///
/// # Errors
///
/// Always.
pub fn record(
    _duration: Duration,
    _stop: &Receiver<Infallible>,
    _code: impl Fn() -> Vec<Arc<dyn MachineCode>>,
) -> Result<Recording, ProfileError> {
    let message = "expected Linux on x86_64 or aarch64, whose signals and stacks the profiler knows; found another \
                   system: use its own profiler";
    Err(ProfileError::Unsupported(message.into()))
}
