//! Private folders, for code that this process will run.

use std::fs;
use std::io;
use std::path::Path;

/// Creates a folder that only this user can write to (mode 0700), or checks an existing one.
///
/// # Errors
///
/// A fragment that says what was found: the folder cannot be created, is a link or not a folder,
/// belongs to another user, or others can write to it.
pub fn private_folder(folder: &Path) -> Result<(), String> {
    make_private(folder).map_err(|error| error.to_string())?;
    check_private(folder)
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn check_private(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("not a folder (links are not followed)".into());
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("mode {:03o}: others can write to it", metadata.mode() & 0o777));
    }
    // A new file belongs to the user of this process.
    let probe = tempfile::tempfile_in(folder).map_err(|error| error.to_string())?;
    let user = probe.metadata().map_err(|error| error.to_string())?.uid();
    if metadata.uid() == user {
        Ok(())
    } else {
        Err(format!("it belongs to user {}, not to user {user}", metadata.uid()))
    }
}

#[cfg(not(unix))]
fn check_private(folder: &Path) -> Result<(), String> {
    if folder.is_dir() { Ok(()) } else { Err("not a folder".into()) }
}
