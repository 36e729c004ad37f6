//! The TOML specifications, example by example.

use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_plugin_toml::{Config, Datetimes, Toml};
use plugbay_sdk::{Codec as _, ErrorKind, Plugin as _};

fn toml() -> Toml {
    Toml::new(Config::default()).expect("a plugin")
}

#[test]
fn what_the_specification_calls_valid_is_read() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 40, |case| {
        let document = toml().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))
    });
}

#[test]
fn what_is_read_is_written_so_that_it_reads_the_same() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 40, |case| {
        let document = toml().decode(&case.input).map_err(|error| error.to_string())?;
        let text = toml().encode(&document).map_err(|error| error.to_string())?;
        let again = toml().decode(&text).map_err(|error| error.to_string())?;
        let text = toml().encode(&again).map_err(|error| error.to_string())?;
        let third = toml().decode(&text).map_err(|error| error.to_string())?;
        // Tables follow values in the text, so the order may change; once.
        assert_eq!(diagnostic(again.as_cbor()), diagnostic(third.as_cbor()));
        let mut sorted = [document, again].map(|document| {
            let mut letters: Vec<char> = diagnostic(document.as_cbor()).chars().collect();
            letters.sort_unstable();
            letters
        });
        if sorted[0] == sorted[1] { Ok(()) } else { Err(format!("{:?}", sorted.as_mut_slice())) }
    });
}

#[test]
fn what_it_calls_invalid_is_refused_and_says_why() {
    let cases = vectors::blocks(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 55, |case| vectors::refused(case, toml().decode(&case.input)));
}

#[test]
fn dates_can_be_refused() {
    let toml = Toml::new(Config { datetimes: Datetimes::Refuse }).expect("a plugin");
    let error = toml.decode(b"a = 1\nb = [1979-05-27]").expect_err("a date");
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    assert!(error.message().contains("1979-05-27 at line 2 column 6"), "{error}");
}
