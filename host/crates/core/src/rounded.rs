//! Durations in messages.

use std::time::Duration;

/// The duration for a message, in whole milliseconds if it is longer than one: what is left of a limit
/// of 5 s reads as `5s`, not as `4.99999981s`.
#[must_use]
pub fn rounded(duration: Duration) -> Duration {
    let millis = duration.saturating_add(Duration::from_micros(500)).as_millis();
    match u64::try_from(millis) {
        Ok(millis) if duration >= Duration::from_millis(1) => Duration::from_millis(millis),
        _ => duration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_limit_is_shown_as_the_limit() {
        let shown = |nanos| format!("{:?}", rounded(Duration::from_nanos(nanos)));
        assert_eq!(shown(4_999_999_810), "5s");
        assert_eq!(shown(1_500_600_000), "1.501s");
        assert_eq!(shown(250_000), "250µs");
        assert_eq!(shown(0), "0ns");
        assert_eq!(rounded(Duration::MAX), Duration::MAX);
    }
}
