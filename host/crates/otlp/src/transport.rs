//! Sends one batch once.

use hyper::Uri;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::error::StartError;
use crate::grpc::Grpc;
use crate::http::Http;
use crate::send_error::SendError;
use crate::settings::{Protocol, Settings};

/// Sends batches by the protocol of the settings.
pub(crate) enum Transport {
    Grpc(Grpc),
    Http(Http),
}

impl Transport {
    /// Called within the runtime in which batches are sent.
    pub(crate) fn new(settings: &Settings) -> Result<Self, StartError> {
        let uri: Uri =
            settings.endpoint.parse().map_err(|error| StartError::Endpoint(format!("{error}")))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(StartError::Endpoint("found another scheme, or no host".into()));
        }
        Ok(match settings.protocol {
            Protocol::Grpc => Self::Grpc(Grpc::new(uri, &settings.headers)?),
            Protocol::Http => Self::Http(Http::new(&uri, &settings.headers)?),
        })
    }

    /// Sends a batch. Returns how many of its spans the collector rejected.
    pub(crate) async fn send(
        &mut self,
        request: &ExportTraceServiceRequest,
    ) -> Result<u64, SendError> {
        match self {
            Self::Grpc(grpc) => grpc.send(request).await,
            Self::Http(http) => http.send(request).await,
        }
    }
}
