//! The core schema (YAML 1.2.2 section 10.3): what a scalar is.

use std::borrow::Cow;

use plugbay_strict::Item;

/// The prefix of the schema's tags.
pub(crate) const CORE: &str = "tag:yaml.org,2002:";

/// What a plain scalar without a tag is; an error says what it would be and cannot.
pub(crate) fn plain(text: &str) -> Result<Item<'_>, String> {
    if let Some(item) = null(text).or_else(|| bool(text)) {
        return Ok(item);
    }
    match int(text)? {
        Some(item) => Ok(item),
        None => Ok(float(text)?.unwrap_or(Item::Text(Cow::Borrowed(text)))),
    }
}

/// What a scalar with one of the schema's tags is. The tag comes without its prefix; `None` if
/// it is not one for scalars.
pub(crate) fn tagged<'t>(tag: &str, text: &'t str) -> Option<Result<Item<'t>, String>> {
    let item = match tag {
        "str" => Ok(Some(Item::Text(text.into()))),
        "null" => Ok(null(text)),
        "bool" => Ok(bool(text)),
        "int" => int(text),
        "float" => float(text).and_then(|item| match item {
            None => Ok(int(text)?.and_then(|_| text.parse().ok()).map(Item::Float)),
            found => Ok(found),
        }),
        "binary" => return Some(binary(text)),
        _ => return None,
    };
    let what = || format!("expected a scalar that satisfies the tag {CORE}{tag}, found {text:?}");
    Some(item.and_then(|item| item.ok_or_else(what)))
}

fn null(text: &str) -> Option<Item<'_>> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Item::Null)
}

fn bool(text: &str) -> Option<Item<'_>> {
    match text {
        "true" | "True" | "TRUE" => Some(Item::Bool(true)),
        "false" | "False" | "FALSE" => Some(Item::Bool(false)),
        _ => None,
    }
}

fn int(text: &str) -> Result<Option<Item<'_>>, String> {
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let number = if let Some(octal) = text.strip_prefix("0o").filter(|text| digits(text, 8)) {
        i128::from_str_radix(octal, 8)
    } else if let Some(hex) = text.strip_prefix("0x").filter(|text| digits(text, 16)) {
        i128::from_str_radix(hex, 16)
    } else if digits(text.strip_prefix(['-', '+']).unwrap_or(text), 10) {
        text.parse()
    } else {
        return Ok(None);
    };
    match number {
        Ok(number) if (-(1 << 64)..1 << 64).contains(&number) => Ok(Some(Item::Integer(number))),
        _ => Err(format!("expected an integer from -2^64 to 2^64 - 1, found the integer {text}")),
    }
}

fn float(text: &str) -> Result<Option<Item<'_>>, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let infinity = if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
        return Ok(Some(Item::Float(infinity)));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Ok(Some(Item::Float(f64::NAN)));
    }
    // An integer is not a float: one needs a point or an exponent.
    if !unsigned.contains(['.', 'e', 'E']) || !is_float(unsigned) {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(Item::Float(number))),
        _ => Err(format!("expected a float of 64 bits, found the float {text}")),
    }
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(unsigned: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
        }
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    mantissa.contains(|c: char| c.is_ascii_digit())
        && digits(whole)
        && digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

fn binary(text: &str) -> Result<Item<'_>, String> {
    let dense: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = data_encoding::BASE64.decode(dense.as_bytes());
    bytes.map(|bytes| Item::Bytes(bytes.into())).map_err(|error| {
        format!("expected base64 (RFC 4648 section 4) after the tag {CORE}binary: {error}")
    })
}
