//! No request takes more memory than 64 MiB plus 16 times the length of its body, with any bundled
//! codec. An allocator counts the memory.
//!
//! A request is a body that one codec decodes and another one encodes, as in `convert` and
//! `/transcode`. The body, the document and the answer are in memory at the same time.

#![expect(clippy::format_collect, reason = "texts of a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use plugbay_plugin_testing::{Shape, documents};
use plugbay_sdk::{Codec, Document, Plugin as _, Result};
use proptest::prelude::*;

/// Counts the memory that a thread has allocated, and its maximum.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call is passed to the system's allocator unchanged.
#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    /// A large block is counted as if it grew in place: the system moves its pages, and in a
    /// component it is at the end of the memory.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let small = layout.size() < 1 << 20;
        if small {
            count(size(bytes));
            count(-size(layout.size()));
        } else {
            count(size(bytes) - size(layout.size()));
        }
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result of a call, and the maximum that was allocated during it, in addition to the memory
/// before.
fn peak<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.get();
    PEAK.set(before);
    let answer = call();
    (answer, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

const BASE: usize = 64 << 20;

type Decode = Box<dyn Fn(&[u8]) -> Result<Document>>;
type Encode = Box<dyn Fn(&Document) -> Result<Vec<u8>>>;

/// A codec in one of its configurations.
struct Subject {
    name: &'static str,
    decode: Decode,
    encode: Encode,
}

macro_rules! subjects {
    ($($name:literal $plugin:expr => $codec:expr;)*) => {
        vec![$({
            let (reads, writes) = ($plugin, $plugin);
            Subject {
                name: $name,
                decode: Box::new(move |bytes| $codec(&reads).decode(bytes)),
                encode: Box::new(move |document| $codec(&writes).encode(document)),
            }
        },)*]
    };
}

/// All bundled codecs, also in the configurations that accept more.
fn subjects() -> Vec<Subject> {
    use plugbay_plugin_yaml as yaml;
    use {plugbay_plugin_cbor as cbor, plugbay_plugin_csv as csv, plugbay_plugin_json as json};
    use {plugbay_plugin_msgpack as msgpack, plugbay_plugin_toml as toml};

    fn itself<T>(plugin: &T) -> &T {
        plugin
    }
    let json = |config| json::Json::new(config).expect("a plugin");
    let yaml = |config| yaml::Yaml::new(config).expect("a plugin");
    let csv = |config| csv::Tabular::new(config).expect("a plugin");
    let all = || plugbay_plugin_json::Config {
        bytes: plugbay_plugin_json::Bytes::Base64,
        integer_keys: plugbay_plugin_json::IntegerKeys::Text,
        pretty: true,
    };
    let open = || plugbay_plugin_yaml::Config {
        merge_keys: plugbay_plugin_yaml::MergeKeys::Merge,
        tags: plugbay_plugin_yaml::Tags::Map,
    };
    let lax = || plugbay_plugin_csv::Config {
        ragged: plugbay_plugin_csv::Ragged::Accept,
        quotes: plugbay_plugin_csv::Quotes::Lax,
        header: false,
        ..plugbay_plugin_csv::Config::default()
    };
    let text = || plugbay_plugin_toml::Config {
        integer_keys: plugbay_plugin_toml::IntegerKeys::Text,
        ..plugbay_plugin_toml::Config::default()
    };
    subjects! {
        "json" json(plugbay_plugin_json::Config::default()) => itself;
        "json, all" json(all()) => itself;
        "jsonl" json(all()) => plugbay_plugin_json::Json::lines;
        "cbor" cbor::Cbor::new(cbor::Config { sorted: false }).expect("a plugin") => itself;
        "cbor, sorted" cbor::Cbor::new(cbor::Config { sorted: true }).expect("a plugin") => itself;
        "msgpack" msgpack::Msgpack::new(msgpack::Config::default()).expect("a plugin") => itself;
        "toml" toml::Toml::new(text()).expect("a plugin") => itself;
        "yaml" yaml(open()) => itself;
        "yaml-stream" yaml(open()) => plugbay_plugin_yaml::Yaml::stream;
        "csv" csv(plugbay_plugin_csv::Config::default()) => plugbay_plugin_csv::Tabular::csv;
        "csv, lax" csv(lax()) => plugbay_plugin_csv::Tabular::csv;
        "tsv" csv(lax()) => plugbay_plugin_csv::Tabular::tsv;
    }
}

/// Decodes a body with one codec, and encodes the document with all. Returns the memory that was
/// needed; the error says which codec needed too much.
fn request(body: &[u8], from: &Subject, to: &[Subject], what: &str) -> Result<usize, String> {
    let limit = BASE + 16 * body.len();
    let (document, decoding) = peak(|| (from.decode)(body));
    // The body itself is in memory, too.
    let mut worst = decoding + body.len();
    let mut by = String::new();
    if let Ok(document) = &document {
        let held = body.len() + document.as_cbor().len();
        for to in to {
            let (_, encoding) = peak(|| (to.encode)(document));
            if held + encoding > worst {
                worst = held + encoding;
                by = format!(" written as {}", to.name);
            }
        }
    }
    if worst > limit {
        let (length, mib) = (body.len(), worst >> 20);
        return Err(format!("{what}: {length} bytes read as {}{by} need {mib} MiB", from.name));
    }
    Ok(worst)
}

/// The length of the hostile bodies.
const BODY: usize = 1 << 20;

/// A part, repeated to the length of a body.
fn many(part: &str) -> String {
    part.repeat(BODY / part.len())
}

/// The parts that a function makes of the numbers from 0 on, to the length of a body.
fn numbered(part: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < BODY {
        text += &part(number);
        number += 1;
    }
    text
}

/// A short word for each number, all of them different.
fn word(mut number: usize) -> String {
    let mut word = String::new();
    loop {
        word.push(char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]));
        number /= 26;
        if number == 0 {
            return word;
        }
    }
}

fn deep(levels: usize, inside: &str) -> String {
    format!("{}{inside}{}", "[".repeat(levels), "]".repeat(levels))
}

/// Bodies that are designed to need much memory: the codec, a description and the body.
#[expect(clippy::too_many_lines, reason = "a list")]
fn hostile() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let long = "x".repeat(BODY / 2);
    let mut bodies: Vec<(&str, &str, Vec<u8>)> = Vec::new();
    let mut add = |codec, what, body: String| bodies.push((codec, what, body.into_bytes()));
    add(
        "yaml",
        "an alias of a long text",
        format!("a: &a \"{long}\"\nb: [{}]", "*a,".repeat(BODY / 6)),
    );
    add("yaml", "aliases of nulls", format!("- &a [{}]\n- [{}]", "~,".repeat(1000), many("*a,")));
    add(
        "yaml",
        "aliases of controls",
        format!("- &a \"{}\"\n- [{}]", "\\0".repeat(500), many("*a,")),
    );
    add(
        "yaml",
        "aliases as keys",
        numbered(|n| format!("- {{*a : {n}}}\n")).replacen("- {*a : 0}", "- &a x", 1),
    );
    add("yaml", "anchors", numbered(|n| format!("- &{} x\n", word(n))));
    add("yaml", "anchors of one name", many("- &a x\n"));
    add("yaml", "entries", many("- \n"));
    add("yaml", "a flow list", format!("[{}]", many("a,")));
    add("yaml", "a flow list of nothing", format!("[{}]", many("[],")));
    add("yaml", "pairs of a flow list", format!("[{}]", many("a: ,")));
    add("yaml", "keys", numbered(|n| format!("{}:\n", word(n))));
    add("yaml", "equal keys", many("a:\n"));
    add("yaml", "explicit keys", numbered(|n| format!("? {}\n", word(n))));
    add(
        "yaml",
        "merges",
        format!("- &a {{{}}}\n- {{{}}}", "a: ,".replace(" ,", " 1"), many("<<: *a,")),
    );
    add("yaml", "tags", format!("[{}]", many("!a b,")));
    add("yaml", "deep", deep(120, &many("1,")));
    add("yaml", "comments", many("#\n"));
    add("yaml", "an unclosed list", many("["));
    add("yaml", "a long scalar", many("a "));
    add("yaml", "a long quoted scalar", format!("\"{}\"", many("\\x00")));
    add("yaml", "folded lines", format!("\"{}\"", many("\n")));
    add("yaml-stream", "documents", many("---\n"));
    add("yaml-stream", "directives", many("%YAML 1.2\n---\n...\n"));
    for header in [1, 10, 1 << 10, 1 << 20] {
        let name = "n".repeat(header);
        add("csv", "a long name", format!("{name}\n{}", many("1\n")));
    }
    let names: String = (0..1000).map(|n| format!("{},", word(n))).collect();
    add(
        "csv",
        "many columns, all empty",
        format!("{names}\n{}", many(&format!("{}\n", ",".repeat(1000)))),
    );
    add("csv", "two columns, all empty", format!("a,b\n{}", many(",\n")));
    add("csv", "controls in a name", format!("{}\n{}", "\u{1}".repeat(100), many("1\n")));
    add("csv", "names", numbered(|n| format!("{},", word(n))));
    add(
        "csv",
        "a wide row",
        format!("{}\n{}", numbered(|n| format!("{},", word(n))), ",".repeat(1000)),
    );
    add("csv, lax", "a row of nothing", many(","));
    add("csv, lax", "rows of nothing", many("\n"));
    add("csv, lax", "quotes", many("\"\""));
    add("tsv", "a row of nothing", many("\t"));
    add("toml", "arrays of tables", many("[[a]]\n"));
    add("toml", "nested arrays of tables", format!("[[a]]\n{}", many("[[a.b]]\n")));
    add("toml", "tables", numbered(|n| format!("[{}]\n", word(n))));
    add("toml", "tables of a table", numbered(|n| format!("[a.{}]\n", word(n))));
    add("toml", "values", numbered(|n| format!("{}=1\n", word(n))));
    add("toml", "equal values", many("a=1\n"));
    add("toml", "dotted keys", numbered(|n| format!("a.{}=1\n", word(n))));
    add("toml", "long key paths", numbered(|n| format!("[{}{}]\n", word(n), ".a".repeat(100))));
    add("toml", "deep dotted keys", numbered(|n| format!("{}{}=1\n", word(n), ".a".repeat(100))));
    add("toml", "an array", format!("a=[{}]", many("1,")));
    add("toml", "inline tables", format!("a=[{}]", many("{},")));
    add("toml", "inline tables with a value", format!("a=[{}]", many("{a=1},")));
    add("toml", "an inline table", format!("a={{{}}}", numbered(|n| format!("{}=1,", word(n)))));
    add("toml", "deep", format!("a={}", deep(100, &many("1,"))));
    add("toml", "line breaks", many("\n"));
    add("toml", "a syntax error after many tokens", format!("a=[{}", many("1,")));
    add("toml", "dates", format!("a=[{}]", many("07:32,")));
    for codec in ["json", "yaml"] {
        add(codec, "ones", format!("[{}1]", many("1,")));
        add(codec, "empty lists", format!("[{}1]", many("[],")));
        add(codec, "empty maps", format!("[{}1]", many("{},")));
        add(codec, "empty texts", format!("[{}1]", many("\"\",")));
        add(codec, "nulls", format!("[{}1]", many("null,")));
        add(codec, "big integers", format!("[{}1]", many("18446744073709551616,")));
        add(codec, "great integers", format!("[{}1]", many(&format!("{},", "9".repeat(300)))));
        add(codec, "floats", format!("[{}1]", many("1e9,")));
        add(codec, "big floats", format!("[{}1]", many("1e19,")));
        add(codec, "controls", format!("[\"{}\"]", many("\\u0000")));
        add(codec, "keys", format!("{{{}\"\":1}}", numbered(|n| format!("\"{}\":1,", word(n)))));
        add(codec, "maps of one key", format!("[{}1]", many("{\"a\":1},")));
        add(
            codec,
            "a table under a long name",
            format!(
                "{{\"{}\":{{{}\"\":{{}}}}}}",
                "k".repeat(100_000),
                (0..300_000).map(|n| format!("\"{}\":{{}},", word(n))).collect::<String>()
            ),
        );
        add(codec, "rows of one list", format!("[[{}1]]", many("1,")));
        add(
            codec,
            "rows of one map",
            format!("[{{{}\"\":1}}]", numbered(|n| format!("\"{}\":1,", word(n)))),
        );
        for levels in [3, 10, 30, 100] {
            add(codec, "ones, deep", deep(levels, &format!("{}1", many("1,"))));
            add(codec, "maps, deep", deep(levels, &format!("{}1", many("{\"a\":1},"))));
        }
        add(codec, "short lists, deep", format!("[{}1]", many(&format!("{},", deep(100, "1,1")))));
    }
    add("jsonl", "ones", many("1\n"));
    add("jsonl", "line breaks", many("\n"));
    let mut bytes = |codec, what, before: &[u8], part: &[u8], after: &[u8]| {
        let body = [before, &part.repeat(BODY / part.len()), after].concat();
        bodies.push((codec, what, body));
    };
    let count = |head: &[u8], width: usize| -> Vec<u8> {
        let count = u32::try_from(BODY / width).expect("a count");
        [head, &count.to_be_bytes()].concat()
    };
    for (what, part) in [
        ("nulls", &[0xf6][..]),
        ("zeros", &[0]),
        ("booleans", &[0xf5]),
        ("empty lists", &[0x80]),
        ("empty maps", &[0xa0]),
        ("empty texts", &[0x60]),
        ("half floats", &[0xf9, 0x00, 0x01]),
        ("floats", &[0xfa, 0x00, 0x00, 0x00, 0x01]),
        ("bytes", &[0x41, 0x00]),
        ("controls", &[0x61, 0x00]),
        ("bignums", &[0xc2, 0x41, 0x01]),
        ("integers", &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("dates", &[0xc0, 0x61, 0x30]),
        ("maps of one key", &[0xa1, 0x61, 0x61, 0xf6]),
        ("indefinite lists", &[0x9f, 0xff]),
        ("texts in chunks", &[0x7f, 0x60, 0xff]),
        ("rows", &[0x81, 0x60]),
        ("keys in chunks", &[0xa1, 0x7f, 0x60, 0xff, 0xf6]),
    ] {
        bytes("cbor", what, &count(&[0x9a], part.len()), part, &[]);
        bytes("cbor, sorted", what, &[0x9f], part, &[0xff]);
        bytes(
            "cbor",
            "a list in a list",
            &[&[0x81][..], &count(&[0x9a], part.len())].concat(),
            part,
            &[],
        );
        bytes("cbor", "deep", &[&[0x81; 100][..], &count(&[0x9a], part.len())].concat(), part, &[]);
    }
    bytes("cbor", "equal keys", &count(&[0xba], 2), &[0, 0], &[]);
    bytes("cbor", "equal keys, indefinite", &[0xbf], &[0, 0], &[0xff]);
    bytes(
        "cbor",
        "a long text",
        &[&[0x7a][..], &u32::try_from(BODY).expect("a length").to_be_bytes()].concat(),
        &[1],
        &[],
    );
    bytes("cbor", "tags", &[], &[0xc0], &[]);
    bytes("cbor", "chunks", &[0x5f], &[0x40], &[0xff]);
    for (what, part) in [
        ("nils", &[0xc0][..]),
        ("empty maps", &[0x80]),
        ("empty lists", &[0x90]),
        ("floats", &[0xca, 0, 0, 0, 1]),
        ("timestamps", &[0xd6, 0xff, 0, 0, 0, 0]),
        ("extension types", &[0xd4, 0x05, 0x00]),
        ("empty extension types", &[0xc7, 0x00, 0x05]),
        ("empty bytes", &[0xc4, 0x00]),
        ("maps of one key", &[0x81, 0xa0, 0xc0]),
    ] {
        bytes("msgpack", what, &count(&[0xdd], part.len()), part, &[]);
        bytes(
            "msgpack",
            "deep",
            &[&[0x91; 100][..], &count(&[0xdd], part.len())].concat(),
            part,
            &[],
        );
    }
    bytes("msgpack", "equal keys", &count(&[0xdf], 2), &[0, 0], &[]);
    // Short keys that all differ.
    let keys: Vec<u8> = (0..u32::try_from(BODY / 6).expect("a count"))
        .flat_map(|key| [&[0x1a][..], &key.to_be_bytes(), &[0xf6]].concat())
        .collect();
    bodies.push(("cbor", "integer keys", [&count(&[0xba], 6)[..], &keys].concat()));
    bodies.push((
        "cbor",
        "a map of integer keys in a list",
        [&[0x81][..], &count(&[0xba], 6), &keys].concat(),
    ));
    bodies
}

#[test]
fn the_memory_for_hostile_bodies_is_limited() {
    let subjects = subjects();
    let mut wrong = Vec::new();
    let mut worst = (0.0, String::new());
    for (codec, what, body) in hostile() {
        let from = subjects.iter().find(|subject| subject.name == codec).expect("a codec");
        match request(&body, from, &subjects, what) {
            Ok(bytes) => {
                #[expect(clippy::cast_precision_loss, reason = "for people")]
                let times = bytes as f64 / (BASE + 16 * body.len()) as f64;
                if times > worst.0 {
                    worst = (times, format!("{codec}, {what}"));
                }
            }
            Err(error) => wrong.push(error),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} bodies needed too much memory:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("the maximum: {:.2} of the limit, {}", worst.0, worst.1);
}

/// Parts of bodies, from all formats.
const PARTS: &[&str] = &[
    "&a ",
    "*a",
    "*a,",
    "&b [",
    "<<: *a",
    "- ",
    "? ",
    ": ",
    "a: ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "|\n ",
    "!t ",
    "~",
    "---\n",
    "[[a]]\n",
    "[a.b]\n",
    "a.b=",
    "a=1\n",
    "x,y\n",
    "1,2\n",
    ",",
    "\t",
    "1e9",
    "18446744073709551616",
    "\"a\":1,",
    "{\"a\":",
    "null",
    "\\u0000",
    "#",
    "0",
    "aaaaaaaaaaaaaaaa",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_memory_for_any_body_is_limited(
        before in proptest::collection::vec(proptest::sample::select(PARTS), 0..6),
        part in proptest::collection::vec(proptest::sample::select(PARTS), 1..5),
        after in proptest::collection::vec(proptest::sample::select(PARTS), 0..6),
        length in 0usize..100_000,
    ) {
        let part = part.concat();
        let body = [before.concat(), part.repeat(length / part.len()), after.concat()].concat();
        let subjects = subjects();
        for from in &subjects {
            let read = request(body.as_bytes(), from, &subjects, "a body");
            prop_assert!(read.is_ok(), "{read:?}: {} and {:?}", before.concat(), part);
        }
    }

    #[test]
    fn the_memory_for_any_document_is_limited(document in documents(Shape {
        null: true, bytes: true, non_finite: true, integers: (-(1 << 64), (1 << 64) - 1), any_keys: true, map: false,
    }), times in 1usize..500) {
        // A list that contains the document many times.
        let mut cbor = vec![0x9a];
        cbor.extend(u32::try_from(times).expect("a count").to_be_bytes());
        cbor.extend(document.as_cbor().repeat(times));
        let subjects = subjects();
        let from = subjects.iter().find(|subject| subject.name == "cbor").expect("a codec");
        let read = request(&cbor, from, &subjects, "a document");
        prop_assert!(read.is_ok(), "{read:?}: {document:?}");
    }
}
