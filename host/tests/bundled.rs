//! The bundled plugins in all of their forms: as components, as native libraries, and linked into
//! this program. Each plugin has one source, and behaves in the same way in each form.

mod support;

use std::collections::BTreeMap;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use plugbay::{
    CallErrorKind, CallOptions, CapabilityLease, Codec, CodecHandle, Config, Document, Error,
    Handler, Host, Request, Response, RouteMatch, Status,
};
use plugbay_plugin_testing::hostile::{hostile, hostile_markdown};
use plugbay_toolchain::{Build, Toolchain};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use support::wait;

// Each line keeps its crate in the program, where it registers itself.
use plugbay_plugin_cbor as _;
use plugbay_plugin_csv as _;
use plugbay_plugin_hash as _;
use plugbay_plugin_hello as _;
use plugbay_plugin_json as _;
use plugbay_plugin_msgpack as _;
use plugbay_plugin_render as _;
use plugbay_plugin_toml as _;
use plugbay_plugin_transcode as _;
use plugbay_plugin_yaml as _;
use plugbay_sdk as _;

const PLUGINS: [&str; 10] =
    ["cbor", "csv", "hash", "hello", "json", "msgpack", "render", "toml", "transcode", "yaml"];
const CODECS: [&str; 9] =
    ["cbor", "csv", "json", "jsonl", "msgpack", "toml", "tsv", "yaml", "yaml-stream"];
const HANDLERS: [&str; 4] = ["hash", "hello", "render", "transcode"];
/// The codecs that hold only rows of text.
const TABLES: [&str; 2] = ["csv", "tsv"];
/// The codecs that hold a list of documents.
const LISTS: [&str; 2] = ["jsonl", "yaml-stream"];

/// The same plugins in each form.
struct Forms {
    components: Host,
    libraries: Host,
    linked: Host,
}

/// The components, built with the toolchain of the machine: their packages and their bytes.
static COMPONENTS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let built = Build::new(manifest).run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    let read = |built: plugbay_toolchain::Built| {
        let component = std::fs::read(&built.path_to_component).unwrap();
        (built.package, component)
    };
    built.into_iter().map(read).collect()
});

/// A host of these plugins, as components.
fn components(plugins: &[&str]) -> Host {
    let place = plugins.iter().fold(support::place(), |place, plugin| {
        let package = format!("plugbay-plugin-{plugin}");
        let (_, component) = COMPONENTS.iter().find(|(built, _)| *built == package).unwrap();
        place.plugin(&format!("{package}.wasm"), component.clone())
    });
    // Each test of this file is a process, and all of them compile the same components.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundled-cache");
    place.cache(&cache).unwatched().host().host
}

/// Built once for all tests of a process.
static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let components = components(&PLUGINS);
    let place = support::place().config("[defaults]\nisolation = 'in-process'");
    let place = libraries().into_iter().fold(place, |place, (name, library)| {
        place.plugin(&format!("{name}.so"), std::fs::read(library).unwrap())
    });
    let libraries = place.unwatched().host().host;
    let mut config = Config::default();
    config.host.cache = "".into();
    config.host.plugins = std::env::temp_dir().join("no-folder-of-plugins");
    let linked = Host::builder().config(config).watch(false).build_blocking().unwrap();
    Forms { components, libraries, linked }
});

impl Forms {
    fn all(&self) -> [&Host; 3] {
        [&self.components, &self.libraries, &self.linked]
    }
}

/// Builds each plugin as a library, without any change, in the target folder of the plugins' own
/// tests, so that it shares their artifacts.
fn libraries() -> Vec<(&'static str, PathBuf)> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("plugins-native");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/Cargo.toml");
    let built = PLUGINS.map(|name| {
        let package = format!("plugbay-plugin-{name}");
        let output = Command::new(env!("CARGO"))
            .args(["rustc", "--quiet", "--locked", "--lib", "--crate-type", "cdylib"])
            .args(["--package", &package, "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&target)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stem = package.replace('-', "_");
        let file = format!("{DLL_PREFIX}{stem}{DLL_SUFFIX}");
        (name, target.join("debug").join(file))
    });
    built.into()
}

/// Asserts that every form returns the same, and returns it.
#[track_caller]
fn assert_same<T: PartialEq + Debug>([component, library, linked]: [T; 3], what: &str) -> T {
    assert_eq!(component, library, "as a component and as a library: {what}");
    assert_eq!(component, linked, "as a component and linked: {what}");
    component
}

#[test]
fn every_host_serves_all_bundled_plugins() {
    for (host, form) in FORMS.all().into_iter().zip(["wasm", "native", "linked"]) {
        let status = host.status();
        let names: Vec<&str> = status.plugins.iter().map(|plugin| &*plugin.name).collect();
        assert_eq!(names, PLUGINS);
        assert!(status.plugins.iter().all(|plugin| plugin.form == form));
        assert_eq!(host.names("codec"), CODECS);
        assert_eq!(host.names("handler"), HANDLERS);
    }
    // The linked host only reports its missing folder.
    let rejected = |host: &Host| host.status().rejected.len();
    assert_eq!(FORMS.all().map(rejected), [0, 0, 1]);
}

#[test]
fn every_form_has_the_same_description() {
    let plugins = |status: &Status| {
        let said = status.plugins.iter().map(|it| {
            (it.name.clone(), it.version.clone(), it.description.clone(), it.config_schema.clone())
        });
        said.collect::<Vec<_>>()
    };
    let all = FORMS.all().map(Host::status);
    assert_same(all.each_ref().map(plugins), "plugins");
    assert_same(all.each_ref().map(|it| it.capabilities.clone()), "capabilities");
    assert_same(all.each_ref().map(|it| it.routes.clone()), "routes");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u32,
    weight: f64,
    large: i64,
    paid: bool,
    customer: Customer,
    lines: Vec<Line>,
    tags: BTreeMap<String, i16>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Customer {
    name: String,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    New,
    Regular(u8),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    item: String,
    count: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    city: String,
}

fn order() -> Order {
    let line = |item: &str, note: Option<&str>| Line {
        item: item.into(),
        count: 3,
        note: note.map(str::to_owned),
    };
    Order {
        number: 4_000_000_000,
        weight: 0.1,
        large: -9_007_199_254_740_993,
        paid: true,
        customer: Customer {
            name: "Żółć, \"the\" Ünïcode 🦀\n".into(), state: State::Regular(7)
        },
        lines: vec![line("tea", None), line("cup", Some("- not: a list"))],
        tags: [("b".into(), -1), ("a".into(), i16::MAX)].into(),
    }
}

fn rows() -> Vec<Row> {
    let row = |name: &str, city: &str| Row { name: name.into(), city: city.into() };
    vec![row("Ada", "London"), row("Żółć", "a city, with a comma"), row("x", "\"quoted\"")]
}

/// Round trip of a value: each form writes the same bytes, and reads those of the others.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: &str, value: &T) {
    let handles = FORMS.all().map(|host| host.codec(codec).unwrap());
    let bytes = assert_same(handles.each_ref().map(|it| it.encode(value).unwrap()), codec);
    for handle in &handles {
        assert_eq!(handle.decode::<T>(&bytes).unwrap(), *value, "{codec}");
    }
    let document = |it: &CodecHandle| it.decode_document(&bytes).unwrap().as_cbor().to_vec();
    assert_same(handles.each_ref().map(document), codec);
}

#[test]
fn every_codec_round_trips_any_value() {
    for codec in CODECS {
        if TABLES.contains(&codec) {
            round_trip(codec, &rows());
        } else if LISTS.contains(&codec) {
            round_trip(codec, &[order()].to_vec());
        } else {
            round_trip(codec, &order());
        }
    }
}

#[test]
fn msgpack_writes_the_bytes_of_the_standard() {
    for host in FORMS.all() {
        let bytes = host.codec("msgpack").unwrap().encode(&BTreeMap::from([("a", 1)])).unwrap();
        assert_eq!(bytes, [0x81, 0xa1, 0x61, 0x01]);
    }
}

/// The result of a call, in a form that can be compared.
fn result_of<T>(
    answer: Result<T, Error>,
    bytes: impl Fn(&T) -> Vec<u8>,
) -> Result<Vec<u8>, String> {
    match answer {
        Ok(answer) => Ok(bytes(&answer)),
        Err(Error::Call(error)) => {
            let kinds = [CallErrorKind::InvalidInput, CallErrorKind::Unsupported];
            assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
            Err(error.to_string())
        }
        Err(error) => panic!("expected an answer of the codec, found {error}"),
    }
}

/// This many nested lists, in the format of the codec.
fn nested(codec: &str, depth: usize) -> Vec<u8> {
    let around = |open: &str, inner: &str, close: &str| {
        [open.repeat(depth), inner.to_owned(), close.repeat(depth)].concat().into_bytes()
    };
    match codec {
        "cbor" => [vec![0x81; depth], vec![0xf6]].concat(),
        "msgpack" => [vec![0x91; depth], vec![0xc0]].concat(),
        "json" | "jsonl" | "yaml" | "yaml-stream" => around("[", "1", "]"),
        "toml" => [b"a = ".to_vec(), around("[", "1", "]")].concat(),
        _ => around("\"", "x", "\""),
    }
}

#[test]
fn deep_documents_do_not_trap() {
    for codec in CODECS {
        let handles = FORMS.all().map(|host| host.codec(codec).unwrap());
        for depth in [64, 127, 128, 129, 1_000, 100_000] {
            let bytes = nested(codec, depth);
            let read = assert_same(
                handles
                    .each_ref()
                    .map(|it| result_of(it.decode_document(&bytes), |it| it.as_cbor().to_vec())),
                &format!("{codec} reads {depth} levels"),
            );
            if depth <= 127 && !TABLES.contains(&codec) {
                assert!(read.is_ok(), "{codec} reads {depth} levels: {read:?}");
            }
            let document = nested("cbor", depth);
            let written =
                handles.each_ref().map(|it| result_of(it.encode_document(&document), Vec::clone));
            drop(assert_same(written, &format!("{codec} writes {depth} levels")));
        }
        for host in FORMS.all() {
            let stats = host.status().plugins;
            assert!(stats.iter().all(|plugin| plugin.stats.discarded == 0), "{codec}");
        }
    }
}

#[test]
fn input_in_another_format_is_the_callers_mistake() {
    let garbage: [&[u8]; 6] = [b"", b"\xff\xfe", b"{", b"[1, 2", b"\x9f", b"a: b: c: ["];
    for codec in CODECS {
        let handles = FORMS.all().map(|host| host.codec(codec).unwrap());
        for bytes in garbage {
            let read =
                |it: &CodecHandle| result_of(it.decode_document(bytes), |it| it.as_cbor().to_vec());
            drop(assert_same(handles.each_ref().map(read), &format!("{codec} reads {bytes:?}")));
        }
    }
}

/// Sends a request to every form. Asserts that the answers are equal, and returns them.
fn request_all(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let answers =
        FORMS.all().map(|host| request(host, method, path, headers, body.as_bytes()).unwrap());
    assert_same(answers, &format!("{method} {path}"))
}

fn request(
    host: &Host,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, Error> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, it)| (path, Some(it)));
    let RouteMatch::Found(routed) = host.snapshot().route(method, path) else {
        panic!("expected a route for {method} {path}")
    };
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    let request = Request {
        method: method.into(),
        path: path.into(),
        query: query.map(str::to_owned),
        params: Vec::new(),
        headers: headers.iter().map(header).collect(),
        body: body.into(),
    };
    wait(routed.handle(CallOptions::default(), request))
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// What the host holds for a call, and the memory of the components that serve it, which never shrinks. Each
/// of them may have a second, small instance, which was asked for its health.
#[test]
fn a_request_to_a_component_takes_bounded_memory() {
    let stats = |host: &Host, plugins: &[&str]| {
        let all = host.status().plugins;
        let all = plugins.iter().map(|name| all.iter().find(|it| it.name == **name).unwrap());
        all.map(|it| (it.stats.memory, it.stats.discarded)).collect::<Vec<_>>()
    };
    let mut called = 0;
    let mut check =
        |host: &Host, plugins: &[&str], what: &str, body: &[u8], call: &mut dyn FnMut()| {
            let before = stats(host, plugins);
            let held = allocation_counter::measure(call).bytes_max;
            // An instance that used up a limit is gone, and had no more than its limit.
            let after = stats(host, plugins).into_iter().zip(before);
            let memory = after.map(
                |((memory, discarded), before)| {
                    if discarded == before.1 { memory } else { 64 << 20 }
                },
            );
            let memory: Vec<u64> = memory.collect();
            let most = (64 << 20) + 16 * body.len() as u64;
            assert!(
                held + memory.iter().sum::<u64>() <= most,
                "{plugins:?}: {what}: expected at most {most} bytes, found {held} and {memory:?}"
            );
            called += 1;
        };
    let host = &FORMS.components;
    let codecs = host.status().capabilities.into_iter().filter(|it| it.kind == "codec");
    let codecs: BTreeMap<String, (String, String)> =
        codecs.map(|it| (it.name, (it.plugin, it.media_types[0].clone()))).collect();
    for (at, (codec, what, body)) in hostile().into_iter().enumerate() {
        // Those for other settings of a codec have names that no codec has. CBOR is only copied and
        // checked, and a part of its bodies is enough.
        let Some((plugin, media_type)) = codecs.get(codec) else { continue };
        if codec == "cbor" && at % 4 != 0 {
            continue;
        }
        let codec = host.codec(codec).unwrap();
        check(host, &[plugin], what, &body, &mut || drop(codec.decode_document(&body)));
        // A host without the memory that other bodies have left in the instances.
        let mut plugins = vec!["transcode", "json", plugin];
        plugins.dedup();
        let fresh = components(&plugins);
        let headers = [("content-type", &**media_type)];
        check(&fresh, &plugins, what, &body, &mut || {
            drop(request(&fresh, "POST", "/transcode", &headers, &body));
        });
    }
    for (what, body) in hostile_markdown() {
        let body = &body.as_bytes()[..body.len() / 2];
        check(host, &["render"], what, body, &mut || {
            drop(request(host, "POST", "/render", &[], body));
        });
    }
    assert!(called > 100, "{called} calls");
}

#[test]
fn a_linked_codec_converts_a_small_document_without_another_thread() {
    let json = FORMS.linked.get::<Codec>("json").unwrap().lease().unwrap();
    let encode = |size| {
        let text = "a".repeat(size);
        let document = Document::from_value(&text).unwrap().into_cbor();
        Box::pin(json.encode_document_async(CallOptions::default(), document))
    };
    // Only what needs no thread is done at the first poll.
    assert!(support::is_done(&mut encode(1 << 10)));
    assert!(!support::is_done(&mut encode(1 << 16)));
    let large = wait(encode(1 << 16)).unwrap();
    assert_eq!(large.len(), (1 << 16) + 2);
}

#[test]
fn a_linked_handler_that_never_waits_answers_without_another_thread() {
    let handler = |name: &str| FORMS.linked.get::<Handler>(name).unwrap().lease().unwrap();
    let (hello, hash) = (handler("hello"), handler("hash"));
    let is_done = |handler: &CapabilityLease<Handler>, body: Vec<u8>| {
        let request =
            Request { method: "POST".into(), path: "/".into(), body, ..Request::default() };
        support::is_done(&mut Box::pin(handler.handle(CallOptions::default(), request)))
    };
    assert!(is_done(&hello, Vec::new()));
    // It computes for as long as its body is large, and does not say that it never waits. This one takes longer
    // than the system may keep this thread from its first poll.
    assert!(!is_done(&hash, vec![b'a'; 16 << 20]));
}

#[test]
fn hello_answers() {
    let response = request_all("GET", "/hello", &[], "");
    assert_eq!((response.status, text(&response)), (200, "Hello, world!"));
    assert_eq!(text(&request_all("GET", "/hello/J%C3%BCrgen", &[], "")), "Hello, Jürgen!");
    let json = request_all("GET", "/hello/you", &[("accept", "application/json")], "");
    let said: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(said["message"], "Hello, you!");
}

#[test]
fn transcode_answers() {
    let headers = [("content-type", "application/json"), ("accept", "application/cbor")];
    let response = request_all("POST", "/transcode", &headers, r#"{"a": [1, true]}"#);
    assert_eq!((response.status, &response.body[..]), (200, &b"\xa1\x61a\x82\x01\xf5"[..]));
    // Every codec that holds a map, from every other.
    let types: Vec<(String, String)> = FORMS
        .linked
        .status()
        .capabilities
        .into_iter()
        .filter(|it| it.kind == "codec" && ![TABLES, LISTS].as_flattened().contains(&&*it.name))
        .map(|it| (it.name, it.media_types[0].clone()))
        .collect();
    let value = BTreeMap::from([("a", vec![1, 2]), ("b", vec![])]);
    for (from, content_type) in &types {
        let body = FORMS.linked.codec(from).unwrap().encode(&value).unwrap();
        // The request bodies are text; the binary formats are tested as answers.
        let Ok(body) = String::from_utf8(body) else { continue };
        for (to, accept) in &types {
            let headers = [("content-type", &**content_type), ("accept", &**accept)];
            let response = request_all("POST", "/transcode", &headers, &body);
            assert_eq!(response.status, 200, "{from} to {to}: {}", text(&response));
            let expected = FORMS.linked.codec(to).unwrap().encode(&value).unwrap();
            assert_eq!(response.body, expected, "{from} to {to}");
        }
    }
    let response = request_all("POST", "/transcode", &[("content-type", "image/png")], "");
    assert_eq!(response.status, 415);
}

#[test]
fn render_answers() {
    let response = request_all("POST", "/render", &[("content-type", "text/markdown")], "# *One*");
    assert_eq!(response.status, 200);
    assert!(text(&response).contains("<h1"), "{}", text(&response));
    assert!(text(&response).contains("<em>One</em>"), "{}", text(&response));
    let script = request_all("POST", "/render", &[], "<script>alert(1)</script>");
    assert!(!text(&script).contains("<script"), "{}", text(&script));
}

#[test]
fn hash_answers() {
    let response = request_all("POST", "/hash?alg=sha256,crc32", &[], "abc");
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((response.status, &answer["bytes"]), (200, &3.into()));
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(answer["digests"]["sha256"], sha256);
}

#[test]
fn decoded_documents_are_cbor() {
    for host in FORMS.all() {
        let document = host.codec("json").unwrap().decode_document(b"[null, 1.5]").unwrap();
        assert_eq!(document, Document::from_value(&(None::<u8>, 1.5)).unwrap());
    }
}
