//! When an endpoint is ejected, and for how long: Envoy's outlier detection.

use std::time::Duration;

use plugbay_guard::Rules as Breaker;

/// Longer than any client runs.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The rules of ejections. The names and the arithmetic are Envoy's.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierRules {
    /// Failures in a row that eject an endpoint; 0 = never.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts. Each further one lasts longer by this much; an endpoint that
    /// stays in the set for an `interval` is forgiven one ejection.
    pub base_ejection_time: Duration,
    /// The longest ejection.
    pub max_ejection_time: Duration,
    /// How many percent of the endpoints may be ejected at the same time. One of several always may.
    pub max_ejection_percent: u8,
    /// How often success rates are compared and ejections forgiven.
    pub interval: Duration,
    /// Whether an endpoint is ejected that fails more often than the others, though not in a row.
    pub success_rate: Option<SuccessRateRules>,
}

impl Default for OutlierRules {
    /// Envoy's times: five failures, 30 s each, up to five minutes, an interval of 10 s; but up to half of
    /// the endpoints, because Envoy's tenth is never more than one of less than twenty.
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 50,
            interval: Duration::from_secs(10),
            success_rate: None,
        }
    }
}

/// When an endpoint's success rate is too far below the others'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRateRules {
    /// How many standard deviations below the mean of all.
    pub deviations: f64,
    /// Endpoints with enough calls that are needed for a comparison.
    pub minimum_hosts: usize,
    /// Calls of an endpoint within an interval that are enough.
    pub request_volume: u64,
}

impl Default for SuccessRateRules {
    /// Envoy's: 1.9 deviations, 5 endpoints, 100 calls.
    fn default() -> Self {
        Self { deviations: 1.9, minimum_hosts: 5, request_volume: 100 }
    }
}

/// Why an endpoint was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EjectionReason {
    /// It failed several times in a row, or the probe after an ejection failed.
    ConsecutiveFailures,
    /// Its success rate was too far below the others'.
    SuccessRate,
}

impl EjectionReason {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive-failures",
            Self::SuccessRate => "success-rate",
        }
    }
}

impl OutlierRules {
    /// The rules of each endpoint's breaker, which counts the failures in a row, and after an ejection
    /// admits one probe. It is open for a little less than the first ejection, so that it is half-open
    /// when the endpoint comes back; longer ejections are not its business.
    pub(super) fn breaker(&self) -> Breaker {
        // A breaker adds up to a tenth.
        let open = self.base_ejection_time.min(TEN_YEARS).mul_f64(0.9);
        Breaker {
            failures: self.consecutive_failures,
            open,
            max_open: open,
            probes: 1,
            successes: 1,
        }
    }

    /// How long the ejection number `count` lasts; the first is number 1. Never so long that adding it to
    /// a time overflows.
    pub(super) fn ejection_time(&self, count: u32) -> Duration {
        let longest = self.max_ejection_time.max(self.base_ejection_time).min(TEN_YEARS);
        self.base_ejection_time.saturating_mul(count).min(longest)
    }

    /// Whether one more of `members` may be ejected while `ejected` are.
    pub(super) fn may_eject(&self, ejected: usize, members: usize) -> bool {
        let most = (members * usize::from(self.max_ejection_percent) / 100).max(1);
        members > 1 && ejected < most
    }
}

impl SuccessRateRules {
    /// The success rate below which a member is an outlier, if enough members had enough calls. Each
    /// outcome is the number of calls that succeeded, and of all.
    pub(super) fn threshold(&self, outcomes: &[(u64, u64)]) -> Option<f64> {
        let rates: Vec<_> = outcomes.iter().filter_map(|outcome| self.rate(*outcome)).collect();
        if rates.len() < self.minimum_hosts.max(1) {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of endpoints")]
        let count = rates.len() as f64;
        let mean = rates.iter().sum::<f64>() / count;
        let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
        Some(mean - self.deviations * variance.sqrt())
    }

    /// The success rate of a member, if it had enough calls.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls within seconds")]
    pub(super) fn rate(&self, (succeeded, ended): (u64, u64)) -> Option<f64> {
        (ended >= self.request_volume.max(1)).then(|| succeeded as f64 / ended as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ejections_grow_by_the_base_time_up_to_the_longest() {
        let rules = OutlierRules::default();
        let seconds = [1, 2, 3, 10, 11, u32::MAX].map(|count| rules.ejection_time(count).as_secs());
        assert_eq!(seconds, [30, 60, 90, 300, 300, 300]);
    }

    #[test]
    fn no_more_than_the_share_is_ejected_and_never_the_only_one() {
        let rules = OutlierRules { max_ejection_percent: 10, ..OutlierRules::default() };
        assert!(!rules.may_eject(0, 1));
        assert!(rules.may_eject(0, 2) && !rules.may_eject(1, 2));
        assert!(rules.may_eject(1, 20) && !rules.may_eject(2, 20));
    }

    #[test]
    fn an_outlier_is_one_far_below_the_others() {
        let rules = SuccessRateRules::default();
        let mut outcomes = vec![(990, 1000); 9];
        outcomes.push((500, 1000));
        let threshold = rules.threshold(&outcomes).unwrap();
        assert!(rules.rate((500, 1000)).unwrap() < threshold);
        assert!(rules.rate((990, 1000)).unwrap() > threshold);
        // Too few calls to say anything, of all but four.
        outcomes.truncate(4);
        outcomes.extend([(0, 99); 20]);
        assert_eq!(rules.threshold(&outcomes), None);
        assert_eq!(rules.rate((0, 99)), None);
        // All alike: nobody is below the mean.
        assert!(rules.rate((10, 1000)).unwrap() >= rules.threshold(&[(10, 1000); 5]).unwrap());
    }
}
