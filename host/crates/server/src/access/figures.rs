//! What the admin plane counts of its tokens.

use std::sync::Arc;

use plugbay::metrics::{Collector, Described, Family, Samples};

use super::kept::Tokens;

static CURRENT: Family = Family::gauge(
    "plugbay_admin_tokens_is_current",
    "1 if the file of tokens was good when it was read last; 0 if the tokens before stay in force.",
);
static WRONG: Family = Family::counter(
    "plugbay_admin_wrong_tokens_total",
    "Requests with a token that is not in force.",
);

/// Shows the figures of the tokens.
pub(crate) struct TokensCollector(pub(crate) Arc<Tokens>);

impl Collector for TokensCollector {
    fn describe(&self) -> Vec<Described> {
        [&CURRENT, &WRONG].map(|family| family.clone().into()).to_vec()
    }

    fn collect(&self, samples: &mut Samples) {
        samples.gauge(&CURRENT, &[], u64::from(self.0.is_current()));
        samples.counter(&WRONG, &[], self.0.attempts.wrong());
    }
}
