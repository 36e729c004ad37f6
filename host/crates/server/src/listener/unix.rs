//! The file of a Unix socket: who may connect, a file that an earlier process left, and its removal.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a bound socket. Dropping it removes the file, unless another one is in its place. It is dropped before
/// its socket is closed, because the file of a closed socket may be replaced.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    /// The file of a socket that another process bound at this path, and will not remove.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)? })
    }

    /// Leaves the file to another process that listens on the same socket.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // It is gone already, or the folder does not let this user remove it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds a socket at this path, and lets those connect that `mode`, such as `0o600`, allows. A socket that an
/// earlier process left there is replaced; one on which a process listens, or another file, is not.
pub(super) fn bind(path: &Path, mode: u32, backlog: i32) -> io::Result<(Socket, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Until the socket listens, nobody can connect, whatever the mode is.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok((socket, file))
}

/// The device and the inode of a socket, by which it is the same.
fn id(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.file_type().is_socket() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((metadata.dev(), metadata.ino()))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let message = "expected a socket or no file at this path, found another file";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A process that is stopped does not accept: once its queue is full, connecting would wait for it.
    client.set_nonblocking(true)?;
    match client.connect(&SockAddr::unix(path)?) {
        Ok(()) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::ErrorKind::AddrInUse.into())
        }
        // Nobody listens.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other systems refuse a client whose queue is full as they do where nobody listens.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_listener_that_does_not_accept_is_noticed_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, _file) = bind(&path, 0o600, 1).unwrap();
        let mut clients = Vec::new();
        // Until its queue is full.
        loop {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            if client.connect(&SockAddr::unix(&path).unwrap()).is_err() {
                break;
            }
            clients.push(client);
        }
        let error = bind(&path, 0o600, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (first, file) = bind(&path, 0o600, 16).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = bind(&path, 0o600, 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "somebody listens");
        drop(file);
        assert!(!path.exists());
        drop(first);
        let (second, file) = bind(&path, 0o660, 16).unwrap();
        // As if the process had been killed: the file stays.
        drop(second);
        std::mem::forget(file);
        let (_third, file) = bind(&path, 0o660, 16).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "text").unwrap();
        drop(file);
        let error = bind(&path, 0o600, 16).unwrap_err();
        assert!(error.to_string().contains("found another file"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }
}
