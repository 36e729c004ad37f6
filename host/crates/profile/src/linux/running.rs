//! One profile at a time: there is one signal, and one handler of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::ProfileError;

/// When the profile ends that is being recorded.
static ENDS: Mutex<Option<Instant>> = Mutex::new(None);

/// The right to record a profile, until it is dropped.
pub(super) struct Running(());

impl Running {
    /// # Errors
    ///
    /// If a profile is being recorded.
    pub(super) fn begin(duration: Duration) -> Result<Self, ProfileError> {
        let now = Instant::now();
        let mut ends = ENDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ends) = *ends {
            return Err(ProfileError::Busy { ends_in: ends.saturating_duration_since(now) });
        }
        *ends = Some(now + duration);
        Ok(Self(()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *ENDS.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
