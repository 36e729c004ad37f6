//! OTLP over gRPC.

use hyper::Uri;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::error::StartError;
use crate::retry_info;
use crate::send_error::{Again, SendError};

/// A client, which connects when it is needed, and again if the connection is lost.
pub(crate) struct Grpc {
    client: TraceServiceClient<Channel>,
    metadata: MetadataMap,
}

impl Grpc {
    pub(crate) fn new(uri: Uri, headers: &[(String, String)]) -> Result<Self, StartError> {
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            let refused = || StartError::Header(name.clone());
            let key = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            let mut value: tonic::metadata::AsciiMetadataValue =
                value.parse().map_err(|_| refused())?;
            value.set_sensitive(true);
            metadata.insert(key, value);
        }
        let channel = Endpoint::from(uri).connect_lazy();
        Ok(Self { client: TraceServiceClient::new(channel), metadata })
    }

    pub(crate) async fn send(
        &mut self,
        request: &ExportTraceServiceRequest,
    ) -> Result<u64, SendError> {
        let mut call = Request::new(request.clone());
        *call.metadata_mut() = self.metadata.clone();
        let answer = self.client.export(call).await.map_err(|status| failed(&status))?;
        let rejected = answer.into_inner().partial_success.map_or(0, |it| it.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or_default())
    }
}

/// The statuses after which the protocol allows another attempt. A collector that has used up something says by a
/// time to wait that it will have it again.
fn failed(status: &Status) -> SendError {
    let asked = retry_info::read(status.details());
    let again = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Again::After(asked),
        Code::ResourceExhausted if asked.is_some() => Again::After(asked),
        _ => Again::Never,
    };
    let message = format!("the collector answered {:?}: {}", status.code(), status.message());
    SendError::new(again, message)
}
