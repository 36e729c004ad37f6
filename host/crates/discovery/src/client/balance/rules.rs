//! The rules of a balancer.

use super::OutlierRules;

/// When endpoints are ejected, and when the balancer panics.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// When an endpoint is ejected, and for how long.
    pub outlier: OutlierRules,
    /// If less than this percentage of the endpoints is healthy and not ejected, all are called. 0 =
    /// never. Envoy: `healthy_panic_threshold`.
    pub panic_threshold: u8,
}

impl Default for Rules {
    /// The panic threshold is Envoy's 50 %.
    fn default() -> Self {
        Self { outlier: OutlierRules::default(), panic_threshold: 50 }
    }
}
