//! Converts timestamps to the text of a date (RFC 3339) and back.

/// The extension type of timestamps.
pub(crate) const TIMESTAMP: i8 = -1;

/// A point in time: seconds since 1970 in UTC, and nanoseconds after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// The first and the last second of the years of RFC 3339, 0 to 9999.
const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
const DAY: i64 = 86_400;

impl Time {
    /// The time of a timestamp with 4, 8 or 12 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let time = match bytes.len() {
            4 => {
                let seconds = u32::from_be_bytes(bytes.try_into().ok()?);
                Self { seconds: seconds.into(), nanoseconds: 0 }
            }
            8 => {
                let both = u64::from_be_bytes(bytes.try_into().ok()?);
                let seconds = i64::try_from(both & ((1 << 34) - 1)).ok()?;
                Self { seconds, nanoseconds: u32::try_from(both >> 34).ok()? }
            }
            _ => {
                let (nanoseconds, seconds) = bytes.split_first_chunk()?;
                Self {
                    seconds: i64::from_be_bytes(seconds.try_into().ok()?),
                    nanoseconds: u32::from_be_bytes(*nanoseconds),
                }
            }
        };
        (time.nanoseconds < 1_000_000_000).then_some(time)
    }

    /// The timestamp, in its shortest form.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let nanoseconds = u64::from(self.nanoseconds);
        match (u32::try_from(self.seconds), u64::try_from(self.seconds)) {
            (Ok(seconds), _) if nanoseconds == 0 => seconds.to_be_bytes().to_vec(),
            (_, Ok(seconds)) if seconds < 1 << 34 => {
                (nanoseconds << 34 | seconds).to_be_bytes().to_vec()
            }
            _ => [&self.nanoseconds.to_be_bytes()[..], &self.seconds.to_be_bytes()].concat(),
        }
    }

    /// The text, such as `2013-03-21T20:04:00Z`, with as many digits of a second as needed; `None`
    /// outside the years 0 to 9999.
    pub(crate) fn to_text(self) -> Option<String> {
        if !YEARS.contains(&self.seconds) {
            return None;
        }
        let (year, month, day) = civil(self.seconds.div_euclid(DAY));
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.nanoseconds != 0 {
            let digits = format!(".{:09}", self.nanoseconds);
            text += digits.trim_end_matches('0');
        }
        text.push('Z');
        Some(text)
    }

    /// The time of a text in the format of RFC 3339. `None` for other texts, for a leap second, and
    /// for more than nine digits of a second.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let at = |place: usize| text.as_bytes().get(place).copied();
        let separated = at(4) == Some(b'-')
            && at(7) == Some(b'-')
            && matches!(at(10), Some(b'T' | b't' | b' '))
            && at(13) == Some(b':')
            && at(16) == Some(b':');
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let days = days(year, month, day);
        if !separated
            || hour > 23
            || minute > 59
            || second > 59
            || civil(days) != (year, month, day)
        {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut nanoseconds = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 9 {
                return None;
            }
            nanoseconds = format!("{:0<9}", &fraction[..digits]).parse().ok()?;
            rest = &fraction[digits..];
        }
        let offset = match rest.as_bytes() {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
                let hours = digit(h1)? * 10 + digit(h2)?;
                let minutes = digit(m1)? * 10 + digit(m2)?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if *sign == b'+' { 60 } else { -60 }
            }
            _ => return None,
        };
        let seconds = days * DAY + hour * 3600 + minute * 60 + second - offset;
        Some(Self { seconds, nanoseconds })
    }
}

/// The number of days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March here, so that the leap day is its last day.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year, the month and the day that is so many days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_converted_to_text_and_back() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (1_363_896_240, 0, "2013-03-21T20:04:00Z"),
            (951_782_400, 500_000_000, "2000-02-29T00:00:00.5Z"),
            (4_294_967_296, 1, "2106-02-07T06:28:16.000000001Z"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ] {
            let time = Time { seconds, nanoseconds };
            assert_eq!(time.to_text().as_deref(), Some(text));
            assert_eq!(Time::from_text(text), Some(time));
            assert_eq!(Time::from_bytes(&time.to_bytes()), Some(time));
        }
        assert_eq!(Time { seconds: 253_402_300_800, nanoseconds: 0 }.to_text(), None);
    }

    #[test]
    fn offsets_are_converted_to_utc_and_invalid_texts_are_refused() {
        let seconds = |text| Time::from_text(text).map(|time| time.seconds);
        assert_eq!(seconds("1970-01-01t01:00:00+01:00"), Some(0));
        assert_eq!(seconds("1969-12-31 19:00:00-05:00"), Some(0));
        for text in [
            "1970-01-01",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-13-01T00:00:00Z",
            "197o-01-01T00:00:00Z",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00Zé",
            "",
        ] {
            assert_eq!(Time::from_text(text), None, "{text}");
        }
    }
}
