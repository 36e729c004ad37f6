//! Why an exporter does not start.

use std::io;

/// Why an exporter does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The endpoint is no URL of a collector.
    #[error("expected a URL such as http://127.0.0.1:4317 for spans: {0}")]
    Endpoint(String),
    /// A header field cannot be sent. Its value is not shown.
    #[error("the header field {0:?} for the collector of spans cannot be sent: expected ASCII")]
    Header(String),
    /// The operating system gives no thread.
    #[error("cannot start a thread that sends spans: {0}")]
    Thread(#[from] io::Error),
}
