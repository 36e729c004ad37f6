//! Generates documents for property tests.

use plugbay_sdk::Document;
use plugbay_sdk::document::Error;
use plugbay_sdk::document::cbor::{Token, Writer};
use proptest::prelude::*;

/// The values that a format can express, of those that are generated.
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and each test names them")]
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Whether the format has null.
    pub null: bool,
    /// Whether the format has byte strings.
    pub bytes: bool,
    /// Whether the format has NaN and the infinities.
    pub non_finite: bool,
    /// The format's least and greatest integer.
    pub integers: (i128, i128),
    /// Whether keys of maps can be any item.
    pub any_keys: bool,
    /// Whether a document must be a map.
    pub map: bool,
}

/// A tree that a document is built from.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Token<'static>),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

/// Documents of a shape. The keys of a map are distinct.
pub fn documents(shape: Shape) -> impl Strategy<Value = Document> {
    let leaf = leaves(shape).prop_map(Tree::Leaf).boxed();
    let tree = leaf.prop_recursive(5, 48, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Tree::List),
            maps(shape, inner),
        ]
    });
    let root = if shape.map { maps(shape, tree.boxed()).boxed() } else { tree.boxed() };
    root.prop_filter_map("duplicate keys", |tree| {
        let mut writer = Writer::default();
        build(&tree, &mut writer).ok()?;
        Some(writer.into_document())
    })
}

fn maps(shape: Shape, value: BoxedStrategy<Tree>) -> impl Strategy<Value = Tree> {
    let text = texts().prop_map(|text| Tree::Leaf(Token::Text(text.into())));
    let key = if shape.any_keys {
        prop_oneof![3 => text, 1 => value.clone()].boxed()
    } else {
        text.boxed()
    };
    proptest::collection::vec((key, value), 0..8).prop_map(Tree::Map)
}

fn leaves(shape: Shape) -> impl Strategy<Value = Token<'static>> {
    let (least, greatest) = shape.integers;
    let float = if shape.non_finite {
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)]
            .boxed()
    } else {
        any::<f64>().prop_filter("finite", |value| value.is_finite()).boxed()
    };
    let float = prop_oneof![float, (-1e6f64..1e6).prop_map(f64::trunc), Just(-0.0)]
        // Only one NaN is generated: codecs do not keep its sign and payload.
        .prop_map(|value| if value.is_nan() { f64::NAN } else { value });
    prop_oneof![
        any::<bool>().prop_map(Token::Bool),
        prop_oneof![least..=greatest, -300i128..300, Just(least), Just(greatest)]
            .prop_filter_map("64 bits", Token::from_integer),
        float.prop_map(Token::F64),
        texts().prop_map(|text| Token::Text(text.into())),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(move |bytes| if shape.bytes {
            Token::Bytes(bytes.into())
        } else {
            Token::Bool(true)
        }),
        Just(if shape.null { Token::Null } else { Token::Bool(false) }),
    ]
}

/// Texts: of any characters, and those that some format could read as another value.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{0,6}",
        2 => ".{0,12}",
        2 => proptest::collection::vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect()),
        2 => proptest::sample::select(&[
            "true", "yes", "null", "~", "1", "-1", "1.0", "0x1f", "1e3", ".inf", "nan", "2001-01-01", "<<", "=",
            "- a", "a: b", "#c", "a #b", " a", "a ", "\n", "a\nb", "a\n", "\r\n", "\t", "\u{feff}", "\u{feff}a",
            "\u{85}", "\u{2028}", "\u{0}", "\u{7f}", "'", "\"", "\\", "|", ">", "%a", "@", "`", "&a", "*a", "!a",
            "---", "...", "[", "{", "a,b", "", "$__toml_private_datetime",
        ][..]).prop_map(str::to_owned),
    ]
}

fn build(tree: &Tree, writer: &mut Writer) -> Result<(), Error> {
    match tree {
        Tree::Leaf(token) => writer.token(token),
        Tree::List(items) => {
            writer.open_array()?;
            items.iter().try_for_each(|item| build(item, writer))?;
            writer.close()
        }
        Tree::Map(pairs) => {
            writer.open_map()?;
            for (key, value) in pairs {
                build(key, writer)?;
                build(value, writer)?;
            }
            writer.close()
        }
    }
}
