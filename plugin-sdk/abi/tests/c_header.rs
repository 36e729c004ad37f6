//! The checked-in C header is what `cbindgen` makes of `src/raw.rs` and of the tables in `src/kind`.
//!
//! To write it again: `PLUGBAY_BLESS=1 cargo test -p plugbay-abi --test c_header`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cbindgen::{Config, Language, Style};
use plugbay_abi::{ENTRY, HEADER, Level, MAGIC, MetricKind, SECTION};

/// What each type is called in C. What is not listed here keeps its name, but for the tables of
/// kinds: `CodecTable` is `plugbay_codec_table`.
const NAMES: [(&str, &str); 17] = [
    ("Array_Kind", "plugbay_kinds"),
    ("Array_Bytes", "plugbay_texts"),
    ("Array_Pair", "plugbay_pairs"),
    ("Array_f64", "plugbay_numbers"),
    ("Buf", "plugbay_buf"),
    ("Bytes", "plugbay_bytes"),
    ("Header", "plugbay_header"),
    ("HostRef", "plugbay_host"),
    ("HostVtable", "plugbay_host_vtable"),
    ("Kind", "plugbay_kind"),
    ("MAGIC", "PLUGBAY_MAGIC"),
    ("Pair", "plugbay_pair"),
    ("Request", "plugbay_request"),
    ("Response", "plugbay_response"),
    ("Status", "plugbay_status"),
    ("Visit", "plugbay_visit"),
    ("Vtable", "plugbay_vtable"),
];

const ESSAY: &str = "/*
 * The C ABI between a Plugbay host and its native plugins.
 *
 * Generated from plugin-sdk/abi/src/raw.rs and src/kind. Do not edit.
 *
 * A plugin defines a `plugbay_vtable` and a table for each kind of its capabilities, passes the
 * vtable to `PLUGBAY_PLUGIN`, and is linked as a shared library: `cc -shared -fPIC
 * -fvisibility=hidden`. examples/rot13.c is a complete plugin. plugbay_json.h reads a
 * plugin's config, plugbay_cbor.h reads and writes documents; examples/properties.c uses both.
 *
 * - The side that allocates a buffer frees it. A returned buffer carries its own `free`; an argument
 *   is borrowed until the call returns.
 * - The host is an argument of every call, valid until the call returns, on its thread only.
 * - An instance is shared between threads: all its functions but `destroy` may run at once. What they
 *   change in it they guard with a lock or by atomic operations.
 * - No C++ exception may leave a function: declare the functions `noexcept`.
 * - C++: build with -fno-gnu-unique. Otherwise two versions of a plugin share static variables of
 *   templates and inline functions.
 *
 * \"Valid for the call\" means: readable, unchanged by anyone, until the function that it is an
 * argument of returns. All texts are UTF-8 without a terminating zero.
 */";

/// The include guard. That of `cbindgen` would end before `REST`.
const GUARD: &str = "
#ifndef PLUGBAY_H
#define PLUGBAY_H";

const OPEN: &str = "
#ifdef __cplusplus
extern \"C\" {
#endif";

/// The symbols of a plugin, their section, and helpers: `cbindgen` does not generate these.
const REST: &str = r#"
#if defined(_WIN32)
#define PLUGBAY_EXPORT __declspec(dllexport)
#else
#define PLUGBAY_EXPORT __attribute__((visibility("default")))
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#pragma section(".plugbay", read)
#define PLUGBAY_IN_SECTION __declspec(allocate(".plugbay"))
#elif defined(__APPLE__)
#define PLUGBAY_IN_SECTION __attribute__((used, section("__DATA,__plugbay")))
#else
#define PLUGBAY_IN_SECTION __attribute__((used, section(".plugbay")))
#endif

/**
 * The header of the plugin. A host reads it from the file before any code of the plugin runs.
 */
extern PLUGBAY_EXPORT const plugbay_header plugbay_abi;

/**
 * The entry function of the plugin.
 */
PLUGBAY_EXPORT const plugbay_vtable *plugbay_entry_v2(void);

/**
 * Makes the library a plugin. Use it once, outside of any function. `vtable` is a static
 * `plugbay_vtable` whose `size` is its `sizeof` and whose `version` is `PLUGBAY_VERSION`.
 */
#define PLUGBAY_PLUGIN(vtable)                                                 \
  const plugbay_vtable *plugbay_entry_v2(void) { return &(vtable); }           \
  PLUGBAY_IN_SECTION const plugbay_header plugbay_abi = {                      \
      PLUGBAY_MAGIC, PLUGBAY_VERSION, sizeof(plugbay_header),                  \
      sizeof(plugbay_vtable), 0}

/**
 * An element of a vtable's kinds: `{PLUGBAY_KIND("codec", table)}`, where `table` is a static
 * `plugbay_codec_table` whose `version` is 1.
 */
#define PLUGBAY_KIND(name, table)                                              \
  {{(const uint8_t *)(name), sizeof(name) - 1}, &(table)}

/**
 * The bytes of a text that ends with a zero, without the zero. Valid as long as `text` is.
 */
static inline plugbay_bytes plugbay_text(const char *text) {
  plugbay_bytes bytes;
  bytes.ptr = (const uint8_t *)text;
  bytes.len = strlen(text);
  return bytes;
}

/**
 * A result or an error message that is a literal: there is nothing to free.
 */
static inline plugbay_buf plugbay_literal(const char *text) {
  plugbay_buf buf;
  buf.ptr = (uint8_t *)(uintptr_t)text;
  buf.len = strlen(text);
  buf.cap = 0;
  buf.free = NULL;
  return buf;
}

#ifdef __cplusplus
}
#endif

#endif
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The header as `cbindgen` writes it, with the names of Rust.
fn generated() -> String {
    let mut config = Config {
        language: Language::C,
        style: Style::Type,
        header: Some(format!("{ESSAY}\n{GUARD}")),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h", "string.h"].map(String::from).to_vec(),
        after_includes: Some(format!("{OPEN}\n{}", constants())),
        trailer: Some(REST.trim().to_owned()),
        usize_is_size_t: true,
        line_length: usize::MAX, // they are folded once the names are C's
        ..Config::default()
    };
    let kinds = sources(&root().join("src/kind"));
    config.export.include = ["Header", "Status", "Vtable"].map(String::from).to_vec();
    config.export.include.extend(kinds.iter().flat_map(|(_, text)| tables(text)).map(String::from));
    config.export.exclude = vec!["VERSION".to_owned(), "ENTRY".to_owned(), "HEADER".to_owned()];
    let builder = cbindgen::Builder::new().with_config(config).with_src(root().join("src/raw.rs"));
    let builder = kinds.iter().fold(builder, |builder, (file, _)| builder.with_src(file));
    let bindings = builder.generate().unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).unwrap()
}

/// The files of the kinds with types that cross, in the order of their names.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("#[repr(C)]") {
            found.push((path, text));
        }
    }
    found.sort();
    found
}

/// The names of the tables that a file defines.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    let structs = text.lines().filter_map(|line| line.strip_prefix("pub struct "));
    structs.filter_map(|line| line.split(' ').next()).filter(|name| name.ends_with("Table"))
}

/// The constants, with their values as Rust has them.
fn constants() -> String {
    let mut text = format!(
        "\n/**\n * The version of this ABI. A host refuses a plugin of another version.\n */\n\
         #define PLUGBAY_VERSION {}\n\n/**\n * The first bytes of a header.\n */\n#define PLUGBAY_MAGIC {{",
        plugbay_abi::VERSION
    );
    for (index, byte) in MAGIC.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(text, "{separator}0x{byte:02x}").unwrap();
    }
    text.push_str("}\n\n/*\n * The levels of log lines, the most severe first.\n */");
    for (number, level) in Level::ALL.iter().enumerate() {
        let name = format!("{level:?}").to_uppercase();
        write!(text, "\n#define PLUGBAY_LEVEL_{name} {number}").unwrap();
    }
    text.push_str("\n\n/*\n * The kinds of metrics.\n */");
    for (number, kind) in MetricKind::ALL.iter().enumerate() {
        let name = format!("{kind:?}").to_uppercase();
        write!(text, "\n#define PLUGBAY_METRIC_{name} {number}").unwrap();
    }
    text
}

/// One word of the header, in C's names.
fn renamed(word: &str) -> String {
    if let Some(status) = word.strip_prefix("Status_").or(word.strip_prefix("Status::")) {
        return format!("PLUGBAY_{status}");
    }
    if word == "VERSION" {
        return "PLUGBAY_VERSION".to_owned();
    }
    if let Some((_, name)) = NAMES.iter().find(|(rust, _)| *rust == word) {
        return (*name).to_owned();
    }
    match word.strip_suffix("Table") {
        Some(kind) if !kind.is_empty() => format!("plugbay_{}_table", snake_case(kind)),
        _ => word.to_owned(),
    }
}

/// `RequestFilter` as `request_filter`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A line in C's names. In a comment, only a word between backticks is a name.
fn line_in_c(line: &str) -> String {
    let is_comment = line.trim_start().starts_with('*');
    let line =
        if is_comment { line.replace("[`", "`").replace("`]", "`") } else { line.to_owned() };
    let mut text = String::new();
    for (index, part) in line.split('`').enumerate() {
        if index > 0 {
            text.push('`');
        }
        if is_comment && index % 2 == 0 {
            text.push_str(part);
            continue;
        }
        let mut word = String::new();
        for letter in part.chars().chain(['\0']) {
            if letter.is_ascii_alphanumeric() || letter == '_' || letter == ':' {
                word.push(letter);
                continue;
            }
            text.push_str(&renamed(&word));
            word.clear();
            text.extend((letter != '\0').then_some(letter));
        }
    }
    folded(text)
}

/// The arguments of a function that does not fit on one line take lines of their own.
fn folded(line: String) -> String {
    let Some((name, arguments)) = line.split_once(")(").filter(|_| line.len() > 100) else {
        return line;
    };
    let mut text = format!("{name})(\n     ");
    let mut column = 5;
    for argument in arguments.split_inclusive(", ").map(str::trim_end) {
        if column + argument.len() > 98 {
            text.push_str("\n     ");
            column = 5;
        }
        text.push(' ');
        text.push_str(argument);
        column += 1 + argument.len();
    }
    text
}

#[test]
fn the_checked_in_header_is_current() {
    assert!(REST.contains(&format!(" *{ENTRY}(")) && REST.contains(&format!(" {HEADER};")));
    assert!(REST.contains(SECTION));
    let lines: Vec<String> = generated().lines().map(line_in_c).collect();
    let expected = lines.join("\n") + "\n";
    let path = root().join("../c/plugbay.h");
    if std::env::var_os("PLUGBAY_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "plugbay.h is not what src/raw.rs and src/kind say; run \
         `PLUGBAY_BLESS=1 cargo test -p plugbay-abi --test c_header` and review the change"
    );
}
