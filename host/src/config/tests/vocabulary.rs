//! Sizes, durations and near names.

use std::time::Duration;

use plugbay_registry::nearest;
use proptest::prelude::*;

use super::good;
use crate::config::value::duration;
use crate::config::{Size, SizeError};

#[test]
fn sizes_are_read_or_refused() {
    for (text, bytes) in [
        ("0", 0),
        ("0B", 0),
        ("1024", 1024),
        ("8MB", 8_000_000),
        ("64MiB", 64 << 20),
        ("64 mib", 64 << 20),
        ("9007199254740993B", 9_007_199_254_740_993),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(text.parse(), Ok(Size::bytes(bytes)), "{text}");
    }
    for text in [
        "",
        "B",
        "-1",
        "+1MB",
        "1e3",
        "18446744073709551616",
        "16777216TiB",
        "1 parsec",
        "1M",
        "0x10",
        "٣MB",
    ] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
    assert_eq!("1.5GiB".parse::<Size>(), Err(SizeError::Fraction));
}

#[test]
fn durations_are_read() {
    for (text, expected) in [
        ("250ms", Duration::from_millis(250)),
        ("30s", Duration::from_secs(30)),
        ("5m", Duration::from_mins(5)),
        ("1h", Duration::from_hours(1)),
        ("1h 30m", Duration::from_mins(90)),
    ] {
        let config = good(&format!("[server]\ntimeout = \"{text}\""));
        assert_eq!(config.server.timeout, expected, "{text}");
    }
}

#[test]
fn the_nearest_name_is_found() {
    let names = ["listen", "max_body", "timeout"];
    for (wrong, near) in [
        ("lisen", Some("listen")),
        ("listne", Some("listen")),
        ("LISTEN", Some("listen")),
        ("max-body", Some("max_body")),
        ("time", Some("timeout")),
        ("colour", None),
        ("", None),
        ("x", None),
    ] {
        assert_eq!(nearest(wrong, names), near, "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_size_reads_as_it_is_shown(bytes: u64) {
        let size = Size::bytes(bytes);
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn a_duration_reads_as_it_is_shown(nanos in 0..u64::MAX / 8) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(duration::parse(&duration::show(duration)), Ok(duration));
    }
}
