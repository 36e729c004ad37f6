//! By what a host's certificate is checked: by authorities, or by being the one of the configuration.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::failure::Failure;

/// The TLS of a client. Without `ca` the host's certificate must be the one in the file `pinned`.
pub(super) fn client(
    ca: Option<&Path>,
    pinned: Option<&Path>,
    identity: Option<&Path>,
) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let unusable = |error: Error| Failure::new(format!("cannot use TLS: {error}"));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match (ca, pinned) {
        (Some(ca), _) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(|error| {
                    Failure::usage(format!("expected an authority in {}: {error}", ca.display()))
                })?;
            }
            builder.with_root_certificates(roots)
        }
        (None, Some(pinned)) => {
            let certificate = certificates(pinned)?.swap_remove(0);
            let pinned = Pinned { certificate, algorithms };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
        }
        (None, None) => {
            return Err(Failure::usage("expected the authorities of the host's certificate")
                .hint("name their file: --ca FILE"));
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let chain = certificates(file)?;
            let wrong = || Failure::usage(format!("expected a key in {}", file.display()));
            let key = PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|_| wrong())?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                Failure::usage(format!("cannot use the identity in {}: {error}", file.display()))
            })?
        }
    };
    Ok(Arc::new(config))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

/// The certificates of a file: at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::usage(format!("expected certificates as PEM in {}", file.display()))),
    }
}

/// Accepts one certificate, with any names, from a host that has its key. A user who can read the configuration
/// of the host knows which one that is.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
