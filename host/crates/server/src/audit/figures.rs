//! What the audit log counts.

use std::sync::Arc;

use plugbay::metrics::{Collector, Described, Family, Samples};

use super::log::AuditLog;

static FAILED: Family = Family::counter(
    "plugbay_admin_audit_failed_total",
    "Lines of the audit log that could not be written; requests that change something are then refused.",
);

/// Shows the figures of an audit log.
pub(crate) struct AuditCollector(pub(crate) Arc<AuditLog>);

impl Collector for AuditCollector {
    fn describe(&self) -> Vec<Described> {
        vec![FAILED.clone().into()]
    }

    fn collect(&self, samples: &mut Samples) {
        samples.counter(&FAILED, &[], self.0.failed());
    }
}
