//! How many requests may come in which time, as an operator writes it: `"100/s"`, `"30/3s"`, `"1000/h"`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::duration;

/// The longest window.
const MAX_WINDOW: Duration = duration::DAY;

/// At most so many requests in any window, all of which may come at once; none is no limit.
///
/// ```
/// use std::time::Duration;
/// use plugbay::config::Rate;
///
/// let rate: Rate = "30/3s".parse()?;
/// assert_eq!(rate.limit().map(|(count, window)| (count.get(), window)), Some((30, Duration::from_secs(3))));
/// assert_eq!("30/s".parse::<Rate>()?.to_string(), "30/1s");
/// assert_eq!("".parse::<Rate>()?, Rate::NONE);
/// # Ok::<(), plugbay::config::RateError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate(Option<(NonZeroU32, Duration)>);

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of requests, a slash and a time of 1ms to 1day, such as \"100/s\"")]
pub struct RateError;

impl Rate {
    /// No limit.
    pub const NONE: Self = Self(None);

    /// At most `count` requests in any `window`.
    #[must_use]
    pub const fn new(count: NonZeroU32, window: Duration) -> Self {
        Self(Some((count, window)))
    }

    /// The count and the window; `None` if there is no limit.
    #[must_use]
    pub const fn limit(self) -> Option<(NonZeroU32, Duration)> {
        self.0
    }

    /// Whether there is no limit.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::NONE);
        }
        let (count, window) = text.split_once('/').ok_or(RateError)?;
        let count = count.trim().parse().map_err(|_| RateError)?;
        let window = window.trim();
        // "100/s" is "100/1s".
        let bare = window.starts_with(|first: char| first.is_ascii_alphabetic());
        let one = if bare { format!("1{window}") } else { window.to_owned() };
        let window = duration::parse(&one).map_err(|_| RateError)?;
        if (duration::MILLISECOND..=MAX_WINDOW).contains(&window) {
            Ok(Self::new(count, window))
        } else {
            Err(RateError)
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((count, window)) => write!(f, "{count}/{}", duration::show(window)),
            None => Ok(()),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        for (text, shown) in
            [("100/s", "100/1s"), ("400/2s", "400/2s"), (" 5 / m ", "5/1m"), ("", "")]
        {
            assert_eq!(
                text.parse::<Rate>().map(|it| it.to_string()).as_deref(),
                Ok(shown),
                "{text}"
            );
        }
        for bad in ["100", "0/s", "-1/s", "1/0s", "1/2days", "1/x", "/s", "1/", "99999999999/s"] {
            assert_eq!(bad.parse::<Rate>(), Err(RateError), "{bad}");
        }
    }
}
