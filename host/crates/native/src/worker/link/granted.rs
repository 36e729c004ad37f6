//! What a worker is granted beyond its library, as its first frame says it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use plugbay_core::{FolderGrant, Grants};
use serde::{Deserialize, Serialize};

/// The granted folders and ports. The granted environment is set when the program starts.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// Folders to read, by their paths as the system has them.
    read: Vec<Vec<u8>>,
    /// Folders to read and write.
    write: Vec<Vec<u8>>,
    /// The ports that it may connect to, if any.
    pub(crate) network: Option<Ports>,
}

/// Ports, of any machine: the system checks the port of a connection, but not its address.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ports {
    All,
    These(Vec<u16>),
}

impl Granted {
    /// The part of `grants` that the host sends to a worker.
    pub(crate) fn of(grants: &Grants) -> Self {
        let folders = |write| -> Vec<Vec<u8>> {
            let folders = grants.files.iter().filter(|folder| folder.write == write);
            folders.map(|folder| folder.host.clone().into_os_string().into_vec()).collect()
        };
        let ports: Option<Vec<u16>> = grants.network.iter().map(|grant| grant.port).collect();
        let ports = ports.map_or(Ports::All, Ports::These);
        Self {
            read: folders(false),
            write: folders(true),
            network: (!grants.network.is_empty()).then_some(ports),
        }
    }

    /// The folders that the worker may read but not write.
    pub(crate) fn read(&self) -> impl Iterator<Item = &Path> {
        self.read.iter().map(|path| Path::new(OsStr::from_bytes(path)))
    }

    /// The folders that the worker may read and write.
    pub(crate) fn write(&self) -> impl Iterator<Item = &Path> {
        self.write.iter().map(|path| Path::new(OsStr::from_bytes(path)))
    }

    /// Whether any folder or network is granted.
    pub(crate) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// A granted folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("expected the granted folder {} to be readable: {reason}", .folder.display())]
pub(crate) struct NoFolder {
    folder: PathBuf,
    reason: std::io::Error,
}

/// Checks that the granted folders exist and can be read.
pub(crate) fn check(folders: &[FolderGrant]) -> Result<(), NoFolder> {
    let check = |folder: &FolderGrant| match fs::read_dir(&folder.host) {
        Ok(_) => Ok(()),
        Err(reason) => Err(NoFolder { folder: folder.host.clone(), reason }),
    };
    folders.iter().try_for_each(check)
}

#[cfg(test)]
mod tests {
    use plugbay_core::{HostPattern, NetworkGrant};

    use super::*;

    #[test]
    fn one_grant_of_all_ports_opens_all() {
        let of = |ports: &[Option<u16>]| {
            let grant =
                |port: &Option<u16>| NetworkGrant { host: HostPattern::Loopback, port: *port };
            let network = ports.iter().map(grant).collect();
            Granted::of(&Grants { network, ..Grants::default() }).network
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[Some(80), Some(443)]), Some(Ports::These(vec![80, 443])));
        assert_eq!(of(&[Some(80), None]), Some(Ports::All));
    }
}
