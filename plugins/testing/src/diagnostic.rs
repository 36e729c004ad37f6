//! The diagnostic notation of CBOR.

use plugbay_sdk::document::Error;
use plugbay_sdk::document::cbor::{Reader, Token};

/// One CBOR item in the diagnostic notation of RFC 8949 section 8, without lengths and widths.
///
/// # Panics
///
/// If `cbor` is not exactly one item.
pub fn diagnostic(cbor: &[u8]) -> String {
    let mut reader = Reader::new(cbor);
    let mut out = String::new();
    write(&mut reader, &mut out).expect("an item");
    reader.finish().expect("one item");
    out
}

fn write(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Error> {
    let token = reader.next_token()?;
    if let Some(value) = token.as_integer() {
        *out += &value.to_string();
        return Ok(());
    }
    if let Some(value) = token.as_float() {
        *out += &float(value);
        return Ok(());
    }
    match token {
        Token::Bytes(bytes) => *out += &format!("h'{}'", data_encoding::HEXLOWER.encode(&bytes)),
        Token::Text(value) => text(&value, out),
        Token::Simple(value) => *out += &format!("simple({value})"),
        Token::Tag(tag) => {
            *out += &format!("{tag}(");
            write(reader, out)?;
            out.push(')');
        }
        Token::Array(count) => {
            out.push('[');
            list(reader, count, out, write)?;
            out.push(']');
        }
        Token::Map(pairs) => {
            out.push('{');
            list(reader, pairs, out, |reader, out| {
                write(reader, out)?;
                out.push_str(": ");
                write(reader, out)
            })?;
            out.push('}');
        }
        Token::Bool(value) => *out += &value.to_string(),
        other => *out += &other.to_string(),
    }
    Ok(())
}

fn list(
    reader: &mut Reader<'_>,
    mut left: Option<usize>,
    out: &mut String,
    one: impl Fn(&mut Reader<'_>, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut separator = "";
    while reader.advance(&mut left)? {
        out.push_str(separator);
        one(reader, out)?;
        separator = ", ";
    }
    Ok(())
}

/// A float in the form of the examples of RFC 8949 appendix A: `1.0`, `1.0e+300`, `5.0e-324`,
/// `Infinity`.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{value:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

fn text(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => *out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}
