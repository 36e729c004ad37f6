//! Records failures for a day, so that an offline machine does not try again at each build.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a recorded failure is valid.
pub(crate) const VALID_FOR: Duration = Duration::from_hours(24);

/// The record of a failure: a small file with the reason.
pub(crate) struct Memo {
    file: PathBuf,
}

impl Memo {
    pub(crate) fn new(cache: &Path, what: &str) -> Self {
        Self { file: cache.join(format!("failed-{what}.txt")) }
    }

    /// The reason of a recorded failure that is still valid at `now`.
    pub(crate) fn failure(&self, now: SystemTime) -> Option<String> {
        let written = fs::metadata(&self.file).and_then(|meta| meta.modified()).ok()?;
        // A file from the future, after the clock was set back, counts as expired.
        let age = now.duration_since(written).ok()?;
        (age < VALID_FOR)
            .then(|| fs::read_to_string(&self.file).unwrap_or_default().trim().to_owned())
    }

    /// Records a failure. Errors are ignored: without the record the next build is only slower.
    pub(crate) fn record(&self, reason: &str) {
        if let Some(folder) = self.file.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = fs::write(&self.file, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_valid_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::new(folder.path(), "rustup");
        assert_eq!(memo.failure(SystemTime::now()), None);
        memo.record("no route to host\n");
        let now = SystemTime::now() + Duration::from_secs(1);
        assert_eq!(memo.failure(now).as_deref(), Some("no route to host"));
        assert_eq!(memo.failure(now + VALID_FOR), None);
    }
}
