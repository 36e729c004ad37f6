//! A line of the audit log, and its hash.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use plugbay::timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The longest line, in bytes: the fields of a request are cut before.
pub(super) const MAX_LINE: usize = 16 << 10;

/// The hash before the first line of a log.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// From 1, without gaps.
    pub(super) seq: u64,
    #[serde(with = "timestamp")]
    pub(super) at: SystemTime,
    #[serde(flatten)]
    pub(super) phase: Phase,
    #[serde(flatten)]
    pub(super) act: Option<Act>,
    /// The hash of the line before.
    pub(super) prev: String,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// A request arrived. It is acted on once this line is on the disk.
    Asked,
    /// It was answered.
    Answered {
        /// The status of HTTP.
        status: u16,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// The process before wrote only a part of its last line.
    Torn,
    /// The file was moved away; this is the first line of its successor.
    Continued,
}

/// Who does what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    /// The name of the token, or `anonymous`.
    pub(crate) name: String,
    pub(crate) role: String,
    /// The address of the client; `unknown` for a Unix socket.
    pub(crate) client: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) request_id: String,
}

/// The hash of a line, without its end.
pub(super) fn hash(line: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(line))
}
