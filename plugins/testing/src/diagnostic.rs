//! Diagnostic notation.

use plugbay_strict::{Item, Reader, Refused};

/// Prints one CBOR item as RFC 8949 section 8 does, with lengths and widths left out.
///
/// # Panics
///
/// If `cbor` is not exactly one item.
pub fn diagnostic(cbor: &[u8]) -> String {
    let mut reader = Reader::new(cbor, 0);
    let mut out = String::new();
    let item = reader.pull().expect("an item");
    write(&mut reader, &item, &mut out).expect("an item");
    assert!(reader.rest().is_empty(), "more than one item: {out}");
    out
}

fn write(reader: &mut Reader<'_>, item: &Item<'_>, out: &mut String) -> Result<(), Refused> {
    match item {
        Item::Null => out.push_str("null"),
        Item::Undefined => out.push_str("undefined"),
        Item::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Item::Integer(value) => out.push_str(&value.to_string()),
        Item::Float(value) => out.push_str(&float(*value)),
        Item::Bytes(bytes) => {
            *out += &format!("h'{}'", data_encoding::HEXLOWER.encode(bytes));
        }
        Item::Text(value) => text(value, out),
        Item::Simple(value) => *out += &format!("simple({value})"),
        Item::Tag(tag) => {
            *out += &format!("{tag}(");
            let item = reader.pull()?;
            write(reader, &item, out)?;
            out.push(')');
        }
        Item::Array(length) => {
            out.push('[');
            list(reader, *length, out, write)?;
            out.push(']');
        }
        Item::Map(pairs) => {
            out.push('{');
            list(reader, *pairs, out, |reader, key, out| {
                write(reader, key, out)?;
                out.push_str(": ");
                let value = reader.pull()?;
                write(reader, &value, out)
            })?;
            out.push('}');
        }
        Item::Break => panic!("a break where an item is expected"),
    }
    Ok(())
}

fn list(
    reader: &mut Reader<'_>,
    length: Option<u64>,
    out: &mut String,
    one: impl Fn(&mut Reader<'_>, &Item<'_>, &mut String) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut index = 0;
    while length != Some(index) {
        let item = reader.pull()?;
        if item == Item::Break {
            break;
        }
        if index > 0 {
            out.push_str(", ");
        }
        one(reader, &item, out)?;
        index += 1;
    }
    Ok(())
}

/// `1.0`, `1.0e+300`, `5.0e-324`, `Infinity`: as the examples of RFC 8949 appendix A have it.
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
