//! Reads the files of a plane's certificate, and makes a configuration of them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use plugbay::config::TlsSettings;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::error::TlsError;
use super::expiry::Validity;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The bytes of all files.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    pub(super) fn read(files: &TlsSettings) -> Result<Self, TlsError> {
        let has_ca = !files.client_ca.as_os_str().is_empty();
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: has_ca.then(|| read(&files.client_ca)).transpose()?,
        })
    }
}

/// A configuration that can be used.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    pub(super) validity: Validity,
}

impl Loaded {
    /// Each has a store of sessions of its own, so that no session of clients whose authority is gone is resumed.
    pub(super) fn new(files: &TlsSettings, contents: &Contents) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate, &contents.certificate)?;
        let validity = validity(&files.certificate, &chain)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| TlsError::Pem { path: files.key.clone(), expected: "a private key" })?;
        let pair = |message: String| TlsError::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            message,
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| pair(error.to_string()))?;
        let builder = match &contents.client_ca {
            None => builder.with_no_client_auth(),
            Some(bytes) => {
                let path = &files.client_ca;
                let wrong = |message: String| TlsError::Authorities { path: path.clone(), message };
                let roots = authorities(path, bytes)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.build().map_err(|error| wrong(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| pair(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), validity })
    }
}

/// The TLS of a client that trusts the authorities in a file.
pub(crate) fn trusting(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = authorities(path, &read(path)?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Authorities {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn authorities(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, bytes)? {
        roots.add(authority).map_err(|error| TlsError::Authorities {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    // Opening a pipe would wait for who writes to it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("expected a regular file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let message = format!("expected at most {MAX_FILE} bytes, found more");
        return Err(failed(io::Error::other(message)));
    }
    Ok(bytes)
}

/// The certificates of a file: at least one.
fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Pem { path: path.to_owned(), expected: "certificates" }),
    }
}

/// When the first certificate is valid.
fn validity(path: &Path, chain: &[CertificateDer<'_>]) -> Result<Validity, TlsError> {
    let certificate = chain.first().and_then(|der| Certificate::from_der(der).ok());
    let certificate = certificate
        .ok_or(TlsError::Pem { path: path.to_owned(), expected: "an X.509 certificate" })?;
    let validity = certificate.tbs_certificate.validity;
    Ok(Validity {
        not_before: validity.not_before.to_unix_duration(),
        not_after: validity.not_after.to_unix_duration(),
    })
}
