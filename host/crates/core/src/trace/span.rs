//! A span that has ended, and what takes it.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use super::id::{SpanId, TraceId};
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
    /// What is known of it, under names of [`attributes`](super::attributes), and of a plugin's own span under
    /// the plugin's names as well.
    pub attributes: Vec<Attribute>,
    /// What happened at moments within it. Only plugins' own spans have some.
    pub events: Vec<SpanEvent>,
    /// Other spans that it is related to. Only plugins' own spans have some.
    pub links: Vec<SpanLink>,
    /// What is missing, because it exceeded a bound.
    pub dropped: Dropped,
    /// How it failed, if it did.
    pub failure: Option<SpanFailure>,
}

impl Span {
    /// A span that begins now. `state` is what other tracing systems added to the trace.
    pub(super) fn at(
        place: TraceParent,
        state: Option<TraceState>,
        name: Cow<'static, str>,
        kind: SpanKind,
    ) -> Self {
        let now = SystemTime::now();
        Self {
            place,
            state,
            parent: None,
            has_remote_parent: false,
            name,
            kind,
            began: now,
            ended: now,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            dropped: Dropped::default(),
            failure: None,
        }
    }
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
    /// A message that another process receives later.
    Producer,
    /// The receipt of such a message.
    Consumer,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// The name.
    pub name: Cow<'static, str>,
    /// The value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// What happened at a moment within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What it is, in few words.
    pub name: Cow<'static, str>,
    /// When it happened.
    pub time: SystemTime,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
}

/// Another span that a span is related to, of the same or another trace.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLink {
    /// The trace.
    pub trace: TraceId,
    /// The span in it.
    pub span: SpanId,
    /// What is known of the relation.
    pub attributes: Vec<Attribute>,
}

/// How much of a span is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Attributes, those of events and links included.
    pub attributes: u32,
    /// Events.
    pub events: u32,
    /// Links.
    pub links: u32,
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

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(is) => is.fmt(f),
        }
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
