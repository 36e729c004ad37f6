//! What an operator sets.

use std::fmt;
use std::time::Duration;

/// Where spans are sent, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The URL of the collector: `http://HOST:PORT`, and with [`Protocol::Http`] maybe a path, to which `/v1/traces` is
    /// added.
    pub endpoint: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The attribute `service.name` of all spans.
    pub service_name: String,
    /// Header fields for the collector, such as its credentials: names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// How long it may take to send a batch, further attempts included.
    pub timeout: Duration,
}

/// The protocol by which spans are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP/1.1, as protobuf.
    Http,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("service_name", &self.service_name)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .finish()
    }
}
