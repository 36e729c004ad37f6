//! The cost of checking a config against a schema.
//!
//! A schema of forty lines can ask for 2^40 evaluations (each definition naming the next one
//! twice), or for endlessly many (a definition naming itself). The walk prices every pair of
//! (subschema, value) once and remembers it, so that it stays small itself.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{SchemaViolation, Verdict, below};

const EVALUATIONS: u64 = 200_000;
/// The deepest nesting of subschemas, references followed.
const NESTED: usize = 400;

pub(super) fn check(schema: &Value, config: &Value) -> Verdict<()> {
    let mut walk = Walk { root: schema, priced: HashMap::new() };
    walk.price(schema, Some(config), "", 0).map(|_| ())
}

/// A subschema over a value, by address; `None` for the name of a property.
type Pair = (*const Value, Option<*const Value>);

/// Prices the evaluation of a schema over a config.
struct Walk<'a> {
    root: &'a Value,
    /// `None` while the price is being computed: meeting the pair again means a cycle.
    priced: HashMap<Pair, Option<u64>>,
}

impl<'a> Walk<'a> {
    fn price(
        &mut self,
        schema: &'a Value,
        value: Option<&'a Value>,
        at: &str,
        depth: usize,
    ) -> Verdict<u64> {
        let Value::Object(keywords) = schema else {
            return Ok(1);
        };
        let pair = (std::ptr::from_ref(schema), value.map(std::ptr::from_ref));
        match self.priced.get(&pair) {
            Some(Some(price)) => return Ok(*price),
            Some(None) => {
                return Err(SchemaViolation::schema(at, "references without a cycle", "a cycle"));
            }
            None => {}
        }
        if depth > NESTED {
            return Err(SchemaViolation::schema(
                at,
                format!("at most {NESTED} schemas within each other"),
                "more",
            ));
        }
        self.priced.insert(pair, None);
        let mut total: u64 = 1;
        for (keyword, argument) in keywords {
            let price = self.keyword(keyword, argument, keywords, value, at, depth + 1)?;
            total = total.saturating_add(price);
            if total > EVALUATIONS {
                let expected = format!("at most {EVALUATIONS} steps to check this config");
                return Err(SchemaViolation::schema(at, expected, "more"));
            }
        }
        self.priced.insert(pair, Some(total));
        Ok(total)
    }

    fn keyword(
        &mut self,
        keyword: &str,
        argument: &'a Value,
        siblings: &'a Map<String, Value>,
        value: Option<&'a Value>,
        at: &str,
        depth: usize,
    ) -> Verdict<u64> {
        let at = &below(at, keyword);
        let mut total: u64 = 1;
        let mut add = |price: u64| total = total.saturating_add(price);
        match (keyword, argument) {
            ("$ref", Value::String(target)) => {
                if let Some(schema) =
                    target.strip_prefix('#').and_then(|pointer| resolve(self.root, pointer))
                {
                    add(self.price(schema, value, at, depth)?);
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                for schema in schemas {
                    add(self.price(schema, value, at, depth)?);
                }
            }
            ("not" | "if" | "then" | "else", schema) => add(self.price(schema, value, at, depth)?),
            ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    add(self.price(schema, value, at, depth)?);
                }
            }
            ("properties", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    if let Some(property) = value.and_then(|value| value.get(name)) {
                        add(self.price(schema, Some(property), at, depth)?);
                    }
                }
            }
            ("patternProperties", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    add(self.each(schema, value, at, depth)?);
                }
            }
            ("items" | "prefixItems", Value::Array(schemas)) => {
                for schema in schemas {
                    add(self.each(schema, value, at, depth)?);
                }
            }
            ("additionalProperties" | "items" | "additionalItems" | "contains", schema) => {
                add(self.each(schema, value, at, depth)?);
            }
            // To find the unevaluated parts, all sibling keywords are evaluated again for each
            // part.
            ("unevaluatedProperties" | "unevaluatedItems", schema) => {
                add(self.each(schema, value, at, depth)?);
                let parts = children(value).count() as u64 + 1;
                for (name, argument) in siblings {
                    if !name.starts_with("unevaluated") {
                        let again = self.keyword(name, argument, siblings, value, at, depth)?;
                        add(again.saturating_mul(parts));
                    }
                }
            }
            ("propertyNames", schema) => {
                let name = self.price(schema, None, at, depth)?;
                add(name.saturating_mul(children(value).count() as u64));
            }
            ("enum" | "required", Value::Array(items)) => add(items.len() as u64),
            ("uniqueItems", _) => {
                let items = children(value).count() as u64;
                add(items.saturating_mul(items) / 16);
            }
            _ => {}
        }
        Ok(total)
    }

    /// `schema` over every part of `value`.
    fn each(
        &mut self,
        schema: &'a Value,
        value: Option<&'a Value>,
        at: &str,
        depth: usize,
    ) -> Verdict<u64> {
        let mut total: u64 = 0;
        for part in children(value) {
            total = total.saturating_add(self.price(schema, Some(part), at, depth)?);
        }
        Ok(total)
    }
}

fn children(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (object, array) = match value {
        Some(Value::Object(entries)) => (Some(entries), None),
        Some(Value::Array(items)) => (None, Some(items)),
        _ => (None, None),
    };
    let entries = object.into_iter().flat_map(Map::values);
    entries.chain(array.into_iter().flatten())
}

/// A reference's pointer is a fragment of a URI: percent-encoded.
fn resolve<'a>(root: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut decoded = Vec::with_capacity(pointer.len());
    let mut bytes = pointer.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            decoded.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    root.pointer(str::from_utf8(&decoded).ok()?)
}
