//! No request takes more memory than 64 MiB plus 16 times the length of its body, with any bundled
//! plugin. An allocator counts the memory.
//!
//! A request is a body that one codec decodes and another one encodes, as in `convert` and
//! `/transcode`, or a request of a handler. The body, the document and the answer are in memory at the same
//! time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use plugbay_plugin_hash::{ALGORITHMS, Hash};
use plugbay_plugin_hello::Hello;
use plugbay_plugin_render::Render;
use plugbay_plugin_testing::hostile::{MARKDOWN, PARTS, hostile, hostile_markdown};
use plugbay_plugin_testing::{Shape, documents};
use plugbay_plugin_transcode::{Formats, Transcode};
use plugbay_sdk::{Codec, Document, Handler, Plugin as _, Request, Result};
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

type Decode = Box<dyn Fn(&[u8]) -> Result<Document> + Send + Sync>;
type Encode = Box<dyn Fn(&Document) -> Result<Vec<u8>> + Send + Sync>;

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

/// The bundled codecs as those of a host. Their names are the subtypes of their media types.
struct Linked(Vec<Subject>);

impl Linked {
    fn subject(&self, name: &str) -> &Subject {
        self.0.iter().find(|subject| subject.name == name).expect("a codec")
    }
}

impl Formats for Linked {
    fn available(&self) -> Vec<(String, String)> {
        let types =
            |it: &Subject| (it.name.to_owned(), format!("a/{}", it.name.replace(", ", "-")));
        self.0.iter().map(types).collect()
    }

    fn encode(&self, codec: &str, document: &Document) -> Result<Vec<u8>> {
        (self.subject(codec).encode)(document)
    }

    fn decode(&self, codec: &str, bytes: &[u8]) -> Result<Document> {
        (self.subject(codec).decode)(bytes)
    }
}

/// Sends a request to a handler; the error says that it needed too much memory.
fn handle(
    handler: &impl Handler,
    headers: &[(&str, &str)],
    query: Option<String>,
    body: &[u8],
    what: &str,
) -> Result<(), String> {
    let field = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    let headers = headers.iter().map(field).collect();
    let request = Request { query, headers, body: body.to_vec(), ..Request::new("POST", "/") };
    // The request is in memory, too.
    let (answer, peak) = peak(|| handler.handle(request));
    let (worst, length) = (peak + body.len(), body.len());
    drop(answer);
    if worst > BASE + 16 * length {
        return Err(format!("{what}: {length} bytes need {} MiB", worst >> 20));
    }
    Ok(())
}

fn render() -> Render {
    Render::new(plugbay_plugin_render::Config::default()).expect("a plugin")
}

fn hash() -> Hash {
    Hash::new(plugbay_plugin_hash::Config::default()).expect("a plugin")
}

/// The query that selects all algorithms.
fn all_algorithms() -> String {
    let names: Vec<&str> = ALGORITHMS.iter().map(|algorithm| algorithm.name).collect();
    format!("alg={}", names.join(","))
}

/// The default of `max_input` of `render`.
const MOST_MARKDOWN: usize = 512 << 10;

#[test]
fn the_memory_of_handlers_is_limited() {
    assert_eq!(plugbay_plugin_render::Config::default().max_input, MOST_MARKDOWN);
    let mut wrong = Vec::new();
    let transcode = Transcode::over(Linked(subjects()));
    for (codec, what, body) in hostile() {
        let from = format!("a/{}", codec.replace(", ", "-"));
        for to in ["a/json", "a/yaml"] {
            let headers = [("content-type", &*from), ("accept", to)];
            let handled = handle(&transcode, &headers, None, &body, &format!("{what} to {to}"));
            wrong.extend(handled.err());
        }
    }
    for (what, text) in hostile_markdown() {
        // The longest text that `render` reads by default, and one that it refuses.
        for text in [&text[..text.len().min(MOST_MARKDOWN)], &text] {
            wrong.extend(handle(&render(), &[], None, text.as_bytes(), what).err());
        }
        wrong.extend(handle(&hash(), &[], Some(all_algorithms()), text.as_bytes(), what).err());
    }
    let hello = Hello::new(plugbay_plugin_hello::Config::default()).expect("a plugin");
    let long = "a".repeat(1 << 20);
    wrong.extend(handle(&hello, &[("accept", &long)], None, b"", "a long Accept").err());
    assert!(wrong.is_empty(), "{} requests needed too much:\n{}", wrong.len(), wrong.join("\n"));
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
    fn the_memory_of_handlers_for_any_body_is_limited(
        before in proptest::collection::vec(proptest::sample::select(MARKDOWN), 0..6),
        part in proptest::collection::vec(proptest::sample::select(MARKDOWN), 1..5),
        after in proptest::collection::vec(proptest::sample::select(MARKDOWN), 0..6),
        length in 0usize..1_000_000,
    ) {
        let part = part.concat();
        let text = [before.concat(), part.repeat(length / part.len()), after.concat()].concat();
        for handled in [
            handle(&render(), &[], None, text.as_bytes(), "Markdown"),
            handle(&hash(), &[], Some(all_algorithms()), text.as_bytes(), "a body"),
        ] {
            prop_assert!(handled.is_ok(), "{handled:?}: {} and {part:?}", before.concat());
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
