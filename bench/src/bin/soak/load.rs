//! The requests, and what they must be answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use plugbay_bench::client::{Answer, Client};

/// The most failures that one client describes.
const SHOWN: usize = 3;
/// A client gives up after so many failures.
const MAX_FAILURES: u64 = 20;

/// The result of one client.
#[derive(Default)]
pub(crate) struct Report {
    times: Vec<Duration>,
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
}

impl Report {
    pub(crate) fn sum(reports: Vec<Self>) -> Self {
        let mut sum = Self::default();
        for report in reports {
            sum.times.extend(report.times);
            sum.failed += report.failed;
            sum.failures.extend(report.failures);
        }
        sum.times.sort();
        sum
    }

    pub(crate) fn answered(&self) -> usize {
        self.times.len()
    }

    /// The time within which this share of the requests was answered.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into the times"
    )]
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let at = ((self.times.len() as f64) * share) as usize;
        self.times.get(at.min(self.times.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

struct Kind {
    method: &'static str,
    path: &'static str,
    body: &'static [u8],
    check: fn(&Answer) -> bool,
}

const fn kind(
    method: &'static str,
    path: &'static str,
    body: &'static [u8],
    check: fn(&Answer) -> bool,
) -> Kind {
    Kind { method, path, body, check }
}

/// Requests to linked plugins, and to components that are replaced all the time.
const KINDS: [Kind; 8] = [
    kind("GET", "/hello/soak", b"", |it| it.status == 200 && it.body.ends_with(b", soak!")),
    kind("GET", "/nowhere", b"", |it| it.status == 404),
    kind("POST", "/v1/codecs/json/decode", b"{\"a\":[1,2]}", |it| {
        it.status == 200 && it.body == b"{\"a\":[1,2]}"
    }),
    kind("POST", "/v1/codecs/json/decode", b"{\"a\":", |it| it.status == 400),
    kind("POST", "/v1/codecs/yaml/encode", b"{\"a\":1}", |it| {
        it.status == 200 && it.body == b"a: 1\n"
    }),
    kind("GET", "/swapped", b"", |it| it.status == 200 && it.body.starts_with(b"version ")),
    kind("POST", "/swapped", b"in ", |it| it.status == 200 && it.body.starts_with(b"in version ")),
    kind("POST", "/v1/codecs/swapped/encode", b"null", |it| {
        it.status == 200 && it.body.ends_with(b";")
    }),
];

/// Sends requests until it is `over`.
pub(crate) fn well_behaved(address: SocketAddr, number: usize, over: &AtomicBool) -> Report {
    let mut client = Client::new(address);
    let mut report = Report::default();
    let mut turn = number;
    while !over.load(Ordering::Relaxed) && report.failed < MAX_FAILURES {
        let kind = &KINDS[turn % KINDS.len()];
        turn += 1;
        let began = Instant::now();
        match ask(&mut client, kind) {
            Ok(()) => report.times.push(began.elapsed()),
            Err(error) => {
                report.failed += 1;
                if report.failures.len() < SHOWN {
                    let Kind { method, path, .. } = kind;
                    report.failures.push(format!("{method} {path}: {error:#}"));
                }
            }
        }
    }
    report
}

fn ask(client: &mut Client, kind: &Kind) -> Result<()> {
    let answer = client.send(kind.method, kind.path, kind.body)?;
    let body = String::from_utf8_lossy(&answer.body);
    ensure!((kind.check)(&answer), "found {} {body:.300}", answer.status);
    Ok(())
}

/// Sends requests to plugins that use up their limits until it is `over`. They are answered by an error,
/// and no connection is lost.
pub(crate) fn hostile(address: SocketAddr, over: &AtomicBool) -> u64 {
    let mut client = Client::new(address);
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        for path in ["/spin", "/grow", "/flood", "/trap"] {
            if client.send("POST", path, b"input").is_ok_and(|it| it.status >= 400) {
                answered += 1;
            } else {
                client = Client::new(address);
            }
        }
    }
    answered
}
