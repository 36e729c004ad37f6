//! What clients send to identify a request: what is accepted is short, safe in a log line and a header field, and
//! read back as it is written; and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_core::trace::TraceState;
use plugbay_core::{RequestId, TraceParent};

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<RequestId>() {
        assert_eq!(id.as_str(), text);
        assert!(text.len() <= RequestId::MAX && text.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Ok(parent) = text.parse::<TraceParent>() {
        assert_eq!(parent.as_str().parse::<TraceParent>().as_ref(), Ok(&parent));
        assert_eq!((parent.trace_id().len(), parent.span_id().len()), (32, 16));
        assert_eq!(parent.trace().to_string(), parent.trace_id());
        assert_eq!(parent.span().to_string(), parent.span_id());
    }
    if let Ok(state) = text.parse::<TraceState>() {
        assert_eq!(state.as_str().parse::<TraceState>().as_ref(), Ok(&state));
        assert!(state.as_str().len() <= TraceState::MAX && !text.contains('\n'));
    }
});
