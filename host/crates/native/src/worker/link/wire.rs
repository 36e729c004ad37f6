//! The frames of a lane: a fixed header, a little metadata, and raw bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | the operation, [`Op`] |
//! | 1 | the status of a reply, as in the ABI |
//! | 2..4 | of [`Op::Call`]: the function of a kind; of its reply: what the kind has there, such as an HTTP status; of a failed reply: [`TOO_LARGE`], [`LAST`], or a [`Fault`](crate::fault::Fault) |
//! | 4..8 | the capability's index, the level of a log line, or the kind of a metric |
//! | 8..12 | bytes of metadata |
//! | 12..16 | bytes of body |
//!
//! Numbers are little-endian. Both ends are of one build, so only the first frame, [`Setup`], has a
//! version.

use std::time::Duration;

use plugbay_abi::{CodecInfo, Error, ErrorKind, Status};
use serde::{Deserialize, Serialize};

use super::error::LaneError;
use super::granted::Granted;

/// The most lanes of a worker, whatever its plugin's policy says: as many descriptors as one
/// message carries, with some to spare.
pub(crate) const MAX_LANES: usize = 128;
/// The size of a header.
pub(crate) const HEADER: usize = 16;
/// The most bytes of a body, in either direction.
pub(crate) const MAX_BODY: usize = 256 << 20;
/// The most bytes of a body on the control socket.
pub(crate) const MAX_CONTROL: usize = 64 * 1024;
/// The most bytes of an error's message, which is a sentence. Both sides cut a longer one.
pub(crate) const MAX_MESSAGE: usize = 8 * 1024;
/// The most bytes of metadata.
pub(crate) const MAX_META: usize = 1 << 20;
/// In the field `code` of a failed reply: the answer was larger than allowed.
pub(crate) const TOO_LARGE: u16 = 1;
/// In the field `code` of a failed reply: the worker cannot serve another call.
pub(crate) const LAST: u16 = 2;
/// The version of this protocol.
pub(crate) const PROTOCOL: u32 = 7;

/// The operation of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    /// Host to worker, the first frame: what to load, and the lanes.
    Setup = 1,
    /// Host to worker: a function of the vtable.
    Describe,
    Create,
    Health,
    Shutdown,
    /// Host to worker: a function of a kind, which the field `code` says.
    Call,
    /// Worker to host: the result of that function.
    #[default]
    Reply,
    /// Worker to host, during a call: a function of the host. The first four get no answer.
    Log,
    MetricAdd,
    MetricSet,
    MetricObserve,
    MetricDescribe,
    LogEnabled,
    Codecs,
    HostEncode,
    HostDecode,
    CallInfo,
    /// Host to worker: the result of a function of the host.
    HostReply,
}

impl Op {
    const ALL: [Op; 18] = [
        Op::Setup,
        Op::Describe,
        Op::Create,
        Op::Health,
        Op::Shutdown,
        Op::Call,
        Op::Reply,
        Op::Log,
        Op::MetricAdd,
        Op::MetricSet,
        Op::MetricObserve,
        Op::MetricDescribe,
        Op::LogEnabled,
        Op::Codecs,
        Op::HostEncode,
        Op::HostDecode,
        Op::CallInfo,
        Op::HostReply,
    ];
}

/// The fixed part of a frame, without the lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) op: Op,
    pub(crate) status: u8,
    pub(crate) code: u16,
    pub(crate) index: u32,
}

impl Head {
    pub(crate) fn new(op: Op) -> Self {
        Self { op, ..Self::default() }
    }

    pub(crate) fn indexed(op: Op, index: u32) -> Self {
        Self { index, ..Self::new(op) }
    }

    /// The head of a failed reply, whose body is the message.
    pub(crate) fn failed(op: Op, kind: ErrorKind) -> Self {
        let status = u8::try_from(Status::from(kind).0).unwrap_or(u8::MAX);
        Self { status, ..Self::new(op) }
    }

    /// The header's bytes, with the lengths of what follows it.
    pub(crate) fn write(self, meta: usize, body: usize) -> Result<[u8; HEADER], LaneError> {
        let size = |found: usize, limit: usize| match u32::try_from(found) {
            Ok(size) if found <= limit => Ok(size.to_le_bytes()),
            _ => Err(LaneError::TooLarge { found, limit }),
        };
        let [c0, c1] = self.code.to_le_bytes();
        let [i0, i1, i2, i3] = self.index.to_le_bytes();
        let [m0, m1, m2, m3] = size(meta, MAX_META)?;
        let [b0, b1, b2, b3] = size(body, MAX_BODY)?;
        let op = self.op as u8;
        Ok([op, self.status, c0, c1, i0, i1, i2, i3, m0, m1, m2, m3, b0, b1, b2, b3])
    }

    /// Reads a header and the lengths of what follows it, which are checked.
    pub(crate) fn read(bytes: [u8; HEADER], max_body: usize) -> Result<Parsed, LaneError> {
        let [op, status, c0, c1, i0, i1, i2, i3, m0, m1, m2, m3, b0, b1, b2, b3] = bytes;
        let op = Op::ALL
            .into_iter()
            .find(|known| *known as u8 == op)
            .ok_or_else(|| LaneError::Protocol(format!("expected an operation, found {op}")))?;
        let size = |bytes, limit: usize| match usize::try_from(u32::from_le_bytes(bytes)) {
            Ok(size) if size <= limit => Ok(size),
            _ => Err(LaneError::Protocol(format!(
                "expected at most {limit} bytes, found {}",
                u32::from_le_bytes(bytes)
            ))),
        };
        let code = u16::from_le_bytes([c0, c1]);
        let index = u32::from_le_bytes([i0, i1, i2, i3]);
        let meta = size([m0, m1, m2, m3], MAX_META)?;
        let body = size([b0, b1, b2, b3], max_body)?;
        Ok(Parsed { head: Head { op, status, code, index }, meta, body })
    }
}

/// A header that was read, and the lengths of what follows it.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) head: Head,
    pub(crate) meta: usize,
    pub(crate) body: usize,
}

/// A frame that was received. Receiving the next one into it reuses its buffers.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) head: Head,
    pub(crate) meta: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// The reply itself if it is a success, or its error.
    pub(crate) fn into_result(self) -> Result<Frame, Error> {
        match Status(u32::from(self.head.status)) {
            Status::OK => Ok(self),
            failed => {
                let message = &self.body[..self.body.len().min(MAX_MESSAGE)];
                let message = String::from_utf8_lossy(message).into_owned();
                Err(Error::new(failed.into(), message))
            }
        }
    }

    /// Deserializes the metadata.
    pub(crate) fn parse_meta<'a, T: Deserialize<'a>>(&'a self) -> Result<T, LaneError> {
        postcard::from_bytes(&self.meta).map_err(|error| {
            LaneError::Protocol(format!("expected valid metadata, found: {error}"))
        })
    }

    /// The metadata as text.
    pub(crate) fn text(&self) -> Result<&str, LaneError> {
        std::str::from_utf8(&self.meta)
            .map_err(|error| LaneError::Protocol(format!("expected text in UTF-8, found: {error}")))
    }
}

/// Serializes metadata.
pub(crate) fn encode_meta<T: Serialize>(value: &T) -> Result<Vec<u8>, LaneError> {
    postcard::to_stdvec(value).map_err(|error| LaneError::Protocol(error.to_string()))
}

/// The first frame to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// [`PROTOCOL`].
    pub(crate) protocol: u32,
    /// The library's path, as the system spells it.
    pub(crate) library: Vec<u8>,
    /// How many lanes come with this frame.
    pub(crate) lanes: usize,
    /// The most bytes of a body that leaves the worker.
    pub(crate) output: usize,
    /// The memory that the plugin may use, in bytes.
    pub(crate) memory: u64,
    /// What the plugin is granted.
    pub(crate) granted: Granted,
    /// How long an end of a lane may spin before it sleeps.
    pub(crate) spin: Duration,
}

/// The metadata of [`Op::Log`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogLine<'a> {
    pub(crate) message: &'a str,
    #[serde(borrow)]
    pub(crate) fields: Vec<(&'a str, &'a str)>,
}

/// The metadata of [`Op::MetricDescribe`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MetricMeta<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) buckets: Vec<f64>,
}

/// The metadata of the answer to [`Op::CallInfo`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallMeta {
    pub(crate) request_id: Option<String>,
    pub(crate) generation: Option<u64>,
    pub(crate) trace_parent: Option<String>,
    pub(crate) trace_state: Option<String>,
    /// The time until the deadline, when the host answered.
    pub(crate) time_left: Option<Duration>,
}

/// One codec in the metadata of the answer to [`Op::Codecs`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CodecMeta {
    name: String,
    media_types: Vec<String>,
}

impl From<CodecInfo> for CodecMeta {
    fn from(info: CodecInfo) -> Self {
        Self { name: info.name, media_types: info.media_types }
    }
}

impl From<CodecMeta> for CodecInfo {
    fn from(codec: CodecMeta) -> Self {
        Self { name: codec.name, media_types: codec.media_types }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_survives_a_round_trip() {
        for op in Op::ALL {
            let head = Head { op, status: 3, code: 404, index: 7 };
            let bytes = head.write(5, 6).unwrap();
            let parsed = Head::read(bytes, 6).unwrap();
            assert_eq!((parsed.head, parsed.meta, parsed.body), (head, 5, 6));
        }
    }

    proptest! {
        /// Any bytes of a worker are read within bounds, or refused.
        #[test]
        fn any_frame_is_refused_or_within_bounds(
            header in any::<[u8; HEADER]>(),
            meta in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(parsed) = Head::read(header, 1000) {
                prop_assert!(parsed.meta <= MAX_META && parsed.body <= 1000);
            }
            let frame = Frame { meta, ..Frame::default() };
            let _ = frame.parse_meta::<LogLine<'_>>();
            let _ = frame.parse_meta::<CallMeta>();
            let _ = frame.parse_meta::<MetricMeta<'_>>();
            let _ = frame.parse_meta::<Vec<(String, Vec<u8>)>>();
            let _ = frame.parse_meta::<crate::worker::state::Protections>();
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let head = Head::failed(Op::Reply, ErrorKind::Internal);
        let error = Frame { head, body: vec![b'x'; 1 << 20], ..Frame::default() }.into_result();
        assert_eq!(error.unwrap_err().message.len(), MAX_MESSAGE);
    }

    #[test]
    fn an_unknown_or_too_large_frame_is_refused() {
        let good = Head::new(Op::Reply).write(0, 100).unwrap();
        assert!(matches!(Head::read(good, 99), Err(LaneError::Protocol(_))));
        assert!(matches!(Head::read([0; HEADER], 99), Err(LaneError::Protocol(_))));
        assert!(matches!(Head::read([0xff; HEADER], MAX_BODY), Err(LaneError::Protocol(_))));
        let large = Head::new(Op::Reply).write(0, MAX_BODY + 1);
        assert!(matches!(large, Err(LaneError::TooLarge { .. })));
    }
}
