//! The bundled plugins in two of their forms, as components and linked into this program:
//! whatever the plugin is written in, and however it is built, users see the same codec.

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::LazyLock;

use plugbay::{CallErrorKind, Config, Document, Error, Host, Request, Response, RouteMatch};
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
const CODECS: [&str; 7] = ["cbor", "csv", "json", "msgpack", "toml", "tsv", "yaml"];
const HANDLERS: [&str; 4] = ["hash", "hello", "render", "transcode"];
/// What holds rows of text and nothing else.
const TABLES: [&str; 2] = ["csv", "tsv"];

/// The same plugins twice.
struct Forms {
    components: Host,
    linked: Host,
}

/// Built once for all tests of this file, with whatever toolchain the machine has.
static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let built = Build::new(manifest).run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    let place = support::place();
    let place = built.into_iter().fold(place, |place, built| {
        let component = std::fs::read(&built.path_to_component).unwrap();
        place.plugin(&format!("{}.wasm", built.package), component)
    });
    let components = place.unwatched().host().host;
    let mut config = Config::default();
    config.host.cache = "".into();
    config.host.plugins = std::env::temp_dir().join("no-folder-of-plugins");
    let linked = Host::builder().config(config).watch(false).build_blocking().unwrap();
    Forms { components, linked }
});

impl Forms {
    fn both(&self) -> [&Host; 2] {
        [&self.components, &self.linked]
    }
}

#[test]
fn both_hosts_serve_all_of_them() {
    for (host, form) in FORMS.both().into_iter().zip(["wasm", "linked"]) {
        let status = host.status();
        let names: Vec<&str> = status.plugins.iter().map(|plugin| &*plugin.name).collect();
        assert_eq!(names, PLUGINS);
        assert!(status.plugins.iter().all(|plugin| plugin.form == form));
        assert_eq!(host.names("codec"), CODECS);
        assert_eq!(host.names("handler"), HANDLERS);
    }
    // The one thing against the linked host is its missing folder.
    let rejected = |host: &Host| host.status().rejected.len();
    assert_eq!(FORMS.both().map(rejected), [0, 1]);
}

#[test]
fn both_forms_say_the_same_of_themselves() {
    let [components, linked] = FORMS.both().map(Host::status);
    for (component, linked) in components.plugins.iter().zip(&linked.plugins) {
        assert_eq!(
            (&component.name, &component.version, &component.description),
            (&linked.name, &linked.version, &linked.description)
        );
        assert_eq!(component.config_schema, linked.config_schema, "{}", component.name);
    }
    assert_eq!(components.capabilities, linked.capabilities);
    assert_eq!(components.routes, linked.routes);
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

/// What a table holds.
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

/// The value through one codec: each form writes the same bytes, and reads the other's.
fn goes_round<T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: &str, value: &T) {
    let [component, linked] = FORMS.both().map(|host| host.codec(codec).unwrap());
    let bytes = component.encode(value).unwrap();
    assert_eq!(bytes, linked.encode(value).unwrap(), "{codec}");
    for handle in [&component, &linked] {
        assert_eq!(handle.decode::<T>(&bytes).unwrap(), *value, "{codec}");
    }
    let documents = [&component, &linked].map(|handle| handle.decode_document(&bytes).unwrap());
    assert_eq!(documents[0].as_cbor(), documents[1].as_cbor(), "{codec}");
}

#[test]
fn every_codec_takes_and_gives_any_value() {
    for codec in CODECS {
        if TABLES.contains(&codec) {
            goes_round(codec, &rows());
        } else {
            goes_round(codec, &order());
        }
    }
}

#[test]
fn msgpack_is_msgpack() {
    for host in FORMS.both() {
        let bytes = host.codec("msgpack").unwrap().encode(&BTreeMap::from([("a", 1)])).unwrap();
        assert_eq!(bytes, [0x81, 0xa1, 0x61, 0x01]);
    }
}

/// What became of a call, comparable.
fn fate<T>(answer: Result<T, Error>, bytes: impl Fn(&T) -> Vec<u8>) -> Result<Vec<u8>, String> {
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

/// So many lists in one another, as each format writes them.
fn nested(codec: &str, depth: usize) -> Vec<u8> {
    let around = |open: &str, inner: &str, close: &str| {
        [open.repeat(depth), inner.to_owned(), close.repeat(depth)].concat().into_bytes()
    };
    match codec {
        "cbor" => [vec![0x81; depth], vec![0xf6]].concat(),
        "msgpack" => [vec![0x91; depth], vec![0xc0]].concat(),
        "json" | "yaml" => around("[", "1", "]"),
        "toml" => [b"a = ".to_vec(), around("[", "1", "]")].concat(),
        _ => around("\"", "x", "\""),
    }
}

#[test]
fn deep_documents_do_not_trap() {
    for codec in CODECS {
        let [component, linked] = FORMS.both().map(|host| host.codec(codec).unwrap());
        for depth in [64, 127, 128, 129, 1_000, 100_000] {
            let bytes = nested(codec, depth);
            let read = [&component, &linked]
                .map(|it| fate(it.decode_document(&bytes), |it| it.as_cbor().to_vec()));
            assert_eq!(read[0], read[1], "{codec} reads {depth} levels");
            if depth <= 127 && ["cbor", "json", "msgpack", "yaml"].contains(&codec) {
                assert!(read[0].is_ok(), "{codec} reads {depth} levels: {read:?}");
            }
            let document = nested("cbor", depth);
            let written =
                [&component, &linked].map(|it| fate(it.encode_document(&document), Vec::clone));
            assert_eq!(written[0], written[1], "{codec} writes {depth} levels");
        }
        let stats = FORMS.components.status().plugins;
        assert!(stats.iter().all(|plugin| plugin.stats.discarded == 0), "{codec}");
    }
}

#[test]
fn what_is_not_of_the_format_is_the_callers_mistake() {
    let garbage: [&[u8]; 6] = [b"", b"\xff\xfe", b"{", b"[1, 2", b"\x9f", b"a: b: c: ["];
    for codec in CODECS {
        let [component, linked] = FORMS.both().map(|host| host.codec(codec).unwrap());
        for bytes in garbage {
            let read = [&component, &linked]
                .map(|it| fate(it.decode_document(bytes), |it| it.as_cbor().to_vec()));
            assert_eq!(read[0], read[1], "{codec} reads {bytes:?}");
        }
    }
}

/// The answers of both forms to one request, which are the same.
fn asks(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, it)| (path, Some(it)));
    let [component, linked] = FORMS.both().map(|host| {
        let RouteMatch::Found(routed) = host.snapshot().route(method, path) else {
            panic!("expected a route for {method} {path}")
        };
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        wait(routed.handle(Request {
            method: method.into(),
            path: path.into(),
            query: query.map(str::to_owned),
            params: Vec::new(),
            headers: headers.iter().map(header).collect(),
            body: body.into(),
        }))
        .unwrap()
    });
    assert_eq!(component, linked, "{method} {path}");
    component
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[test]
fn hello_answers() {
    let response = asks("GET", "/hello", &[], "");
    assert_eq!((response.status, text(&response)), (200, "Hello, world!"));
    assert_eq!(text(&asks("GET", "/hello/J%C3%BCrgen", &[], "")), "Hello, Jürgen!");
    let json = asks("GET", "/hello/you", &[("accept", "application/json")], "");
    let said: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(said["message"], "Hello, you!");
}

#[test]
fn transcode_answers() {
    let headers = [("content-type", "application/json"), ("accept", "application/cbor")];
    let response = asks("POST", "/transcode", &headers, r#"{"a": [1, true]}"#);
    assert_eq!((response.status, &response.body[..]), (200, &b"\xa1\x61a\x82\x01\xf5"[..]));
    // Every codec that holds a map, from every other.
    let types: Vec<(String, String)> = FORMS
        .linked
        .status()
        .capabilities
        .into_iter()
        .filter(|it| it.kind == "codec" && !TABLES.contains(&&*it.name))
        .map(|it| (it.name, it.media_types[0].clone()))
        .collect();
    let value = BTreeMap::from([("a", vec![1, 2]), ("b", vec![])]);
    for (from, content_type) in &types {
        let body = FORMS.linked.codec(from).unwrap().encode(&value).unwrap();
        // Request bodies here are text; the binary formats have their turn as answers.
        let Ok(body) = String::from_utf8(body) else { continue };
        for (to, accept) in &types {
            let headers = [("content-type", &**content_type), ("accept", &**accept)];
            let response = asks("POST", "/transcode", &headers, &body);
            assert_eq!(response.status, 200, "{from} to {to}: {}", text(&response));
            let expected = FORMS.linked.codec(to).unwrap().encode(&value).unwrap();
            assert_eq!(response.body, expected, "{from} to {to}");
        }
    }
    let response = asks("POST", "/transcode", &[("content-type", "image/png")], "");
    assert_eq!(response.status, 415);
}

#[test]
fn render_answers() {
    let response = asks("POST", "/render", &[("content-type", "text/markdown")], "# *One*");
    assert_eq!(response.status, 200);
    assert!(text(&response).contains("<h1"), "{}", text(&response));
    assert!(text(&response).contains("<em>One</em>"), "{}", text(&response));
    let script = asks("POST", "/render", &[], "<script>alert(1)</script>");
    assert!(!text(&script).contains("<script"), "{}", text(&script));
}

#[test]
fn hash_answers() {
    let response = asks("POST", "/hash?alg=sha256,crc32", &[], "abc");
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((response.status, &answer["bytes"]), (200, &3.into()));
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(answer["digests"]["sha256"], sha256);
}

#[test]
fn documents_are_cbor() {
    for host in FORMS.both() {
        let document = host.codec("json").unwrap().decode_document(b"[null, 1.5]").unwrap();
        assert_eq!(document, Document::from_value(&(None::<u8>, 1.5)).unwrap());
    }
}
