//! The spans that an application gets for the calls that it makes.

use std::sync::{Arc, Mutex};

use plugbay::trace::{ActiveSpan, AttributeValue, Span, SpanKind, SpanSink, attributes};
use plugbay::{CallErrorKind, CallOptions, Codec, Correlation, Handler, Request};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, is_done, place};

#[derive(Default)]
struct Kept(Mutex<Vec<Span>>);

impl SpanSink for Kept {
    fn record(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }
}

impl Kept {
    /// The spans of calls, and not those of reconciliations.
    fn calls(&self) -> Vec<Span> {
        let spans = self.0.lock().unwrap();
        spans.iter().filter(|span| span.name.contains(':')).cloned().collect()
    }
}

/// Two plugins that both offer `codec:c` and `handler:h`, one after the other.
fn site(puppets: &Puppets, kept: &Arc<Kept>, config: &str) -> Site {
    let (runtime, kept) = (Arc::new(puppets.clone()), Arc::clone(kept));
    place()
        .plugin("one.wasm", puppet("one", "1.0.0", &["codec:c", "handler:h"]))
        .plugin("two.wasm", puppet("two", "1.0.0", &["codec:c", "handler:h"]))
        .config(&format!(
            "{config}[defaults]\nhealth_every = '0s'\n\
             [capabilities.'codec:c']\nstrategy = 'failover'\nproviders = ['one', 'two']\n\
             [capabilities.'handler:h']\nstrategy = 'failover'\nproviders = ['one', 'two']\n"
        ))
        .host_with(|builder| builder.runtime(runtime).spans(kept))
}

fn begin(site: &Site, request: &Correlation) -> Option<ActiveSpan> {
    site.begin_span(request, SpanKind::Internal, || "order".into())
}

/// The plugin and the outcome of a call.
fn summary(span: &Span) -> (String, String) {
    let text = |name: &str| {
        let attribute = span.attributes.iter().find(|it| it.name == name);
        match attribute.map(|it| &it.value) {
            Some(AttributeValue::Text(text)) => text.to_string(),
            other => panic!("expected the text {name}, found {other:?} in {span:?}"),
        }
    };
    (text(attributes::PLUGIN_NAME), text(attributes::OUTCOME))
}

fn pair(plugin: &str, outcome: &str) -> (String, String) {
    (plugin.to_owned(), outcome.to_owned())
}

#[test]
fn each_provider_that_is_tried_has_a_span() {
    let (puppets, kept) = (Puppets::default(), Arc::<Kept>::default());
    let site = site(&puppets, &kept, "");
    let fails = Some(CallErrorKind::Unavailable);
    puppets.script("one@1.0.0", Script { fails, ..Script::default() });
    let span = begin(&site, &Correlation::default()).expect("sampled");
    let options = CallOptions::default().repeatable(true).correlated(span.correlation());
    let codec = site.get::<Codec>("c").unwrap();
    codec.call(options, |codec, context| codec.encode(context, &[0xf6])).unwrap();
    let calls = kept.calls();
    let expected = [pair("one", "unavailable"), pair("two", "answered")];
    assert_eq!(calls.iter().map(summary).collect::<Vec<_>>(), expected);
    let parent = span.correlation().trace_parent.unwrap();
    for call in &calls {
        assert_eq!((call.parent, call.place.trace()), (Some(parent.span()), parent.trace()));
    }
    assert_eq!((calls[0].failure.is_some(), calls[1].failure.is_some()), (true, false));
    span.end();
}

#[test]
fn a_call_whose_caller_goes_away_has_a_span() {
    let (puppets, kept) = (Puppets::default(), Arc::<Kept>::default());
    let site = site(&puppets, &kept, "");
    puppets.script("one@1.0.0", Script { hangs: true, ..Script::default() });
    let span = begin(&site, &Correlation::default()).expect("sampled");
    let lease = site.get::<Handler>("h").unwrap().lease().unwrap();
    let options = CallOptions::default().correlated(span.correlation());
    let mut call = Box::pin(lease.handle(options, Request::default()));
    assert!(!is_done(&mut call));
    assert!(kept.calls().is_empty());
    drop(call);
    assert_eq!(kept.calls().iter().map(summary).collect::<Vec<_>>(), [pair("one", "cancelled")]);
    drop(span);
    let spans = kept.0.lock().unwrap();
    let order = spans.iter().find(|span| span.name == "order").unwrap();
    assert!(order.failure.is_some(), "it was given up");
}

#[test]
fn a_request_that_is_not_sampled_makes_no_span() {
    let (puppets, kept) = (Puppets::default(), Arc::<Kept>::default());
    let site = site(&puppets, &kept, "[telemetry]\nsampling = 0.0\n");
    assert!(begin(&site, &Correlation::default()).is_none());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".parse().unwrap();
    let request = Arc::new(Correlation::default().trace_parent(Some(parent)));
    assert!(begin(&site, &request).is_none());
    let codec = site.get::<Codec>("c").unwrap();
    for options in [CallOptions::default(), CallOptions::default().correlated(&request)] {
        codec.call(options, |codec, context| codec.encode(context, &[0xf6])).unwrap();
    }
    assert!(kept.calls().is_empty(), "{:?}", kept.calls());
}

/// What a plugin's SDK for `wasi:otel` makes, within a call that another plugin makes.
#[test]
fn one_trace_spans_the_host_a_nested_call_and_the_plugins_own_span() {
    let kept = Arc::<Kept>::default();
    let ends = Behaviour::EndSpans { spans: 1, attribute: 0, trace: None };
    let sink = Arc::clone(&kept);
    let outer = Guest::codec("outer").on(Export::Encode, Behaviour::CallCodec("inner".into()));
    let site = place()
        .plugin("outer.wasm", outer)
        .plugin("inner.wasm", Guest::codec("inner").on(Export::Encode, ends))
        .host_with(|builder| builder.spans(sink));
    let order = begin(&site, &Correlation::default()).expect("sampled");
    let options = CallOptions::default().correlated(order.correlation());
    let codec = site.get::<Codec>("outer").unwrap();
    codec.call(options, |codec, context| codec.encode(context, &[0xf6])).unwrap();
    order.end();
    let spans = kept.0.lock().unwrap();
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect("a span");
    let chain = ["order", "codec:outer", "codecs.encode", "codec:inner", "work"].map(named);
    for pair in chain.windows(2) {
        assert_eq!(pair[1].parent, Some(pair[0].place.span()), "{pair:?}");
        assert_eq!(pair[1].place.trace(), pair[0].place.trace(), "{pair:?}");
    }
    let items = chain[4].attributes.iter().find(|it| it.name == "items");
    assert_eq!(items.map(|it| &it.value), Some(&AttributeValue::Integer(3)));
}
