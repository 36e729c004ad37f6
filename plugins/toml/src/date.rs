//! Dates and times: their texts, and the tags of CBOR for them.

use toml_datetime::Datetime;

/// The tag of a date and a time with an offset (RFC 8949 section 3.4.1), or of a day (RFC 8943);
/// `None` for others, such as a time without an offset.
pub(crate) fn tag(datetime: &Datetime) -> Option<u64> {
    match (datetime.date, datetime.time, datetime.offset) {
        (Some(_), Some(_), Some(_)) => Some(0),
        (Some(_), None, None) => Some(1004),
        _ => None,
    }
}

/// The text in the format of RFC 3339, which requires seconds.
pub(crate) fn text(datetime: &Datetime) -> String {
    let mut whole = *datetime;
    if let Some(time) = &mut whole.time {
        time.second.get_or_insert(0);
    }
    whole.to_string()
}

/// Whether a text is a date with this tag, which TOML can express as a date.
pub(crate) fn is_date(tag_found: u64, text: &str) -> bool {
    text.parse::<Datetime>().is_ok_and(|datetime| tag(&datetime) == Some(tag_found))
}
