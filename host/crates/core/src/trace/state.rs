//! The W3C trace context: the value of the header field `tracestate`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::escaped;

/// What tracing systems of other hosts add to a trace: at most 32 members `KEY=VALUE`, separated by commas. This host
/// passes them on, in their order, and adds none.
///
/// The text has at most [`TraceState::MAX`] bytes. If there are more, whole members are left out, as the standard
/// says (W3C Trace Context, level 2, section 3.3.1.5): first those of more than 128 bytes, then those at the end.
///
/// ```
/// use plugbay_core::trace::TraceState;
///
/// let state: TraceState = "vendor=a:1, other@tenant=2".parse()?;
/// assert_eq!(state.as_str(), "vendor=a:1,other@tenant=2");
/// assert!("no member".parse::<TraceState>().is_err());
/// # Ok::<(), plugbay_core::trace::TraceStateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceState(Arc<str>);

/// A text that is no `tracestate`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a tracestate of 1 to {MAX_MEMBERS} members KEY=VALUE, found \"{found}\"")]
pub struct TraceStateError {
    found: String,
}

/// The most members.
const MAX_MEMBERS: usize = 32;
/// The length from which on a member is left out first, in bytes.
const LARGE: usize = 128;
/// The longest key and the longest value.
const MAX_PART: usize = 256;

impl TraceState {
    /// The longest text, in bytes.
    pub const MAX: usize = 512;

    /// The value for a header field `tracestate`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The members, as pairs of key and value, in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(|member| member.split_once('='))
    }

    fn parse(found: &str) -> Option<Self> {
        let members = found.split(',').map(|member| member.trim_matches([' ', '\t']));
        // One more than allowed is enough to refuse them.
        let members = members.filter(|it| !it.is_empty()).take(MAX_MEMBERS + 1);
        let mut members: Vec<&str> = members.collect();
        let valid = (1..=MAX_MEMBERS).contains(&members.len());
        if !(valid && members.iter().all(|member| is_member(member))) {
            return None;
        }
        let length = |members: &[&str]| {
            members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1)
        };
        while length(&members) > Self::MAX {
            let large = members.iter().position(|member| member.len() > LARGE);
            members.remove(large.unwrap_or(members.len() - 1));
        }
        (!members.is_empty()).then(|| Self(members.join(",").into()))
    }
}

fn is_member(member: &str) -> bool {
    member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
}

fn is_key(key: &str) -> bool {
    let plain =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let starts =
        key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    starts && key.len() <= MAX_PART && key.bytes().all(plain)
}

fn is_value(value: &str) -> bool {
    let plain = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b',' && byte != b'=';
    (1..=MAX_PART).contains(&value.len()) && value.bytes().all(plain)
}

impl FromStr for TraceState {
    type Err = TraceStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| {
            let start: String = text.chars().take(80).collect();
            TraceStateError { found: escaped(start).into_owned() }
        })
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        text.parse().ok().map(|state: TraceState| state.to_string())
    }

    #[test]
    fn members_are_passed_on_unchanged() {
        let longest = format!("{}={}", "k".repeat(200), "v".repeat(256));
        for good in ["a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "0t@sys-1=a b!~:;", &longest]
        {
            assert_eq!(read(good).as_deref(), Some(good));
        }
        assert_eq!(read(" a=1 ,,\tb=2 ").as_deref(), Some("a=1,b=2"));
        let state: TraceState = "a=1,b=2".parse().unwrap();
        assert!(state.members().eq([("a", "1"), ("b", "2")]));
    }

    #[test]
    fn invalid_members_refuse_all() {
        let many = vec!["a=1"; MAX_MEMBERS + 1].join(",");
        let key = format!("{}=1", "k".repeat(257));
        for bad in ["", " , ", "a", "a=", "=1", "A=1", "a=1=2", "a=\u{e4}", "a=1\n", &many, &key] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!("a\nb".parse::<TraceState>().unwrap_err().to_string().ends_with(r#"found "a\nb""#));
    }

    #[test]
    fn too_long_a_text_loses_large_members_first_and_then_the_last_ones() {
        let (large, small) =
            (format!("large={}", "v".repeat(200)), format!("s={}", "v".repeat(100)));
        let all = [&*small, &large, &small, &small, &small].join(",");
        assert_eq!(read(&all), Some([&*small; 4].join(",")));
        let all = [&*small; 6].join(",");
        assert_eq!(read(&all), Some([&*small; 4].join(",")));
        let all = [&*large; 3].join(",");
        assert_eq!(read(&all), Some([&*large; 2].join(",")));
    }
}
