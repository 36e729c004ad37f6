//! Resolves scalars by the core schema (YAML 1.2.2 section 10.3).

use std::borrow::Cow;

use plugbay_sdk::document::cbor::{Integer, Token};

/// The prefix of the schema's tags.
pub(crate) const CORE: &str = "tag:yaml.org,2002:";

/// The value of a scalar.
#[derive(Debug)]
pub(crate) enum Scalar<'t> {
    Token(Token<'t>),
    /// An integer that does not fit into a token.
    Big(Integer),
}

impl<'t> From<Token<'t>> for Scalar<'t> {
    fn from(token: Token<'t>) -> Self {
        Self::Token(token)
    }
}

/// Resolves a plain scalar without a tag. The error is the reason why a number is out of range.
pub(crate) fn plain(text: &str) -> Result<Scalar<'_>, String> {
    if let Some(token) = null(text).or_else(|| bool(text)) {
        return Ok(token.into());
    }
    match int(text)? {
        Some(scalar) => Ok(scalar),
        None => Ok(float(text)?.unwrap_or(Token::Text(Cow::Borrowed(text))).into()),
    }
}

/// Resolves a scalar with a tag of the schema, which is given without its prefix; `None` if the tag
/// is not one of scalars.
pub(crate) fn tagged<'t>(tag: &str, text: &'t str) -> Option<Result<Scalar<'t>, String>> {
    let scalar = match tag {
        "str" => Ok(Some(Token::Text(text.into()).into())),
        "null" => Ok(null(text).map(Scalar::from)),
        "bool" => Ok(bool(text).map(Scalar::from)),
        "int" => int(text),
        "float" => float(text).and_then(|token| match token {
            None => {
                let number = int(text)?.and_then(|_| text.parse().ok());
                Ok(number.map(Token::F64).map(Scalar::from))
            }
            found => Ok(found.map(Scalar::from)),
        }),
        "binary" => return Some(binary(text).map(Scalar::from)),
        _ => return None,
    };
    let what = || format!("expected a valid scalar for the tag {CORE}{tag}, found {text:?}");
    Some(scalar.and_then(|scalar| scalar.ok_or_else(what)))
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

fn int(text: &str) -> Result<Option<Scalar<'_>>, String> {
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, radix) = if let Some(octal) = text.strip_prefix("0o").filter(|it| digits(it, 8)) {
        (octal, 8)
    } else if let Some(hex) = text.strip_prefix("0x").filter(|it| digits(it, 16)) {
        (hex, 16)
    } else if digits(unsigned, 10) {
        (unsigned, 10)
    } else {
        return Ok(None);
    };
    let negative = text.starts_with('-');
    if let Ok(number) = u64::from_str_radix(number, radix) {
        let number = if negative { -i128::from(number) } else { number.into() };
        return Ok(Token::from_integer(number).map(Scalar::from));
    }
    if let Some(integer) = Integer::from_digits(negative, number, radix) {
        Ok(Some(Scalar::Big(integer)))
    } else {
        let bits = Integer::MAX_BITS;
        let start: String = text.chars().take(64).collect();
        Err(format!("expected an integer of at most {bits} bits, found the integer {start}…"))
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
    // A float has a point or an exponent; without them it is an integer.
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
