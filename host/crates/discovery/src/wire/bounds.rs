//! How large a registration may be. All of it is kept in memory and sent to every watcher.

use std::time::Duration;

pub(super) const MAX_ENTRIES: usize = 64;
/// The longest key of metadata and the longest tag, in bytes.
pub(super) const MAX_WORD: usize = 64;
/// The longest value of metadata, in bytes.
pub(super) const MAX_VALUE: usize = 512;
/// The longest path of a check and the longest name of a gRPC service, in bytes.
pub(super) const MAX_PATH: usize = 512;
/// The longest output of a health report that is kept, in bytes.
pub(super) const MAX_OUTPUT: usize = 1024;

pub(super) const TTL: Bounds =
    Bounds { least: Duration::from_millis(100), most: Duration::from_secs(24 * 3600) };
pub(super) const INTERVAL: Bounds =
    Bounds { least: Duration::from_millis(100), most: Duration::from_secs(3600) };
pub(super) const TIMEOUT: Bounds =
    Bounds { least: Duration::from_millis(10), most: Duration::from_secs(60) };
pub(super) const DEREGISTER_AFTER: Bounds =
    Bounds { least: Duration::from_secs(1), most: Duration::from_secs(7 * 24 * 3600) };
/// The most checks in a row that may be needed for a change of the status.
pub(super) const MAX_STREAK: u64 = 100;

/// The shortest and the longest value of a duration.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    least: Duration,
    most: Duration,
}

impl Bounds {
    pub(super) fn check(self, value: Duration) -> Result<Duration, String> {
        let Self { least, most } = self;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let text = humantime::format_duration;
        Err(format!("expected {} to {}, found {}", text(least), text(most), text(value)))
    }
}

/// A word of printable ASCII without spaces: tags, and keys of metadata.
pub(super) fn word(text: &str) -> Result<(), String> {
    if (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let found = super::invalid::shortened(text);
    Err(format!(
        "expected 1 to {MAX_WORD} printable ASCII characters without spaces, found {found}"
    ))
}

/// A text without control characters, at most `most` bytes long.
pub(super) fn text(text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("expected at most {most} bytes, found {}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("expected no control characters".into());
    }
    Ok(())
}
