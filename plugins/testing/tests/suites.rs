//! Runs the public test suites of the formats. The suites are not part of this repository: they are
//! in `shared/suites` beside the project, or in the folder that the variable `PLUGBAY_SUITES`
//! names.
//!
//! `suites/NAME.txt` lists each case in which a codec differs from its suite, with the reason. A
//! case that differs and is not listed fails, and so does one that is listed and does not differ.

mod suites {
    pub(crate) mod tree;
}

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use plugbay_plugin_testing::{diagnostic, vectors::from_hex};
use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::{Codec, Document, Plugin as _};
use serde_json::Value;
use suites::tree::{Tree, tree};

/// The folder of a suite; `None`, with a message, if there are no suites.
fn suite(name: &str, origin: &str) -> Option<PathBuf> {
    let configured = env::var_os("PLUGBAY_SUITES").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites");
    let is_required = configured.is_some();
    let folder = configured.unwrap_or(beside);
    assert!(folder.is_dir() || !is_required, "expected suites in {}", folder.display());
    if !folder.is_dir() {
        // The test harness does not capture this: a skipped test must be visible.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!(
                "skipped: found no suite for {name}; clone {origin} and set PLUGBAY_SUITES to the \
                 folder above it\n"
            )
            .as_bytes(),
        );
        return None;
    }
    let folder = folder.join(name);
    assert!(folder.is_dir(), "expected the suite {name} from {origin} in {}", folder.display());
    Some(folder)
}

/// The results of the cases of a suite.
struct Results {
    cases: usize,
    differences: BTreeMap<String, String>,
}

impl Results {
    fn new() -> Self {
        Self { cases: 0, differences: BTreeMap::new() }
    }

    fn case(&mut self, name: impl Into<String>, result: Result<(), String>) {
        self.cases += 1;
        if let Err(what) = result {
            self.differences.insert(name.into(), what);
        }
    }

    /// Compares the differences with the list, whose lines are `case: reason`.
    #[track_caller]
    fn check(self, suite: &str, least: usize, listed: &str) {
        assert!(
            self.cases >= least,
            "{suite}: expected at least {least} cases, found {}",
            self.cases
        );
        let lines = listed.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let listed: BTreeSet<&str> = lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}")).0)
            .collect();
        let found: BTreeSet<&str> = self.differences.keys().map(String::as_str).collect();
        let show = |name: &&str| format!("{name}: {}", self.differences[*name]);
        let new: Vec<String> = found.difference(&listed).map(show).collect();
        let gone: Vec<&&str> = listed.difference(&found).collect();
        assert!(
            new.is_empty() && gone.is_empty(),
            "{suite}: of {} cases, {} differ and are not listed:\n{}\nand {} are listed and do not differ: {gone:?}",
            self.cases,
            new.len(),
            new.join("\n"),
            gone.len(),
        );
    }
}

fn decode<C: Codec>(codec: &C, bytes: &[u8]) -> Result<Document, String> {
    codec.decode(bytes).map_err(|error| format!("refused: {error}"))
}

fn check_refused<C: Codec>(codec: &C, bytes: &[u8]) -> Result<(), String> {
    match codec.decode(bytes) {
        Ok(document) => Err(format!("accepted: {}", diagnostic(document.as_cbor()))),
        Err(_) => Ok(()),
    }
}

fn same(found: &Tree, expected: &Tree) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

/// Checks that a document is read back unchanged.
fn check_round_trip<C: Codec>(codec: &C, document: &Document) -> Result<(), String> {
    let bytes = codec.encode(document).map_err(|error| format!("not written: {error}"))?;
    let again = decode(codec, &bytes)?;
    same(&tree(&again), &tree(document))
        .map_err(|what| format!("changed when it was read back: {what}"))
}

fn names(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn json() -> plugbay_plugin_json::Json {
    plugbay_plugin_json::Json::new(plugbay_plugin_json::Config::default()).expect("a plugin")
}

/// The documents of a text that holds several JSON texts.
fn json_texts(text: &[u8]) -> Vec<Document> {
    let texts = serde_json::Deserializer::from_slice(text).into_iter();
    texts.map(|document| document.expect("JSON")).collect()
}

#[test]
fn json_test_suite() {
    let Some(folder) = suite("json", "github.com/nst/JSONTestSuite") else { return };
    let mut results = Results::new();
    for path in names(&folder.join("test_parsing"), "json") {
        let (name, bytes) = (stem(&path), fs::read(&path).expect("a text"));
        let result = match name.as_bytes()[0] {
            b'y' => {
                decode(&json(), &bytes).and_then(|document| check_round_trip(&json(), &document))
            }
            b'n' => check_refused(&json(), &bytes),
            // Both are allowed.
            _ => decode(&json(), &bytes)
                .map_or(Ok(()), |document| check_round_trip(&json(), &document)),
        };
        results.case(name, result);
    }
    results.check("json", 318, include_str!("suites/json.txt"));
}

#[test]
fn toml_test() {
    let Some(folder) = suite("toml", "github.com/toml-lang/toml-test") else { return };
    let codec =
        plugbay_plugin_toml::Toml::new(plugbay_plugin_toml::Config::default()).expect("a plugin");
    let tests = folder.join("tests");
    let list = fs::read_to_string(tests.join("files-toml-1.1.0")).expect("the list of 1.1");
    let mut results = Results::new();
    for name in list.lines().filter_map(|line| line.strip_suffix(".toml")) {
        let bytes = fs::read(tests.join(format!("{name}.toml"))).expect("a text");
        let result = if name.starts_with("invalid/") {
            check_refused(&codec, &bytes)
        } else {
            let expected =
                fs::read(tests.join(format!("{name}.json"))).expect("the expected values");
            let expected: Value = serde_json::from_slice(&expected).expect("JSON");
            decode(&codec, &bytes).and_then(|document| {
                same(&tree(&document), &Tree::tagged(&expected))?;
                check_round_trip(&codec, &document)
            })
        };
        results.case(name, result);
    }
    results.check("toml", 650, include_str!("suites/toml.txt"));
}

#[test]
fn yaml_test_suite() {
    let Some(folder) = suite("yaml", "github.com/yaml/yaml-test-suite, branch data") else {
        return;
    };
    let config = plugbay_plugin_yaml::Config {
        tags: plugbay_plugin_yaml::Tags::Drop,
        ..plugbay_plugin_yaml::Config::default()
    };
    let plugin = plugbay_plugin_yaml::Yaml::new(config).expect("a plugin");
    let codec = plugin.stream();
    let mut folders = Vec::new();
    yaml_folders(&folder, &mut folders);
    let mut results = Results::new();
    for case in folders {
        let name = case.strip_prefix(&folder).expect("inside").to_string_lossy().into_owned();
        let bytes = fs::read(case.join("in.yaml")).expect("a text");
        let result = if case.join("error").exists() {
            check_refused(codec, &bytes)
        } else {
            decode(codec, &bytes).and_then(|document| {
                if let Ok(json) = fs::read(case.join("in.json")) {
                    let expected = json_texts(&json).iter().map(tree).collect();
                    same(&tree(&document), &Tree::List(expected))?;
                }
                check_round_trip(codec, &document)
            })
        };
        results.case(name, result);
    }
    results.check("yaml", 402, include_str!("suites/yaml.txt"));
}

/// Finds the folders with a case, except those for tags and names, which contain links.
fn yaml_folders(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| entry.file_name() != "name" && entry.file_name() != "tags")
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        if path.join("in.yaml").exists() {
            found.push(path);
        } else {
            yaml_folders(&path, found);
        }
    }
}

#[test]
fn msgpack_test_suite() {
    let Some(folder) = suite("msgpack", "github.com/kawanet/msgpack-test-suite") else { return };
    let codec = plugbay_plugin_msgpack::Msgpack::new(plugbay_plugin_msgpack::Config::default())
        .expect("a plugin");
    let file = fs::read(folder.join("dist/msgpack-test-suite.json")).expect("the suite");
    let groups: Value = serde_json::from_slice(&file).expect("JSON");
    let mut results = Results::new();
    for (group, cases) in groups.as_object().expect("groups") {
        for (case, index) in cases.as_array().expect("cases").iter().zip(0..) {
            let forms = case["msgpack"].as_array().expect("forms");
            let forms: Vec<Vec<u8>> = forms
                .iter()
                .map(|form| from_hex(&form.as_str().expect("hexadecimal").replace('-', " ")))
                .collect();
            for (form, number) in forms.iter().zip(0..) {
                let result = decode(&codec, form).and_then(|document| {
                    same(&tree(&document), &Tree::msgpack(case))?;
                    let written = codec.encode(&document).map_err(|error| error.to_string())?;
                    if forms.contains(&written) {
                        Ok(())
                    } else {
                        Err(format!("written as {written:02x?}, in none of its forms"))
                    }
                });
                results.case(format!("{group}/{index}/{number}"), result);
            }
        }
    }
    results.check("msgpack", 200, include_str!("suites/msgpack.txt"));
}

fn cbor() -> plugbay_plugin_cbor::Cbor {
    plugbay_plugin_cbor::Cbor::new(plugbay_plugin_cbor::Config::default()).expect("a plugin")
}

#[test]
fn cbor_test_vectors() {
    let Some(folder) = suite("cbor", "github.com/cbor/test-vectors") else { return };
    let file = fs::read(folder.join("appendix_a.json")).expect("the vectors");
    let cases: Vec<Value> = serde_json::from_slice(&file).expect("JSON");
    // `serde_json` would round some numbers.
    let exact = plugbay_document::json::read(&file).expect("JSON");
    let Tree::List(exact) = tree(&exact) else { panic!("expected a list") };
    let mut results = Results::new();
    for (case, exact) in cases.iter().zip(exact) {
        let bytes = from_hex(case["hex"].as_str().expect("hexadecimal"));
        let result = decode(&cbor(), &bytes).and_then(|document| {
            if let Some(expected) = case["diagnostic"].as_str() {
                let found = diagnostic(document.as_cbor());
                let found =
                    found.strip_prefix("simple(255)").map_or(found.as_str(), |_| "simple(255)");
                let plain = expected.replace("_1", "").replace("_2", "").replace("_3", "");
                if found != plain {
                    return Err(format!("found {found}, expected {expected}"));
                }
            } else if let Tree::Map(exact) = &exact {
                same(&tree(&document), &exact["\"decoded\""])?;
            }
            let written = cbor().encode(&document).map_err(|error| error.to_string())?;
            if case["roundtrip"] == true && written != bytes {
                return Err(format!("written as {written:02x?}"));
            }
            Ok(())
        });
        results.case(case["hex"].as_str().expect("hexadecimal"), result);
    }
    results.check("cbor", 82, include_str!("suites/cbor.txt"));
}

#[test]
fn cbor_wg_test_vectors() {
    let Some(folder) = suite("cborwg", "github.com/cbor-wg/cbor-test-vectors") else { return };
    let mut results = Results::new();
    for group in ["rfc8949", "rfc8949-appendixA", "spike"] {
        for path in names(&folder.join("tests").join(group), "cbor") {
            let file = fs::read(&path).expect("a file");
            let (fails, tests) = cbor_wg(&file);
            for (test, index) in tests.iter().zip(0..) {
                let name = format!("{group}/{}/{index}", stem(&path));
                results.case(name, cbor_wg_case(test, fails));
            }
        }
    }
    results.check("cborwg", 200, include_str!("suites/cborwg.txt"));
}

/// One test.
#[derive(Default)]
struct CborCase {
    /// The input.
    encoded: Vec<u8>,
    /// The expected document, if there is one.
    decoded: Option<Document>,
    /// Whether the document must be written as the same bytes.
    roundtrip: bool,
    /// Whether the input must be refused.
    fails: bool,
}

fn cbor_wg(file: &[u8]) -> (bool, Vec<CborCase>) {
    let mut reader = Reader::new(file);
    let (mut fails, mut tests) = (false, Vec::new());
    each_pair(&mut reader, |key, reader| match key {
        "fail" => fails = matches!(reader.next_token(), Ok(Token::Bool(true))),
        "tests" => {
            let Ok(Token::Array(mut left)) = reader.next_token() else { panic!("expected tests") };
            while reader.advance(&mut left).expect("a test") {
                let mut test = CborCase { roundtrip: true, ..CborCase::default() };
                each_pair(reader, |key, reader| match key {
                    "encoded" => {
                        let Ok(Token::Bytes(bytes)) = reader.next_token() else {
                            panic!("expected bytes")
                        };
                        test.encoded = bytes.into_owned();
                    }
                    "roundtrip" => {
                        test.roundtrip = matches!(reader.next_token(), Ok(Token::Bool(true)));
                    }
                    "fail" => test.fails = matches!(reader.next_token(), Ok(Token::Bool(true))),
                    "decoded" => {
                        let mut writer = plugbay_sdk::document::cbor::Writer::default();
                        // One document has more levels than allowed.
                        let copied = writer.copy(&mut { *reader }).is_ok();
                        test.decoded = copied.then(|| writer.into_document());
                        skip(reader);
                    }
                    _ => skip(reader),
                });
                tests.push(test);
            }
        }
        _ => skip(reader),
    });
    (fails, tests)
}

/// Skips an item of any depth.
fn skip(reader: &mut Reader<'_>) {
    let (mut left, width) = match reader.next_token().expect("an item") {
        Token::Array(left) => (left, 1),
        Token::Map(left) => (left, 2),
        Token::Tag(_) => (Some(1), 1),
        _ => return,
    };
    while reader.advance(&mut left).expect("an element") {
        (0..width).for_each(|_| skip(reader));
    }
}

fn each_pair(reader: &mut Reader<'_>, mut each: impl FnMut(&str, &mut Reader<'_>)) {
    let Ok(Token::Map(mut left)) = reader.next_token() else { panic!("expected a map") };
    while reader.advance(&mut left).expect("a pair") {
        let Ok(Token::Text(key)) = reader.next_token() else { panic!("expected a text") };
        each(&key, reader);
    }
}

fn cbor_wg_case(case: &CborCase, fails: bool) -> Result<(), String> {
    if fails || case.fails {
        return check_refused(&cbor(), &case.encoded);
    }
    let document = decode(&cbor(), &case.encoded)?;
    if let Some(expected) = &case.decoded {
        same(&tree(&document), &tree(expected))?;
    }
    let written = cbor().encode(&document).map_err(|error| error.to_string())?;
    if case.roundtrip && written != case.encoded {
        return Err(format!("{:02x?} is written as {written:02x?}", case.encoded));
    }
    Ok(())
}

#[test]
fn csv_spectrum() {
    let Some(folder) = suite("csv", "github.com/max-mapper/csv-spectrum") else { return };
    let plugin =
        plugbay_plugin_csv::Tabular::new(plugbay_plugin_csv::Config::default()).expect("a plugin");
    let mut results = Results::new();
    for path in names(&folder.join("csvs"), "csv") {
        let name = stem(&path);
        let json = fs::read(folder.join("json").join(format!("{name}.json"))).expect("JSON");
        let result = decode(plugin.csv(), &fs::read(&path).expect("a text")).and_then(|document| {
            same(&tree(&document), &tree(&json_texts(&json)[0]))?;
            check_round_trip(plugin.csv(), &document)
        });
        results.case(name, result);
    }
    results.check("csv", 12, include_str!("suites/csv.txt"));
}
