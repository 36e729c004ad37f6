//! What a worker is granted beyond its library, as it is told.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use plugbay_core::{FolderGrant, Grants};
use serde::{Deserialize, Serialize};

/// Folders and ports. Its environment it has from its start.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// Folders to read, as the system spells their paths.
    read: Vec<Vec<u8>>,
    /// Folders to read and write.
    write: Vec<Vec<u8>>,
    /// Where it may connect to, if anywhere.
    pub(crate) network: Option<Ports>,
}

/// The ports of any machine: what a connection is to, only its addresses tell, and those nobody
/// checks.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ports {
    All,
    These(Vec<u16>),
}

impl Granted {
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

    /// The folders that it may read but not write.
    pub(crate) fn read(&self) -> impl Iterator<Item = &Path> {
        self.read.iter().map(|path| Path::new(OsStr::from_bytes(path)))
    }

    /// The folders that it may read and write.
    pub(crate) fn write(&self) -> impl Iterator<Item = &Path> {
        self.write.iter().map(|path| Path::new(OsStr::from_bytes(path)))
    }

    /// Whether there are folders, or a network.
    pub(crate) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// A granted folder that is not there.
#[derive(Debug, thiserror::Error)]
#[error("expected the granted folder {} to be readable: {reason}", .folder.display())]
pub(crate) struct NoFolder {
    folder: PathBuf,
    reason: std::io::Error,
}

/// Sees that the folders are there.
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
