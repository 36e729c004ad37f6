//! The parameters of a lookup.

use std::time::Duration;

use serde_json::Value;

use crate::directory::Query;
use crate::wire::{Invalid, Sequence, seconds};

/// How long a blocking query waits that says nothing about it.
const WAIT: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(600);
const MAX_LIMIT: usize = 10_000;
/// The most conditions of one query.
const MAX_CONDITIONS: usize = 32;

/// The parameters of a lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) query: Query,
    /// Answer once the service has changed after this.
    pub(super) index: Option<Sequence>,
    /// But not later than after this.
    pub(super) wait: Duration,
}

impl Parameters {
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let mut read = Self { wait: WAIT, ..Self::default() };
        for (key, value) in pairs {
            match key.as_str() {
                "include_unhealthy" => {
                    read.query.include_unhealthy =
                        invalid.keep(key, boolean(value)).unwrap_or(false);
                }
                "tag" => read.query.tags.push(value.clone()),
                "limit" => read.query.limit = invalid.keep(key, limit(value)),
                "cursor" => read.query.after = invalid.keep(key, value.parse()),
                "index" => read.index = invalid.keep(key, sequence(value)),
                "wait" => read.wait = invalid.keep(key, wait(value)).unwrap_or(WAIT),
                _ => match key.strip_prefix("meta.") {
                    Some(name) if !name.is_empty() => {
                        read.query.metadata.push((name.to_owned(), value.clone()));
                    }
                    _ => {
                        let known = "include_unhealthy, tag, meta.KEY, limit, cursor, index, wait";
                        let key: String = key.chars().take(60).collect();
                        invalid.add(key, format!("unknown parameter, expected one of {known}"));
                    }
                },
            }
        }
        if read.query.tags.len() + read.query.metadata.len() > MAX_CONDITIONS {
            invalid.add("", format!("expected at most {MAX_CONDITIONS} conditions, found more"));
        }
        if invalid.0.is_empty() { Ok(read) } else { Err(invalid) }
    }
}

/// `true`, `false`, or nothing for true.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("expected a whole number from 1 to {MAX_LIMIT}"))
}

pub(super) fn sequence(text: &str) -> Result<Sequence, String> {
    text.parse().map(Sequence).map_err(|_| "expected a whole number".into())
}

/// A number of seconds, or a text with a unit.
fn wait(text: &str) -> Result<Duration, String> {
    let value = text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from);
    let wait = seconds::read(&value)?;
    if wait <= MAX_WAIT { Ok(wait) } else { Err("expected at most 10 minutes".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[(&str, &str)]) -> Result<Parameters, Vec<String>> {
        let pairs: Vec<_> = text.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Parameters::read(&pairs).map_err(|it| it.0.into_iter().map(|it| it.field).collect())
    }

    #[test]
    fn parameters_are_read_and_wrong_ones_named() {
        let good = read(&[
            ("include_unhealthy", "true"),
            ("tag", "a"),
            ("tag", "b"),
            ("meta.zone", "1"),
            ("limit", "7"),
            ("index", "9"),
            ("wait", "1.5"),
        ])
        .unwrap();
        assert!(good.query.include_unhealthy);
        assert_eq!(good.query.tags, ["a", "b"]);
        assert_eq!(good.query.metadata, [("zone".to_owned(), "1".to_owned())]);
        assert_eq!((good.query.limit, good.index), (Some(7), Some(Sequence(9))));
        assert_eq!(good.wait, Duration::from_millis(1500));
        assert_eq!(read(&[("wait", "2m")]).unwrap().wait, Duration::from_secs(120));
        let bad = read(&[
            ("include_unhealthy", "maybe"),
            ("limit", "0"),
            ("cursor", "x"),
            ("index", "-1"),
            ("wait", "NaN"),
            ("meta.", "x"),
            ("colour", "red"),
        ]);
        let expected = ["include_unhealthy", "limit", "cursor", "index", "wait", "meta.", "colour"];
        assert_eq!(bad.unwrap_err(), expected);
        assert!(read(&[("wait", "601")]).is_err());
        assert!(read(&[("tag", "a"); 33]).is_err());
    }
}
