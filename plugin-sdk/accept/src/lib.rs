//! Content negotiation (RFC 9110 section 12.5.1): which of the media types that a server can send
//! does a client want most?
//!
//! ```
//! use plugbay_accept::{best, essence};
//!
//! let types = ["application/json", "application/cbor"];
//! assert_eq!(best(Some("application/*;q=0.5, application/cbor"), &types), Some(1));
//! assert_eq!(best(None, &types), Some(0));
//! assert_eq!(best(Some("text/html"), &types), None);
//! assert_eq!(essence("Text/CSV; charset=utf-8"), "text/csv");
//! ```

/// The index in `types` of the media type that an `Accept` field asks for most; no field asks for
/// anything. Of types that are wanted equally, the one that the field names more precisely wins,
/// then the first. `None` if none is acceptable.
pub fn best(accept: Option<&str>, types: &[impl AsRef<str>]) -> Option<usize> {
    let ranges: Vec<Range<'_>> = accept.map_or_else(
        || vec![Range::ANY],
        |accept| split_outside_quotes(accept, ',').filter_map(Range::parse).collect(),
    );
    // An empty or unreadable field says nothing.
    let ranges = if ranges.is_empty() { vec![Range::ANY] } else { ranges };
    let wanted = types.iter().enumerate().filter_map(|(index, media_type)| {
        let (precision, quality) = quality(&ranges, media_type.as_ref());
        (quality > 0).then_some((quality, precision, std::cmp::Reverse(index)))
    });
    wanted.max().map(|(_, _, index)| index.0)
}

/// The type and subtype of a `Content-Type` field in lower case, without parameters.
#[must_use]
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// A parameter of a media type, without its quotes.
#[must_use]
pub fn parameter<'f>(content_type: &'f str, name: &str) -> Option<&'f str> {
    split_outside_quotes(content_type, ';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        key.trim().eq_ignore_ascii_case(name).then_some(unquoted.unwrap_or(value))
    })
}

/// How precisely the ranges speak of a media type, and what the most precise says: in thousandths.
fn quality(ranges: &[Range<'_>], media_type: &str) -> (u8, u16) {
    let matching = ranges.iter().filter(|range| range.matches(media_type));
    matching.map(|range| (range.precision(), range.quality)).max_by_key(|of| of.0).unwrap_or((0, 0))
}

#[derive(Clone, Copy)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    const ANY: Self = Self { kind: "*", subtype: "*", quality: 1000 };

    /// A range that is not valid is ignored.
    fn parse(range: &'a str) -> Option<Self> {
        let essence = range.split(';').next()?.trim();
        let (kind, subtype) = match essence.split_once('/') {
            Some((kind, subtype)) => (kind, subtype),
            None if essence == "*" => ("*", "*"),
            None => return None,
        };
        if kind.is_empty() || subtype.is_empty() || (kind == "*" && subtype != "*") {
            return None;
        }
        let quality = parameter(range, "q").map_or(Some(1000), thousandths)?;
        Some(Self { kind, subtype, quality })
    }

    fn matches(&self, media_type: &str) -> bool {
        let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }

    fn precision(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subtype != "*")
    }
}

/// `0` to `1` with at most three digits after the point.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::{best, parameter};

    const TYPES: [&str; 4] = ["application/json", "application/cbor", "text/csv", "text/yaml"];

    fn asked(accept: &str) -> Option<&'static str> {
        best(Some(accept), &TYPES).map(|index| TYPES[index])
    }

    #[test]
    fn the_greatest_quality_wins() {
        assert_eq!(asked("text/csv"), Some("text/csv"));
        assert_eq!(asked("text/csv;q=0.1, text/yaml;q=0.2"), Some("text/yaml"));
        assert_eq!(asked("text/csv;q=0.999, text/yaml;q=1.000"), Some("text/yaml"));
        assert_eq!(asked("TEXT/CSV ; Q=0.5 , text/yaml ; q=0.4"), Some("text/csv"));
    }

    #[test]
    fn wildcards_match_and_precision_decides() {
        assert_eq!(asked("*/*"), Some("application/json"));
        assert_eq!(asked("*"), Some("application/json"));
        assert_eq!(asked("text/*"), Some("text/csv"));
        assert_eq!(asked("*/*, text/yaml"), Some("text/yaml"));
        assert_eq!(
            asked("*/*;q=0.1, application/*;q=0.2, application/json;q=0"),
            Some("application/cbor")
        );
        assert_eq!(asked("text/*, text/csv;q=0"), Some("text/yaml"));
    }

    #[test]
    fn nothing_acceptable_is_none() {
        assert_eq!(asked("image/png"), None);
        assert_eq!(asked("*/*;q=0"), None);
        assert_eq!(asked("text/html, application/xhtml+xml"), None);
    }

    #[test]
    fn invalid_ranges_are_ignored() {
        assert_eq!(asked(""), Some("application/json"));
        assert_eq!(asked(",,"), Some("application/json"));
        assert_eq!(asked("nonsense, text/csv"), Some("text/csv"));
        assert_eq!(asked("*/csv, text/yaml"), Some("text/yaml"));
        for quality in ["2", "-1", "0.1234", "x", "", "1.001"] {
            assert_eq!(
                asked(&format!("text/csv;q={quality}, text/yaml;q=0.001")),
                Some("text/yaml")
            );
        }
        assert_eq!(asked(r#"text/csv;a="x,text/yaml;q=1";q=0.5"#), Some("text/csv"));
    }

    #[test]
    fn parameters_lose_their_quotes() {
        assert_eq!(
            parameter("text/csv; header=absent; Charset=\"UTF-8\"", "charset"),
            Some("UTF-8")
        );
        assert_eq!(parameter("text/csv; charset = utf-8 ", "charset"), Some("utf-8"));
        assert_eq!(parameter("text/csv", "charset"), None);
    }
}
