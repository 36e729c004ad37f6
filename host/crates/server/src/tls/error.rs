//! Why a certificate cannot be used.

use std::io;
use std::path::PathBuf;

/// Why the TLS of a plane cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file has something else in it.
    #[error("expected {expected} as PEM in {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// The certificate and the key do not belong together, or cannot be used.
    #[error("cannot use the certificate in {} with the key in {}: {message}", certificate.display(), key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        message: String,
    },
    /// The authorities of clients cannot be used.
    #[error("cannot use the authorities in {}: {message}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

impl TlsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "write the file, or name another one".into()
            }
            Self::Read { .. } => "let the host's user read it".into(),
            Self::Pem { .. } => {
                "write it as PEM: -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----".into()
            }
            Self::Pair { .. } => {
                "write the certificate first and then those between it and a root, \
                                  and the key of the first one"
                    .into()
            }
            Self::Authorities { .. } => "write certificates of authorities (CA:TRUE)".into(),
        }
    }
}
