//! The functions of the host, called from a worker: [`Upcalls`] sends them, [`answer`] serves them.

use std::cell::{OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use plugbay_abi::host::{CallInfo, HostCalls};
use plugbay_abi::{CodecInfo, Error, ErrorKind, Level, Metric, MetricKind};
use plugbay_core::MAX_BUCKETS;

use super::error::LaneError;
use super::lane::Lane;
use super::wire::{
    CallMeta, CodecMeta, Frame, Head, LogLine, MAX_BODY, MetricMeta, Op, encode_meta,
};

/// The most bytes of a message, field name or field value of a log line; a longer one is cut.
const MAX_TEXT: usize = 8 * 1024;
/// How long a worker that waited for another plugin past its deadline may take to reply.
pub(crate) const GRACE: Duration = Duration::from_millis(500);
/// The most fields of a log line; further ones are left out.
const MAX_FIELDS: usize = 32;

/// The host of one call, as the plugin in the worker sees it.
///
/// If the lane fails, a function without an answer does nothing: the host is gone, or about to kill
/// the worker.
pub(crate) struct Upcalls<'a> {
    lane: RefCell<&'a mut Lane>,
    /// The most bytes of a body that leaves the worker.
    output: usize,
    /// What the host said about the call, once the plugin has asked, and the deadline by this process's
    /// clock.
    call: OnceCell<(CallMeta, Option<Instant>)>,
}

impl<'a> Upcalls<'a> {
    pub(crate) fn new(lane: &'a mut Lane, output: usize) -> Self {
        Self { lane: RefCell::new(lane), output, call: OnceCell::new() }
    }

    fn send(&self, head: Head, meta: &[u8], body: &[u8]) {
        drop(self.lane.borrow_mut().send(head, meta, body));
    }

    fn request(&self, head: Head, meta: &[u8], body: &[u8]) -> Result<Frame, Error> {
        if body.len() > self.output {
            let message =
                format!("expected at most {} bytes for a codec, found {}", self.output, body.len());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut lane = self.lane.borrow_mut();
        let mut frame = Frame::default();
        lane.send(head, meta, body)
            .and_then(|()| lane.receive(&mut frame, MAX_BODY))
            .map_err(|error| Error::new(ErrorKind::Unavailable, format!("the host: {error}")))?;
        frame.into_result()
    }
}

impl HostCalls for Upcalls<'_> {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().take(MAX_FIELDS);
        let fields = fields.map(|(key, value)| (cut(key), cut(value))).collect();
        let line = LogLine { message: cut(message), fields };
        if let Ok(meta) = encode_meta(&line) {
            self.send(Head::indexed(Op::Log, level as u32), &meta, &[]);
        }
    }

    fn log_enabled(&self, level: Level) -> bool {
        let answer = self.request(Head::indexed(Op::LogEnabled, level as u32), &[], &[]);
        answer.is_ok_and(|frame| frame.head.index != 0)
    }

    fn metric_add(&self, name: &str, delta: u64) {
        self.send(Head::new(Op::MetricAdd), name.as_bytes(), &delta.to_le_bytes());
    }

    fn metric_set(&self, name: &str, value: f64) {
        self.send(Head::new(Op::MetricSet), name.as_bytes(), &value.to_le_bytes());
    }

    fn metric_observe(&self, name: &str, value: f64) {
        self.send(Head::new(Op::MetricObserve), name.as_bytes(), &value.to_le_bytes());
    }

    fn metric_describe(&self, name: &str, metric: &Metric<'_>) -> Result<(), Error> {
        // The host refuses one bound too many, and need not see more.
        let buckets = metric.buckets.iter().copied().take(MAX_BUCKETS + 1).collect();
        let meta =
            MetricMeta { name: cut(name), help: cut(metric.help), unit: cut(metric.unit), buckets };
        let meta = encode_meta(&meta)
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        self.request(Head::indexed(Op::MetricDescribe, metric.kind as u32), &meta, &[]).map(drop)
    }

    fn codecs(&self) -> Vec<CodecInfo> {
        let answer = self.request(Head::new(Op::Codecs), &[], &[]).ok();
        let codecs: Option<Vec<CodecMeta>> = answer.and_then(|frame| frame.parse_meta().ok());
        codecs.unwrap_or_default().into_iter().map(CodecInfo::from).collect()
    }

    fn encode(&self, name: &str, document: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.request(Head::new(Op::HostEncode), name.as_bytes(), document)?.body)
    }

    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.request(Head::new(Op::HostDecode), name.as_bytes(), bytes)?.body)
    }

    fn call(&self) -> CallInfo<'_> {
        let known = self.call.get().or_else(|| {
            let answer = self.request(Head::new(Op::CallInfo), &[], &[]).ok()?;
            let call: CallMeta = answer.parse_meta().ok()?;
            let deadline = call.time_left.and_then(|left| Instant::now().checked_add(left));
            Some(self.call.get_or_init(|| (call, deadline)))
        });
        let Some((call, deadline)) = known else { return CallInfo::default() };
        CallInfo {
            request_id: call.request_id.as_deref(),
            generation: call.generation,
            trace_parent: call.trace_parent.as_deref(),
            trace_state: call.trace_state.as_deref(),
            deadline: *deadline,
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Serves the function of the host that `frame` calls, and answers on its lane.
///
/// # Errors
///
/// [`LaneError::Protocol`] if the frame calls no function of the host; otherwise the lane's error.
pub(crate) fn answer(
    lane: &mut Lane,
    frame: &Frame,
    host: &dyn HostCalls,
) -> Result<(), LaneError> {
    let head = frame.head;
    let level = || {
        let level = usize::try_from(head.index).ok().and_then(|level| Level::ALL.get(level));
        level.copied().unwrap_or(Level::Trace)
    };
    let reply = Head::new(Op::HostReply);
    match head.op {
        Op::Log => {
            // Cut here as well, because a hostile worker sends longer ones.
            let LogLine { message, fields } = frame.parse_meta()?;
            let fields = fields.into_iter().take(MAX_FIELDS);
            let fields: Vec<_> = fields.map(|(key, value)| (cut(key), cut(value))).collect();
            host.log(level(), cut(message), &fields);
            Ok(())
        }
        Op::MetricAdd => {
            host.metric_add(frame.text()?, u64::from_le_bytes(number(frame)?));
            Ok(())
        }
        Op::MetricSet => {
            host.metric_set(frame.text()?, f64::from_le_bytes(number(frame)?));
            Ok(())
        }
        Op::MetricObserve => {
            host.metric_observe(frame.text()?, f64::from_le_bytes(number(frame)?));
            Ok(())
        }
        Op::MetricDescribe => {
            let MetricMeta { name, help, unit, buckets } = frame.parse_meta()?;
            let kind = usize::try_from(head.index).ok().and_then(|kind| MetricKind::ALL.get(kind));
            let kind = *kind.ok_or_else(|| {
                let found = head.index;
                LaneError::Protocol(format!("expected the kind of a metric, found {found}"))
            })?;
            let metric = Metric { kind, help, unit, buckets: &buckets };
            match host.metric_describe(name, &metric) {
                Ok(()) => lane.send(reply, &[], &[]),
                Err(error) => lane.send(
                    Head::failed(Op::HostReply, error.kind),
                    &[],
                    error.message.as_bytes(),
                ),
            }
        }
        Op::LogEnabled => {
            let enabled = u32::from(host.log_enabled(level()));
            lane.send(Head { index: enabled, ..reply }, &[], &[])
        }
        Op::Codecs => {
            let codecs: Vec<CodecMeta> = host.codecs().into_iter().map(CodecMeta::from).collect();
            lane.send(reply, &encode_meta(&codecs)?, &[])
        }
        Op::HostEncode => {
            let name = frame.text()?;
            answer_conversion(lane, || host.encode(name, &frame.body))
        }
        Op::HostDecode => {
            let name = frame.text()?;
            answer_conversion(lane, || host.decode(name, &frame.body))
        }
        Op::CallInfo => {
            let call = host.call();
            let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
            let call = CallMeta {
                request_id: call.request_id.map(str::to_owned),
                generation: call.generation,
                trace_parent: call.trace_parent.map(str::to_owned),
                trace_state: call.trace_state.map(str::to_owned),
                time_left: call.deadline.map(left),
            };
            lane.send(reply, &encode_meta(&call)?, &[])
        }
        other => Err(LaneError::Protocol(format!(
            "expected a reply or a call of the host, found {other:?}"
        ))),
    }
}

fn answer_conversion(
    lane: &mut Lane,
    convert: impl FnOnce() -> Result<Vec<u8>, Error>,
) -> Result<(), LaneError> {
    lane.check_deadline()?;
    let answer = catch_panic(convert);
    // If the other codec used up the time, the worker is not to blame: it gets the answer, and may
    // reply.
    lane.extend_deadline(Instant::now() + GRACE);
    let answer = answer.and_then(|bytes| {
        let fits = bytes.len() <= MAX_BODY;
        let found = bytes.len();
        let message = || format!("expected at most {MAX_BODY} bytes of a codec, found {found}");
        if fits { Ok(bytes) } else { Err(Error::new(ErrorKind::Unsupported, message())) }
    });
    match answer {
        Ok(bytes) => lane.send(Head::new(Op::HostReply), &[], &bytes),
        Err(error) => {
            lane.send(Head::failed(Op::HostReply, error.kind), &[], error.message.as_bytes())
        }
    }
}

/// Runs a function of the host. As within a process, a panic of it ends here, and the plugin gets an
/// error. That is why unwind safety may be asserted.
fn catch_panic<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Panicked, "the host panicked")))
}

fn number(frame: &Frame) -> Result<[u8; 8], LaneError> {
    let found = frame.body.len();
    let number = frame.body.as_slice().try_into();
    number.map_err(|_| LaneError::Protocol(format!("expected a number of 8 bytes, found {found}")))
}
