//! Why a server cannot listen, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use plugbay::config::ListenAddress;
use plugbay_discovery::StoreError;
use plugbay_discovery::dns::ZoneError;

use crate::access::TokensError;
use crate::audit::AuditError;
use crate::tls::TlsError;

/// What keeps a server from listening.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {address} ({key}): {}", cause(source))]
    Address {
        /// The configuration key of the address.
        key: &'static str,
        /// The address.
        address: ListenAddress,
        /// The operating system's error.
        source: io::Error,
    },
    /// An admin plane beyond this machine that everyone could use.
    #[error(
        "expected tokens and TLS for an admin plane at {0} (admin.listen), found at most one of them"
    )]
    Exposed(ListenAddress),
    /// A directory beyond this machine that everyone could use.
    #[error("expected tokens and TLS for a directory at {0}, found at most one of them")]
    ExposedDirectory(ListenAddress),
    /// A directory's zone that others than this machine could ask.
    #[error(
        "expected an address of this machine (loopback) for DNS, found {0}: DNS has no tokens, so everybody who reaches it reads all services"
    )]
    ExposedDns(SocketAddr),
    /// The address of a directory's zone cannot be listened on, by UDP and by TCP.
    #[error("cannot serve DNS at {address}, UDP and TCP: {}", cause(source))]
    Dns {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The file of the directory's endpoints cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    DirectoryStore {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The settings for another directory cannot be used.
    #[error("expected a directory to register in (discovery.directory): {0}")]
    OtherDirectory(String),
    /// The DNS zone of the directory cannot be served.
    #[error("expected the zone of the directory (discovery.zone): {0}")]
    DirectoryZone(#[source] ZoneError),
    /// The tokens of the directory cannot be used.
    #[error("expected the tokens of the directory: {0}")]
    DirectoryTokens(#[source] TokensError),
    /// The tokens of the admin plane (`admin.tokens`) cannot be used.
    #[error("expected the tokens of the admin plane (admin.tokens): {0}")]
    Tokens(#[from] TokensError),
    /// The audit log of the admin plane (`admin.audit`) cannot be used.
    #[error("expected the audit log of the admin plane (admin.audit): {0}")]
    Audit(#[from] AuditError),
    /// The TLS of a plane cannot be used.
    #[error("expected the TLS of a plane ({key}): {source}")]
    Tls {
        /// The configuration key.
        key: &'static str,
        /// Why.
        source: TlsError,
    },
    /// The operating system cannot start threads.
    #[error("cannot start threads: {0}")]
    Threads(#[source] io::Error),
    /// A listener that the runtime cannot watch.
    #[error("cannot serve a listener: {0}")]
    Listener(#[source] io::Error),
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens on this address".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::PermissionDenied => "this user may not listen on this address".into(),
        _ => error.to_string(),
    }
}

impl BindError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let (key, address, source) = match self {
            Self::Address { key, address, source } => (*key, address, source),
            Self::Exposed(_) => {
                return "set admin.tokens and admin.tls, or listen on 127.0.0.1".into();
            }
            Self::ExposedDirectory(_) => {
                return "name a file of tokens and a certificate, or listen on 127.0.0.1".into();
            }
            Self::ExposedDns(_) => {
                return "listen on 127.0.0.1, and let a resolver on this machine forward the zone to it; docs/directory-dns.md says how".into();
            }
            Self::Dns { .. } => return "choose another address, such as 127.0.0.1:8600".into(),
            Self::DirectoryStore { .. } => {
                return "name another file, or restore a backup; docs/directory.md says how".into();
            }
            Self::DirectoryTokens(_) => {
                return "make one: plugbay token new NAME --grants read:*,register:web-* --file FILE"
                    .into();
            }
            Self::OtherDirectory(_) => {
                return "see discovery.directory, discovery.token_file and discovery.ca in config.toml"
                    .into();
            }
            Self::DirectoryZone(_) => return "choose a short name, such as plugbay".into(),
            Self::Tokens(error) => return error.hint(),
            Self::Audit(error) => return error.hint(),
            Self::Tls { source, .. } => return source.hint(),
            Self::Threads(_) => {
                return "raise the limit of threads of this user or container".into();
            }
            Self::Listener(_) => return "raise the limit of open descriptors (ulimit -n)".into(),
        };
        let variable = format!("PLUGBAY_{}", key.replace('.', "_").to_ascii_uppercase());
        let (first, example) = match address.tcp() {
            Some(address) => (of_port(address, source), format!("{}:0", bracketed(address))),
            None => (of_socket(source), "unix:/another/path".to_owned()),
        };
        format!(
            "{first}choose another address: --set {key}={example}, {variable}, or the key in config.toml"
        )
    }
}

fn of_port(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("stop the process that listens on port {port}, or "),
        io::ErrorKind::PermissionDenied if port < 1024 => {
            "use a port of 1024 or above, with a proxy on the low port: ".into()
        }
        _ => String::new(),
    }
}

fn of_socket(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the process that listens on this socket, or ",
        io::ErrorKind::NotFound => "make the folder of the socket, or ",
        io::ErrorKind::AlreadyExists => "move that file away, or ",
        _ => "",
    }
    .to_owned()
}

/// The IP address, in brackets if it is IPv6, as it is written before a port.
fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_the_key_and_the_remedy() {
        let error = BindError::Address {
            key: "server.listen",
            address: SocketAddr::from(([127, 0, 0, 1], 7070)).into(),
            source: io::ErrorKind::AddrInUse.into(),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen on 127.0.0.1:7070 (server.listen): another process listens on this address"
        );
        assert_eq!(
            error.hint(),
            "stop the process that listens on port 7070, or choose another address: \
             --set server.listen=127.0.0.1:0, PLUGBAY_SERVER_LISTEN, or the key in config.toml"
        );
    }

    #[test]
    fn a_socket_in_use_names_the_remedy() {
        let error = BindError::Address {
            key: "admin.listen",
            address: ListenAddress::Unix("/run/plugbay.sock".into()),
            source: io::ErrorKind::AddrInUse.into(),
        };
        let hint = error.hint();
        assert!(hint.starts_with("stop the process that listens on this socket, or "), "{hint}");
        assert!(hint.contains("--set admin.listen=unix:/another/path"), "{hint}");
    }
}
