//! The Rust type of a WIT type, as the generators of bindings for host and guest both name it, and values of it.

use wit_parser::{Type, TypeDefKind};

use crate::read::{OwnKind, camel, ident};

/// Which value of a type is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The smallest: zero, no text, an empty list, the first case.
    Empty,
    /// One at the edge: the largest number, a text of several scripts, a list of one item, the last case.
    Extreme,
}

impl OwnKind {
    /// The type as an owned value. Types that the interface names are taken to be in scope by these names.
    pub(crate) fn owned(&self, of: Type) -> String {
        let id = match of {
            Type::Bool => return "bool".to_owned(),
            Type::U8 => return "u8".to_owned(),
            Type::U16 => return "u16".to_owned(),
            Type::U32 => return "u32".to_owned(),
            Type::U64 => return "u64".to_owned(),
            Type::S8 => return "i8".to_owned(),
            Type::S16 => return "i16".to_owned(),
            Type::S32 => return "i32".to_owned(),
            Type::S64 => return "i64".to_owned(),
            Type::F32 => return "f32".to_owned(),
            Type::F64 => return "f64".to_owned(),
            Type::Char => return "char".to_owned(),
            Type::String => return "::std::string::String".to_owned(),
            Type::ErrorContext => return "()".to_owned(),
            Type::Id(id) => id,
        };
        let definition = &self.resolve.types[id];
        if let Some(name) = &definition.name {
            return camel(name);
        }
        let or_unit = |of: Option<Type>| of.map_or_else(|| "()".to_owned(), |of| self.owned(of));
        match &definition.kind {
            TypeDefKind::Option(of) => format!("::core::option::Option<{}>", self.owned(*of)),
            TypeDefKind::List(of) => format!("::std::vec::Vec<{}>", self.owned(*of)),
            TypeDefKind::Result(result) => {
                format!("::core::result::Result<{}, {}>", or_unit(result.ok), or_unit(result.err))
            }
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().map(|of| self.owned(*of) + ",").collect();
                format!("({})", types.join(" "))
            }
            TypeDefKind::Type(of) => self.owned(*of),
            // `read` has refused all others.
            _ => "()".to_owned(),
        }
    }

    /// The type of a parameter that is not given away, with this lifetime, such as `'a `, or none.
    pub(crate) fn borrowed(&self, of: Type, lifetime: &str) -> String {
        if is_plain(of) {
            return self.owned(of);
        }
        if of == Type::String {
            return format!("&{lifetime}str");
        }
        if let Type::Id(id) = of
            && self.resolve.types[id].name.is_none()
            && let TypeDefKind::List(item) = self.resolve.types[id].kind
        {
            return format!("&{lifetime}[{}]", self.owned(item));
        }
        format!("&{lifetime}{}", self.owned(of))
    }

    /// A value of the type, as an expression.
    pub(crate) fn sample(&self, of: Type, which: Sample) -> String {
        let extreme = which == Sample::Extreme;
        let id = match of {
            Type::Bool => return extreme.to_string(),
            Type::F32 | Type::F64 => {
                let of = self.owned(of);
                return if extreme { format!("{of}::MAX") } else { "0.0".to_owned() };
            }
            Type::Char => return if extreme { r"'\u{10FFFF}'" } else { "'a'" }.to_owned(),
            Type::String => {
                let text =
                    if extreme { r#""Ada Lovelace \u{e9}\u{4e2d}\u{1f600}\n""# } else { r#""""# };
                return format!("::std::string::String::from({text})");
            }
            Type::ErrorContext => return "()".to_owned(),
            Type::Id(id) => id,
            number => {
                let of = self.owned(number);
                return if extreme { format!("{of}::MAX") } else { "0".to_owned() };
            }
        };
        let definition = &self.resolve.types[id];
        let name = definition.name.as_deref().map(camel).unwrap_or_default();
        let or_unit =
            |of: Option<Type>| of.map_or_else(|| "()".to_owned(), |of| self.sample(of, which));
        match &definition.kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| {
                    format!("{}: {}", ident(&field.name), self.sample(field.ty, which))
                });
                format!("{name} {{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            TypeDefKind::Variant(variant) => {
                let case = if extreme { variant.cases.last() } else { variant.cases.first() };
                let Some(case) = case else { return "()".to_owned() };
                let payload = case.ty.map(|of| format!("({})", self.sample(of, which)));
                format!("{name}::{}{}", camel(&case.name), payload.unwrap_or_default())
            }
            TypeDefKind::Enum(cases) => {
                let case = if extreme { cases.cases.last() } else { cases.cases.first() };
                case.map_or_else(
                    || "()".to_owned(),
                    |case| format!("{name}::{}", camel(&case.name)),
                )
            }
            TypeDefKind::Option(of) if extreme => {
                format!("::core::option::Option::Some({})", self.sample(*of, which))
            }
            TypeDefKind::Option(_) => "::core::option::Option::None".to_owned(),
            TypeDefKind::List(of) if extreme => format!("::std::vec![{}]", self.sample(*of, which)),
            TypeDefKind::List(_) => "::std::vec::Vec::new()".to_owned(),
            TypeDefKind::Result(result) if extreme => {
                format!("::core::result::Result::Err({})", or_unit(result.err))
            }
            TypeDefKind::Result(result) => {
                format!("::core::result::Result::Ok({})", or_unit(result.ok))
            }
            TypeDefKind::Tuple(tuple) => {
                let values: Vec<_> =
                    tuple.types.iter().map(|of| self.sample(*of, which) + ",").collect();
                format!("({})", values.join(" "))
            }
            TypeDefKind::Type(of) => self.sample(*of, which),
            _ => "()".to_owned(),
        }
    }
}

/// The expression that makes an owned value of a borrowed parameter.
pub(crate) fn to_owned(of: Type, name: &str) -> String {
    if is_plain(of) { name.to_owned() } else { format!("::std::borrow::ToOwned::to_owned({name})") }
}

/// Whether a value of the type is copied like a number.
fn is_plain(of: Type) -> bool {
    !matches!(of, Type::String | Type::Id(_) | Type::ErrorContext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Function;

    fn kind() -> OwnKind {
        let text = "package a:b@0.1.0; interface i {
            record point { x: u8, %type: option<string> }
            enum colour { red, dark-blue }
            variant shape { none, of(point) }
            f: func(a: string, b: list<point>, c: colour, d: shape, e: tuple<f32, s64>) -> result<_, list<u8>>;
        }";
        OwnKind::read(text, "a.wit").unwrap()
    }

    #[test]
    fn types_have_the_names_of_the_bindings() {
        let kind = kind();
        let Function { params, result, .. } = &kind.functions[0];
        let types: Vec<_> = params.iter().map(|(_, of)| kind.borrowed(*of, "'a ")).collect();
        assert_eq!(types, ["&'a str", "&'a [Point]", "&'a Colour", "&'a Shape", "&'a (f32, i64,)"]);
        let result = kind.owned(result.unwrap());
        assert_eq!(result, "::core::result::Result<(), ::std::vec::Vec<u8>>");
    }

    #[test]
    fn samples_are_values_at_both_edges() {
        let kind = kind();
        let Function { params, .. } = &kind.functions[0];
        let sample = |at: usize, which| kind.sample(params[at].1, which);
        assert_eq!(sample(2, Sample::Empty), "Colour::Red");
        assert_eq!(sample(2, Sample::Extreme), "Colour::DarkBlue");
        assert_eq!(sample(3, Sample::Empty), "Shape::None");
        let of = sample(3, Sample::Extreme);
        assert!(of.starts_with("Shape::Of(Point { x: u8::MAX, type_: "), "{of}");
        assert_eq!(sample(1, Sample::Empty), "::std::vec::Vec::new()");
    }
}
