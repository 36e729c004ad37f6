//! The configuration that was last in force, for a host that starts while its file has a mistake.
//!
//! The text of the file is kept in the cache folder (`host.cache`), under a name made of the file's absolute
//! path, because hosts may share a cache. It is the text of the file only: what comes from the environment
//! or from flags is applied to it as to the file itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use plugbay_core::Digest;
use toml::de::{DeTable, DeValue};

use super::text;

/// Where the text of this configuration file is kept.
fn place(cache: &Path, file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let digest = Digest::of(file.as_os_str().as_encoded_bytes());
    cache.join(format!("config-{}.toml", digest.hex()))
}

/// Keeps the text of this configuration file, readable for the host's user only.
///
/// # Errors
/// If the cache folder cannot be written to. Then what was kept before stays.
pub(crate) fn keep(cache: &Path, file: &Path, text: &str) -> io::Result<()> {
    let place = place(cache, file);
    if fs::read_to_string(&place).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    write(&place, text)
}

/// Writes a file in place of another one, readable for the host's user only.
///
/// # Errors
/// If the folder cannot be written to. Then what was there before stays.
pub(crate) fn write(place: &Path, text: &str) -> io::Result<()> {
    let temporary = place.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // A rename must not become permanent before the text does.
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, place)).inspect_err(|_| {
        // It may not exist.
        let _ = fs::remove_file(&temporary);
    })
}

/// The kept text of this configuration file, if there is one.
pub(crate) fn read(cache: &Path, file: &Path) -> Option<String> {
    text::read(&place(cache, file)).text.ok()
}

/// The cache folder that a file names whose text may have a mistake, if that part of it can be read.
pub(crate) fn named_cache(broken: &str) -> Option<String> {
    let (table, _errors) = DeTable::parse_recoverable(broken);
    let DeValue::Table(host) = table.get_ref().get("host")?.get_ref() else { return None };
    let DeValue::String(cache) = host.get("cache")?.get_ref() else { return None };
    Some(cache.to_string())
}
