//! The limits of calls of a library in this process.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugbay_core::handler::{Handler, HandlerCall, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Notice, Observer, Policy, Runtime as _, Unobserved,
};
use serde_json::json;

use crate::compile::{can_compile, plugin};
use crate::site::{Site, Started};

async fn handle(started: &Started) -> Result<Response, CallError> {
    let provider = started.plugin.provide(1).unwrap();
    let handler: &Arc<dyn HandlerCall> = provider.get::<Handler>().unwrap();
    let request = Request { method: "GET".into(), path: "/".into(), ..Request::default() };
    handler.handle(Context::new(started.services()), request).await
}

#[test]
fn handlers_are_limited_and_one_that_hangs_occupies_its_place() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let gate = site.path("gate");
    let at = format!("-DGATE=\"{}\"", gate.display());
    let path = plugin("fixture.c", &["-shared", "-DHANDLE_HANGS", &at], &site.path("hangs.so"));
    let prepared = site.runtime().prepare(&Site::read(&path)).unwrap();
    let deadline = Duration::from_secs(2);
    let policy = Policy { instances: 1, queue: 1, deadline, ..Policy::default() };
    let started = Site::start_under(policy, Arc::new(Unobserved), &*prepared, json!({})).unwrap();

    std::fs::write(&gate, b"").unwrap();
    let error = site.tokio().block_on(handle(&started)).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    // The thread of that call is still in the library: the next call waits until its deadline, and
    // a third one finds the queue full.
    let begun = Instant::now();
    let (waited, refused) = site.tokio().block_on(async {
        tokio::join!(biased; handle(&started), async {
            assert_eq!(started.plugin.stats().waiting, 1);
            let refused = handle(&started).await;
            assert!(begun.elapsed() < deadline, "the refused call waited");
            refused
        })
    });
    assert!(begun.elapsed() >= deadline);
    for (error, says) in [(waited, "within its deadline"), (refused, "at most 1 calls to wait")] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Overloaded, "{error}");
        assert_eq!(error.wait(), Some(Duration::from_secs(1)));
        assert!(error.message().contains(says), "{error}");
    }
    assert_eq!(started.plugin.stats().waiting, 0);
    // A codec is called on its caller's thread, and needs no place.
    assert_eq!(started.encode(0, b"\xf6").unwrap(), b"\xf6");

    std::fs::remove_file(&gate).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let error = site.tokio().block_on(handle(&started)).unwrap_err();
        if error.kind() == CallErrorKind::Unsupported {
            break;
        }
        assert_eq!(error.kind(), CallErrorKind::Overloaded, "{error}");
        assert!(Instant::now() < deadline, "{error}");
    }
}

#[test]
fn a_call_that_calls_the_host_too_often_fails_once_it_returns() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared", "-DQUESTIONS=1000"], &site.path("asks.so"));
    let prepared = site.runtime().prepare(&Site::read(&path)).unwrap();
    let notices = Arc::new(Notices::default());
    let policy = Policy { host_calls: 10, ..Policy::default() };
    let observer = Arc::clone(&notices) as _;
    let started = Site::start_under(policy, observer, &*prepared, json!({})).unwrap();
    let error = started.encode(0, b"\xf6").unwrap_err();
    assert_eq!((error.kind(), error.plugin()), (CallErrorKind::HostCalls, Some("fixture@1.0.0")));
    assert!(started.plugin.stats().limited["host_calls"] > 900);
    assert_eq!(
        *notices.0.lock().unwrap(),
        [Notice::Limited { limit: "host_calls".into(), times: 1 }]
    );
    // A call that does not call the host is not counted.
    assert_eq!(started.decode(0, b"").unwrap(), b"\x6fmarker:00000000");
}

#[derive(Default)]
struct Notices(Mutex<Vec<Notice>>);

impl Observer for Notices {
    fn notice(&self, _: &str, notice: Notice) {
        self.0.lock().unwrap().push(notice);
    }
}
