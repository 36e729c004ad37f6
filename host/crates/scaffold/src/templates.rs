//! The files of a new plugin. In a template `plugin-name`, `plugin_name` and `PluginName` stand for the plugin's
//! name, so that each template is valid in its language.

use crate::choices::{Kind, Language};
use crate::files::File;
use crate::sdk;

/// A template: where it goes, and its text.
type Template = (&'static str, &'static str);

macro_rules! templates {
    ($($to:literal from $from:literal),* $(,)?) => {
        &[$(($to, include_str!(concat!("../templates/", $from)))),*]
    };
}

const ALL: &[Template] = templates![
    ".editorconfig" from "all/editorconfig",
    ".gitignore" from "all/gitignore",
];

const RUST: &[Template] = templates![
    ".github/workflows/plugin.yml" from "rust/plugin.yml",
    ".vscode/settings.json" from "rust/settings.json",
    "AGENTS.md" from "rust/AGENTS.md",
];

const RUST_CODEC: &[Template] = templates![
    "Cargo.toml" from "rust-codec/Cargo.toml.txt",
    "src/lib.rs" from "rust-codec/lib.rs",
];

/// What a codec of lines has in every language.
const LINES: &[Template] = templates![
    "README.md" from "rust-codec/README.md",
    "tests/cases/decode/case.toml" from "rust-codec/decode.toml",
    "tests/cases/decode/input.txt" from "rust-codec/lines.txt",
    "tests/cases/decode/expected.json" from "rust-codec/lines.json",
    "tests/cases/encode/case.toml" from "rust-codec/encode.toml",
    "tests/cases/encode/input.json" from "rust-codec/lines.json",
    "tests/cases/encode/expected.txt" from "rust-codec/lines.txt",
    "tests/cases/encode-two-lines/case.toml" from "rust-codec/encode.toml",
    "tests/cases/encode-two-lines/input.json" from "rust-codec/two-lines.json",
    "tests/cases/encode-two-lines/expected.error" from "rust-codec/two-lines.error",
];

const RUST_HANDLER: &[Template] = templates![
    "Cargo.toml" from "rust-handler/Cargo.toml.txt",
    "src/lib.rs" from "rust-handler/lib.rs",
];

/// What a handler that greets has in every language.
const GREETER: &[Template] = templates![
    "README.md" from "rust-handler/README.md",
    "tests/cases/greet/case.toml" from "rust-handler/greet.toml",
    "tests/cases/greet/expected.http" from "rust-handler/greet.http",
    "tests/cases/greet-politely/case.toml" from "rust-handler/politely.toml",
    "tests/cases/greet-politely/expected.http" from "rust-handler/politely.http",
];

const C: &[Template] = templates![
    ".github/workflows/plugin.yml" from "c/plugin.yml",
    "AGENTS.md" from "c/AGENTS.md",
    "README.md" from "c/README.md",
    "compile_flags.txt" from "c/compile_flags.txt",
    "plugbay.toml" from "c/plugbay.toml",
    "src/plugin.c" from "c/plugin.c",
    "tests/cases/decode/case.toml" from "rust-codec/decode.toml",
    "tests/cases/decode/input.txt" from "c/rotated.txt",
    "tests/cases/decode/expected.json" from "c/text.json",
    "tests/cases/encode/case.toml" from "rust-codec/encode.toml",
    "tests/cases/encode/input.json" from "c/text.json",
    "tests/cases/encode/expected.txt" from "c/rotated.txt",
    "tests/cases/encode-a-number/case.toml" from "rust-codec/encode.toml",
    "tests/cases/encode-a-number/input.json" from "c/number.json",
    "tests/cases/encode-a-number/expected.error" from "c/number.error",
];

const JS: &[Template] = templates![
    ".github/workflows/plugin.yml" from "js/plugin.yml",
    "AGENTS.md" from "js/AGENTS.md",
    "jsconfig.json" from "js/jsconfig.json",
    "package.json" from "js/package.json",
];

const JS_CODEC: &[Template] = templates![
    "plugbay.toml" from "js/plugbay-codec.toml",
    "src/plugin.js" from "js/codec.js",
];

const JS_HANDLER: &[Template] = templates![
    "plugbay.toml" from "js/plugbay-handler.toml",
    "src/plugin.js" from "js/handler.js",
];

/// What a plugin in Rust of an application's kind has beside what is made of the WIT.
const RUST_OWN: &[Template] = templates![
    "AGENTS.md" from "rust-own/AGENTS.md",
    "Cargo.toml" from "rust-own/Cargo.toml.txt",
    "README.md" from "rust-own/README.md",
];

/// A new kind, in the folder of an application.
const KIND: &[Template] = templates![
    "wit/kind-name.wit" from "kind/kind.wit",
    "src/kind_name.rs" from "kind/kind.rs",
];

/// The files of a plugin of an application's kind, without the SDK and what is made of the WIT.
pub(crate) fn own(name: &str, kind: &str) -> Vec<File> {
    let common = ALL.iter().chain(RUST).filter(|(to, _)| *to != "AGENTS.md").chain(RUST_OWN);
    common
        .map(|(to, text)| ((*to).to_owned(), filled(text, name).replace("kind-name", kind)))
        .collect()
}

/// The files of a new kind: first its WIT.
pub(crate) fn kind(name: &str) -> Vec<File> {
    let named = |text: &str| {
        text.replace("kind-name", name)
            .replace("kind_name", &name.replace('-', "_"))
            .replace("KindName", &type_name(name))
    };
    KIND.iter().map(|(to, text)| (named(to), named(text))).collect()
}

/// The files of the plugin, without the SDK.
pub(crate) fn files(name: &str, kind: Kind, language: Language) -> Vec<File> {
    let own: &[&[Template]] = match (language, kind) {
        (Language::Rust, Kind::Codec) => &[ALL, RUST, RUST_CODEC, LINES],
        (Language::Rust, Kind::Handler) => &[ALL, RUST, RUST_HANDLER, GREETER],
        (Language::C, _) => &[ALL, C],
        (Language::Js, Kind::Codec) => &[ALL, JS, JS_CODEC, LINES],
        (Language::Js, Kind::Handler) => &[ALL, JS, JS_HANDLER, GREETER],
    };
    let templates = own.iter().copied().flatten();
    templates.map(|(to, text)| ((*to).to_owned(), filled(text, name))).collect()
}

/// A template with the plugin's name in it.
pub(crate) fn filled(template: &str, name: &str) -> String {
    template
        .replace("plugin-name", name)
        .replace("plugin_name", &name.replace('-', "_"))
        .replace("PluginName", &type_name(name))
        .replace("SDK-VERSION", sdk::VERSION)
}

/// `my-plugin` as the name of a type: `MyPlugin`.
fn type_name(name: &str) -> String {
    let words = name.split('-').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_of_a_type() {
        assert_eq!(type_name("my-csv-2"), "MyCsv2");
        assert_eq!(type_name("a--b"), "AB");
        assert_eq!(filled("plugin-name plugin_name PluginName", "a-b"), "a-b a_b AB");
    }

    #[test]
    fn every_case_has_an_input_or_a_route_and_an_expectation() {
        for (language, kind) in [
            (Language::Rust, Kind::Codec),
            (Language::Rust, Kind::Handler),
            (Language::C, Kind::Codec),
            (Language::Js, Kind::Codec),
            (Language::Js, Kind::Handler),
        ] {
            let names: Vec<_> =
                files("a", kind, language).into_iter().map(|(name, _)| name).collect();
            let cases: Vec<_> =
                names.iter().filter_map(|name| name.strip_suffix("/case.toml")).collect();
            assert!(!cases.is_empty());
            for case in cases {
                let expected = format!("{case}/expected.");
                assert!(names.iter().any(|name| name.starts_with(&expected)), "{case}");
            }
            assert!(names.contains(&"README.md".to_owned()));
        }
    }
}
