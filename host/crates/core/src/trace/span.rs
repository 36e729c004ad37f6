//! A span that has ended, and what takes it.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use super::id::SpanId;
use super::parent::TraceParent;
use super::state::TraceState;

/// A span that has ended: a part of the work for a request, from when to when, and how it ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// The trace, the span's own id, and the flags.
    pub place: TraceParent,
    /// What other tracing systems added to the trace.
    pub state: Option<TraceState>,
    /// The id of the span that caused it.
    pub parent: Option<SpanId>,
    /// Whether that one is of another process.
    pub has_remote_parent: bool,
    /// What it is, in few words. Names come from a small set: they have no ids and no paths.
    pub name: Cow<'static, str>,
    /// Its role.
    pub kind: SpanKind,
    /// When it began.
    pub began: SystemTime,
    /// When it ended, not before it began.
    pub ended: SystemTime,
    /// What is known of it, under names of [`attributes`](super::attributes).
    pub attributes: Vec<Attribute>,
    /// How it failed, if it did.
    pub failure: Option<SpanFailure>,
}

/// The role of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The answer to a request of another process.
    Server,
    /// A request to another process.
    Client,
    /// Work within this process.
    Internal,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Integer(i64),
}

/// How a span failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanFailure {
    /// What happened, for people. May be empty.
    pub message: Cow<'static, str>,
}

/// Takes the spans that have ended.
pub trait SpanSink: Send + Sync + 'static {
    /// Takes a span. Runs on the thread of the call that it is of, so it must not block: a sink that has no room
    /// drops the span.
    fn record(&self, span: Span);
}

impl fmt::Debug for dyn SpanSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpanSink")
    }
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for AttributeValue {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
