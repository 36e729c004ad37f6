//! The bounds of connections, headers and HTTP/2 in `[server]`.

use std::time::Duration;

use serde::Serialize;

use crate::config::read::section::Section;
use crate::config::value::duration::{self, DAY, MILLISECOND, SECOND};
use crate::config::value::size::Size;

/// The bounds of connections, headers and HTTP/2. A connection keeps those with which it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionSettings {
    /// Needs a restart. The most open connections, if the system allows as many descriptors.
    pub max_connections: u32,
    /// The most of them of one client; 0 = half of them.
    pub max_connections_per_client: u32,
    /// The requests after which a connection ends; 0 = never.
    pub max_requests_per_connection: u32,
    /// The largest header, with its request line.
    pub max_header: Size,
    /// The most fields of a header.
    pub max_header_fields: u32,
    /// The longest time in which a header arrives.
    #[serde(serialize_with = "duration::serialize")]
    pub header_timeout: Duration,
    /// How long a connection without a request stays open.
    #[serde(serialize_with = "duration::serialize")]
    pub idle_timeout: Duration,
    /// HTTP/2: the most requests at the same time on a connection.
    pub http2_streams: u32,
    /// HTTP/2: the requests that a client may reset before their answers have begun.
    pub http2_resets: u32,
    /// HTTP/2: the requests that may be refused for errors of the client.
    pub http2_refused: u32,
    /// HTTP/2: the bytes of one request's body that a client may send unasked.
    pub http2_stream_window: Size,
    /// HTTP/2: the same for all bodies of a connection.
    pub http2_connection_window: Size,
    /// HTTP/2: the bytes of an answer that are kept for a client that does not read.
    pub http2_send_buffer: Size,
    /// HTTP/2: how long a connection takes requests.
    #[serde(serialize_with = "duration::serialize")]
    pub http2_age: Duration,
}

impl Default for ConnectionSettings {
    fn default() -> ConnectionSettings {
        ConnectionSettings {
            max_connections: 8192,
            max_connections_per_client: 0,
            max_requests_per_connection: 0,
            max_header: Size::kib(32),
            max_header_fields: 100,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            http2_streams: 128,
            http2_resets: 32,
            http2_refused: 128,
            http2_stream_window: Size::kib(256),
            http2_connection_window: Size::mib(1),
            http2_send_buffer: Size::kib(256),
            http2_age: Duration::from_mins(10),
        }
    }
}

pub(super) fn read(section: &mut Section<'_, '_>, bounds: &mut ConnectionSettings) {
    section.read_within("max_connections", &mut bounds.max_connections, 1..=1_000_000);
    section.read_within(
        "max_connections_per_client",
        &mut bounds.max_connections_per_client,
        0..=1_000_000,
    );
    section.read_within(
        "max_requests_per_connection",
        &mut bounds.max_requests_per_connection,
        0..=1_000_000_000,
    );
    // hyper's buffer is no smaller.
    section.read_within("max_header", &mut bounds.max_header, Size::kib(8)..=Size::mib(1));
    section.read_within("max_header_fields", &mut bounds.max_header_fields, 8..=10_000);
    section.read_within("header_timeout", &mut bounds.header_timeout, MILLISECOND..=DAY);
    section.read_within("idle_timeout", &mut bounds.idle_timeout, SECOND..=DAY);
    section.read_within("http2_streams", &mut bounds.http2_streams, 1..=10_000);
    section.read_within("http2_resets", &mut bounds.http2_resets, 1..=10_000);
    section.read_within("http2_refused", &mut bounds.http2_refused, 1..=100_000);
    // A window is at least what each client may send at once (RFC 9113, section 6.9.2), and at most 2^31 - 1.
    let windows = Size::kib(64)..=Size::gib(1);
    section.read_within("http2_stream_window", &mut bounds.http2_stream_window, windows.clone());
    section.read_within("http2_connection_window", &mut bounds.http2_connection_window, windows);
    section.read_within(
        "http2_send_buffer",
        &mut bounds.http2_send_buffer,
        Size::kib(16)..=Size::gib(1),
    );
    section.read_within("http2_age", &mut bounds.http2_age, SECOND..=DAY);
}
