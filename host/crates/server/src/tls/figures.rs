//! What the planes count of TLS.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugbay::metrics::{Collector, Described, Family, Samples};

use super::kept::Tls;

static EXPIRES: Family = Family::gauge(
    "plugbay_tls_certificate_not_after_seconds",
    "When the certificate in force expires, in seconds since the epoch of Unix.",
)
.labels(&["plane"]);
static CURRENT: Family = Family::gauge(
    "plugbay_tls_certificate_is_current",
    "1 if the files of the certificate were good when they were read last; 0 if the one before stays in force.",
)
.labels(&["plane"]);
static FAILED: Family = Family::counter(
    "plugbay_tls_handshakes_failed_total",
    "Handshakes that failed, or took too long.",
)
.labels(&["plane"]);

/// Shows the figures of all planes with TLS.
pub(crate) struct TlsCollector(pub(crate) Vec<Arc<Tls>>);

impl Collector for TlsCollector {
    fn describe(&self) -> Vec<Described> {
        [&EXPIRES, &CURRENT, &FAILED].map(|family| family.clone().into()).to_vec()
    }

    fn collect(&self, samples: &mut Samples) {
        for tls in &self.0 {
            let plane = [tls.plane];
            samples.gauge(&EXPIRES, &plane, tls.not_after().as_secs());
            samples.gauge(&CURRENT, &plane, u64::from(tls.is_current()));
            samples.counter(&FAILED, &plane, tls.failed.load(Ordering::Relaxed));
        }
    }
}
