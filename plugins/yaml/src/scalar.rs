//! The core schema (YAML 1.2.2 section 10.3): what a scalar is.

use std::borrow::Cow;

use plugbay_sdk::document::cbor::Token;

/// The prefix of the schema's tags.
pub(crate) const CORE: &str = "tag:yaml.org,2002:";

/// What a plain scalar without a tag is; an error says what it would be and cannot.
pub(crate) fn plain(text: &str) -> Result<Token<'_>, String> {
    if let Some(token) = null(text).or_else(|| bool(text)) {
        return Ok(token);
    }
    match int(text)? {
        Some(token) => Ok(token),
        None => Ok(float(text)?.unwrap_or(Token::Text(Cow::Borrowed(text)))),
    }
}

/// What a scalar with one of the schema's tags is. The tag comes without its prefix; `None` if
/// it is not one for scalars.
pub(crate) fn tagged<'t>(tag: &str, text: &'t str) -> Option<Result<Token<'t>, String>> {
    let token = match tag {
        "str" => Ok(Some(Token::Text(text.into()))),
        "null" => Ok(null(text)),
        "bool" => Ok(bool(text)),
        "int" => int(text),
        "float" => float(text).and_then(|token| match token {
            None => Ok(int(text)?.and_then(|_| text.parse().ok()).map(Token::F64)),
            found => Ok(found),
        }),
        "binary" => return Some(binary(text)),
        _ => return None,
    };
    let what = || format!("expected a scalar that satisfies the tag {CORE}{tag}, found {text:?}");
    Some(token.and_then(|token| token.ok_or_else(what)))
}

fn null(text: &str) -> Option<Token<'_>> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Token::Null)
}

fn bool(text: &str) -> Option<Token<'_>> {
    match text {
        "true" | "True" | "TRUE" => Some(Token::Bool(true)),
        "false" | "False" | "FALSE" => Some(Token::Bool(false)),
        _ => None,
    }
}

fn int(text: &str) -> Result<Option<Token<'_>>, String> {
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
    match number.ok().and_then(Token::from_integer) {
        Some(token) => Ok(Some(token)),
        None => {
            Err(format!("expected an integer from -2^64 to 2^64 - 1, found the integer {text}"))
        }
    }
}

fn float(text: &str) -> Result<Option<Token<'_>>, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let infinity = if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
        return Ok(Some(Token::F64(infinity)));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Ok(Some(Token::F64(f64::NAN)));
    }
    // An integer is not a float: one needs a point or an exponent.
    if !unsigned.contains(['.', 'e', 'E']) || !is_float(unsigned) {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(Token::F64(number))),
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

fn binary(text: &str) -> Result<Token<'_>, String> {
    let dense: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = data_encoding::BASE64.decode(dense.as_bytes());
    bytes.map(|bytes| Token::Bytes(bytes.into())).map_err(|error| {
        format!("expected base64 (RFC 4648 section 4) after the tag {CORE}binary: {error}")
    })
}
