//! Reads texts and attributes from a guest's memory, within a bound.

use plugbay_core::trace::{Attribute, AttributeValue, SpanId, TraceId};
use serde_json::Value;
use wasmtime::component::{Lift, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::types::{KeyValue, SpanContext};
use crate::sandbox::state::State;

/// A name is cut to this many bytes.
pub(super) const MAX_NAME: usize = 256;
/// What an attribute, an event or a link costs of the bound besides its texts, in bytes: about its own size.
const ENTRY: usize = 64;
/// The most bytes that are read, of which some are not kept. After a text that exceeds it nothing more is read.
const MAX_READ: usize = 256 << 10;
/// A JSON text is cut to this many bytes before it is read as JSON.
const MAX_JSON: usize = 16 << 10;
/// Names under this prefix are the host's.
const RESERVED: &str = "plugbay.";

/// Reads from a guest's memory until its bounds are reached.
pub(super) struct Reader<'a> {
    store: StoreContextMut<'a, State>,
    /// How many bytes may still be kept.
    keep: usize,
    /// How many bytes may still be read.
    read: usize,
}

impl<'a> Reader<'a> {
    /// A reader that keeps at most so many bytes.
    pub(super) fn new(store: StoreContextMut<'a, State>, keep: usize) -> Self {
        Self { store, keep, read: MAX_READ }
    }

    /// The beginning of a text.
    pub(super) fn text(&mut self, text: &WasmStr, most: usize) -> Result<String> {
        let text = self.read(text, most)?;
        Ok(self.keep(text))
    }

    /// The value of a JSON text.
    pub(super) fn value(&mut self, json: &WasmStr) -> Result<AttributeValue> {
        let json = self.read(json, MAX_JSON)?;
        Ok(match value(json) {
            AttributeValue::Text(text) => self.keep(text.into_owned()).into(),
            other => other,
        })
    }

    /// The attributes that are kept, and the number of the others.
    pub(super) fn attributes(
        &mut self,
        list: &WasmList<KeyValue>,
    ) -> Result<(Vec<Attribute>, u32)> {
        let mut kept = Vec::new();
        for pair in self.entries(list)? {
            if !self.take_entry() {
                break;
            }
            let name = self.text(&pair.key, MAX_NAME)?;
            let value = self.value(&pair.value)?;
            if !name.is_empty() && !name.starts_with(RESERVED) {
                kept.push(Attribute { name: name.into(), value });
            }
        }
        let others = others(list, kept.len());
        Ok((kept, others))
    }

    /// The trace and the span of a place in a trace; `None` if one of them is invalid.
    pub(super) fn place(&mut self, place: &SpanContext) -> Result<Option<(TraceId, SpanId)>> {
        let (trace, span) = (self.read(&place.trace_id, 33)?, self.read(&place.span_id, 17)?);
        Ok(TraceId::from_hex(&trace).zip(SpanId::from_hex(&span)))
    }

    /// The first entries of a list, no more than there may be room for.
    pub(super) fn entries<T: Lift>(&mut self, list: &WasmList<T>) -> Result<Vec<T>> {
        let most = self.keep / ENTRY;
        list.iter(&mut self.store)?.take(most).collect()
    }

    /// Whether there is room for one more entry, which is then taken.
    pub(super) fn take_entry(&mut self) -> bool {
        let left = self.keep.checked_sub(ENTRY).filter(|_| self.read > 0);
        self.keep = left.unwrap_or(0);
        left.is_some()
    }

    /// The beginning of a text. All of it is checked, and so counts as read.
    fn read(&mut self, text: &WasmStr, most: usize) -> Result<String> {
        if self.read == 0 {
            return Ok(String::new());
        }
        let text = text.to_str(&self.store)?;
        self.read = self.read.saturating_sub(text.len());
        Ok(text[..text.floor_char_boundary(most)].to_owned())
    }

    fn keep(&mut self, mut text: String) -> String {
        text.truncate(text.floor_char_boundary(self.keep));
        self.keep -= text.len();
        text
    }
}

/// The number of entries that are not kept.
pub(super) fn others<T: Lift>(list: &WasmList<T>, kept: usize) -> u32 {
    u32::try_from(list.len().saturating_sub(kept)).unwrap_or(u32::MAX)
}

/// The value of a JSON text. Lists, objects, and what is no JSON stay as they are.
fn value(json: String) -> AttributeValue {
    match serde_json::from_str(&json) {
        Ok(Value::String(text)) => text.into(),
        Ok(Value::Bool(is)) => AttributeValue::Bool(is),
        Ok(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => AttributeValue::Integer(number),
            (None, Some(number)) => AttributeValue::Float(number),
            (None, None) => json.into(),
        },
        _ => json.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_json() {
        let text = |text: &str| AttributeValue::from(text.to_owned());
        for (json, expected) in [
            (r#""a\u00e9\n\"b\"""#, text("aé\n\"b\"")),
            ("3", AttributeValue::Integer(3)),
            ("-3", AttributeValue::Integer(-3)),
            ("18446744073709551615", AttributeValue::Float(18_446_744_073_709_551_615.0)),
            ("0.5", AttributeValue::Float(0.5)),
            ("true", AttributeValue::Bool(true)),
            ("[1,2]", text("[1,2]")),
            ("null", text("null")),
            ("\"cut", text("\"cut")),
            ("", text("")),
        ] {
            assert_eq!(value(json.to_owned()), expected, "{json}");
        }
        // Deep nesting is refused by the reader of JSON.
        let deep = "[".repeat(MAX_JSON);
        assert_eq!(value(deep.clone()), text(&deep));
    }
}
