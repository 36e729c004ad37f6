//! Distributed traces: the trace that a request belongs to, and the spans that this host records of it.
//!
//! Whether a request is recorded is decided once, by [`Sampling`], before any span is made. If it is, its
//! [`Correlation`](crate::Correlation) has a [`SpanSink`], and each part of the work begins an [`ActiveSpan`]
//! within that of its caller. The span becomes a [`Span`], which the sink gets, when it ends. If the request is
//! not recorded, the correlation has no sink, and nothing is made.
//!
//! | file | idea |
//! |---|---|
//! | `id` | the ids of traces and spans |
//! | `parent`, `state` | the header fields `traceparent` and `tracestate` (W3C Trace Context) |
//! | `span`, `attributes` | a span that has ended, and the names of its attributes |
//! | `active` | a span that has not ended |
//! | `own` | a span that a plugin made itself |
//! | `sampling` | which requests are recorded |

mod active;
pub mod attributes;
mod id;
mod own;
mod parent;
mod sampling;
mod span;
mod state;

pub use active::ActiveSpan;
pub use id::{SpanId, TraceId};
pub use parent::{TraceParent, TraceParentError};
pub use sampling::Sampling;
pub use span::{
    Attribute, AttributeValue, Dropped, Span, SpanEvent, SpanFailure, SpanKind, SpanLink, SpanSink,
};
pub use state::{TraceState, TraceStateError};
