//! Adds the hash of a new token to the file. The file is replaced as a whole, so that a host reads the old one or the
//! new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::caller::Permission;
use super::list::{TokenList, TokensError, check_name};
use super::token::Token;

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewTokenError {
    /// The name cannot be used.
    #[error("expected {0}")]
    Name(String),
    /// The file has a token of this name.
    #[error("expected a new name, found a token {name:?} in {}", path.display())]
    Exists {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The file is not one of tokens.
    #[error(transparent)]
    File(#[from] TokensError),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// Makes a token, and adds its hash to `file`, which is made, readable by its owner only, if there is none. A running
/// host accepts the token within a second or two.
///
/// # Errors
///
/// If the name is used already or invalid, or the file is not one of tokens or cannot be written. It is then as it
/// was.
#[expect(clippy::needless_pass_by_value, reason = "callers write the role down")]
pub fn new_token<R: Permission>(file: &Path, name: &str, role: R) -> Result<Token, NewTokenError> {
    check_name(name).map_err(NewTokenError::Name)?;
    // Behind a link, the file itself is replaced.
    let path = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let failed = |source| NewTokenError::Write { path: path.clone(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Two commands at the same time would each write a file without the token of the other. The lock is on the
    // folder, because the file is replaced.
    let lock = File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let (list, mut bytes) = match TokenList::<R>::read(&path) {
        Ok(found) => found,
        Err(TokensError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            (TokenList::default(), Vec::new())
        }
        Err(error) => return Err(error.into()),
    };
    if list.has(name) {
        return Err(NewTokenError::Exists { name: name.to_owned(), path: path.clone() });
    }
    let token = Token::random().map_err(failed)?;
    if bytes.last().is_some_and(|&last| last != b'\n') {
        bytes.push(b'\n');
    }
    bytes.extend(format!("{name} {role} {}\n", token.hash()).bytes());
    // What no host would read is not written.
    TokenList::<R>::parse(&path, &bytes)?;
    replace(&path, folder, &bytes).map_err(failed)?;
    Ok(token)
}

/// Writes the file beside the old one, with its owner and permissions, and renames it.
fn replace(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    // Mode 0600.
    let mut new = tempfile::Builder::new().prefix(".tokens-").tempfile_in(folder)?;
    new.write_all(bytes)?;
    #[cfg(unix)]
    if let Ok(old) = fs::metadata(path) {
        use std::os::unix::fs::MetadataExt as _;
        // Only root can give a file away; for others it is theirs already, or the host tells that it cannot read it.
        let _ = std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid()));
        new.as_file().set_permissions(old.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    // The rename itself.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    #[test]
    fn a_token_is_added_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let first = new_token(&path, "ada", Role::Operator).unwrap();
        fs::write(&path, [b"# mine\n", fs::read(&path).unwrap().trim_ascii()].concat()).unwrap();
        let second = new_token(&path, "bob", Role::Viewer).unwrap();
        let (list, bytes) = TokenList::<Role>::read(&path).unwrap();
        assert!(bytes.starts_with(b"# mine\nada operator "));
        assert_eq!(&*list.find(first.reveal()).unwrap().name, "ada");
        assert_eq!(list.find(second.reveal()).unwrap().role, Role::Viewer);
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains(first.reveal()), "only its hash");
        let again = new_token(&path, "ada", Role::Viewer).unwrap_err();
        assert!(matches!(again, NewTokenError::Exists { .. }), "{again}");
        assert!(matches!(new_token(&path, "a b", Role::Viewer), Err(NewTokenError::Name(_))));
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(new_token(&path, "eve", Role::Viewer), Err(NewTokenError::File(_))));
        assert_eq!(fs::read(&path).unwrap(), b"nonsense");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_links_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("tokens"), folder.path().join("link"));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        new_token(&path, "ada", Role::Operator).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        new_token(&link, "bob", Role::Viewer).unwrap();
        assert_eq!(mode(), 0o640);
        assert!(link.is_symlink());
        assert_eq!(TokenList::<Role>::read(&path).unwrap().0.len(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn tokens_that_are_made_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || new_token(path, &format!("n{number}"), Role::Viewer).unwrap());
            }
        });
        assert_eq!(TokenList::<Role>::read(&path).unwrap().0.len(), 8);
    }
}
