//! When a certificate should be replaced.

use std::time::Duration;

/// How long before its end a certificate should have been replaced.
const SOON: Duration = Duration::from_hours(14 * 24);

/// When a certificate is valid, since the epoch of Unix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub(super) not_before: Duration,
    pub(super) not_after: Duration,
}

/// What an operator should know about the end of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is far away.
    Valid,
    /// It is near: within two weeks, or, of a certificate for a short time, within the last third of it.
    Expiring,
    /// It is over.
    Expired,
}

impl Validity {
    pub(super) fn stage(&self, now: Duration) -> Stage {
        let lifetime = self.not_after.saturating_sub(self.not_before);
        let soon = SOON.min(lifetime / 3);
        match self.not_after.saturating_sub(now) {
            Duration::ZERO => Stage::Expired,
            left if left <= soon => Stage::Expiring,
            _ => Stage::Valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_expires_after_the_last_part_of_its_time() {
        let days = |days: u64| Duration::from_hours(24 * days);
        let stage = |lifetime: u64, now| {
            Validity { not_before: days(100), not_after: days(100 + lifetime) }.stage(days(now))
        };
        assert_eq!([stage(365, 0), stage(365, 450)], [Stage::Valid; 2]);
        assert_eq!([stage(365, 451), stage(365, 464)], [Stage::Expiring; 2]);
        assert_eq!([stage(365, 465), stage(365, 900)], [Stage::Expired; 2]);
        assert_eq!([stage(6, 103), stage(6, 104)], [Stage::Valid, Stage::Expiring]);
    }
}
