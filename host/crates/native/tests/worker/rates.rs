//! Plugins that exceed the limits of log lines and of calls to the host.

use std::sync::{Arc, Mutex};

use plugbay_core::{CallErrorKind, Notice, Observer, Plugin as _};

use crate::support::{Host, Setup, eventually, logged, tests};

tests!(
    lines_beyond_the_rate_are_dropped_and_counted,
    printed_lines_count_as_well,
    a_call_that_calls_the_host_too_often_fails_and_the_worker_keeps_running,
);

#[derive(Default)]
struct Notices(Mutex<Vec<(String, Notice)>>);

impl Observer for Notices {
    fn notice(&self, plugin: &str, notice: Notice) {
        self.0.lock().unwrap().push((plugin.to_owned(), notice));
    }
}

impl Notices {
    /// The limit of each notice.
    fn limits(&self) -> Vec<String> {
        let notices = self.0.lock().unwrap();
        let limit = |(plugin, notice): &(String, Notice)| match notice {
            Notice::Limited { limit, .. } if plugin == "hostile@1.0.0" => limit.to_string(),
            other => panic!("{plugin}: {other:?}"),
        };
        notices.iter().map(limit).collect()
    }
}

fn host(logs: u32, host_calls: u32) -> (Host, Arc<Notices>) {
    let notices = Arc::new(Notices::default());
    let mut setup = Setup { observer: Arc::clone(&notices) as _, ..Setup::default() };
    (setup.policy.logs, setup.policy.host_calls) = (logs, host_calls);
    (setup.host(), notices)
}

fn lines_beyond_the_rate_are_dropped_and_counted() {
    let (host, notices) = host(10, 0);
    let before = logged("one of many").len();
    assert_eq!(host.tell("flood 2000"), "cba");
    let dropped = host.plugin.stats().limited["logs"];
    // Lines were written within the rate, which allows more the longer the test took.
    let written = u64::try_from(logged("one of many").len() - before).unwrap();
    // One line is printed.
    assert!((2000..=2001).contains(&(written + dropped)), "{written} and {dropped}");
    assert!((9..1000).contains(&written), "{written} lines");
    assert_eq!(notices.limits(), ["logs"]);
}

fn printed_lines_count_as_well() {
    let (host, notices) = host(10, 0);
    assert_eq!(host.tell("print 500"), "print 500");
    let dropped = |_: &str| host.plugin.stats().limited.get("logs").copied();
    eventually("lines to be dropped", || dropped("logs").filter(|dropped| *dropped > 100));
    assert_eq!(notices.limits(), ["logs"]);
}

fn a_call_that_calls_the_host_too_often_fails_and_the_worker_keeps_running() {
    let (host, notices) = host(0, 20);
    let pid = host.pid();
    let (kind, message) = host.fails("flood 2000");
    assert_eq!(kind, CallErrorKind::HostCalls);
    assert!(message.starts_with("plugin hostile@1.0.0: expected at most 20 calls"), "{message}");
    assert!(host.plugin.stats().limited["host_calls"] > 1000);
    assert_eq!(notices.limits(), ["host_calls"]);
    // The plugin got the error `unavailable`.
    eventually("the line that the plugin prints", || {
        (!logged("after the flood: status 3").is_empty()).then_some(())
    });
    // A call that does not call the host is not counted, and the rate recovers.
    assert_eq!(host.tell("quiet"), "quiet");
    eventually("the rate to come back", || host.ask("codecs").ok());
    assert_eq!(host.pid(), pid);
}
