//! Dates and times: their texts, and which of them CBOR has a tag for.

use toml_datetime::Datetime;

/// The tag of a date and a time with its offset (RFC 8949 section 3.4.1), and of a day (RFC 8943);
/// there is none for a time without an offset.
pub(crate) fn tag(datetime: &Datetime) -> Option<u64> {
    match (datetime.date, datetime.time, datetime.offset) {
        (Some(_), Some(_), Some(_)) => Some(0),
        (Some(_), None, None) => Some(1004),
        _ => None,
    }
}

/// In the notation of RFC 3339, which has seconds.
pub(crate) fn text(datetime: &Datetime) -> String {
    let mut whole = *datetime;
    if let Some(time) = &mut whole.time {
        time.second.get_or_insert(0);
    }
    whole.to_string()
}

/// Whether a text is that of a date with this tag, so that TOML can hold it as such.
pub(crate) fn is_date(tag_found: u64, text: &str) -> bool {
    text.parse::<Datetime>().is_ok_and(|datetime| tag(&datetime) == Some(tag_found))
}
