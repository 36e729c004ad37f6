//! What was tried in vain, remembered for a day, so that an offline machine does not try at each build.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a failure is believed.
pub(crate) const BELIEVED: Duration = Duration::from_hours(24);

/// One remembered failure: a small file that holds the reason.
pub(crate) struct Memo {
    file: PathBuf,
}

impl Memo {
    pub(crate) fn new(cache: &Path, what: &str) -> Self {
        Self { file: cache.join(format!("failed-{what}.txt")) }
    }

    /// The reason of a failure that is still believed at `now`.
    pub(crate) fn failure(&self, now: SystemTime) -> Option<String> {
        let written = fs::metadata(&self.file).and_then(|meta| meta.modified()).ok()?;
        // A file from the future (a clock set back) counts as old: trying once more does no harm.
        let age = now.duration_since(written).ok()?;
        (age < BELIEVED)
            .then(|| fs::read_to_string(&self.file).unwrap_or_default().trim().to_owned())
    }

    /// Remembers a failure. Best effort: without it the next build tries again, which is only slower.
    pub(crate) fn remember(&self, reason: &str) {
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
    fn a_failure_is_believed_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::new(folder.path(), "rustup");
        assert_eq!(memo.failure(SystemTime::now()), None);
        memo.remember("no route to host\n");
        let now = SystemTime::now() + Duration::from_secs(1);
        assert_eq!(memo.failure(now).as_deref(), Some("no route to host"));
        assert_eq!(memo.failure(now + BELIEVED), None);
    }
}
