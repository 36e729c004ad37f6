//! One case: its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plugbay::{Codec, Handler, Kind as _, Request};
use serde::Deserialize;
use toml::Table;

use crate::cli::failure::Failure;

/// A case, as its files say it.
#[derive(Debug)]
pub(in super::super) struct Case {
    /// The name of its folder.
    pub(in super::super) name: String,
    pub(super) folder: PathBuf,
    pub(super) call: Call,
    pub(super) setup: Setup,
}

/// What a case wants of its host: cases that want the same share one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Setup {
    /// The plugin's configuration.
    pub(super) config: Table,
    /// What the operator grants.
    pub(super) grants: Table,
    /// Whether the bundled codecs are there.
    pub(super) codecs: bool,
}

/// The call of a case.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// A document to bytes.
    Encode { codec: String, json: Vec<u8> },
    /// Bytes to a document.
    Decode { codec: String, bytes: Vec<u8> },
    /// A request.
    Handle { handler: String, request: Request },
}

/// `case.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    call: String,
    operation: Option<Operation>,
    method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    config: Table,
    #[serde(default)]
    grants: Table,
    #[serde(default)]
    codecs: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Encode,
    Decode,
}

impl Case {
    /// The cases of a plugin, by name; those whose names contain one of `filters`, if there are any.
    pub(in super::super) fn all(plugin: &Path, filters: &[String]) -> Result<Vec<Self>, Failure> {
        let folder = plugin.join("tests/cases");
        let entries = folder.read_dir().map_err(|error| {
            Failure::new(format!("cannot read the cases in {}: {error}", folder.display()))
                .hint("a case is a folder there with case.toml, input and expected")
        })?;
        let mut folders: Vec<_> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        let name_of =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        folders.retain(|path| {
            let name = name_of(path);
            filters.is_empty() || filters.iter().any(|filter| name.contains(filter))
        });
        if folders.is_empty() {
            return Err(Failure::usage(format!(
                "expected cases in {}, found none",
                folder.display()
            )));
        }
        folders.into_iter().map(|folder| Self::read(name_of(&folder), folder)).collect()
    }

    fn read(name: String, folder: PathBuf) -> Result<Self, Failure> {
        let path = folder.join("case.toml");
        let failed = |why: String| Failure::of_lines(format!("{}: {}", path.display(), why.trim()));
        let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let file: CaseFile = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let input = read_one(&folder, "input")?.map(|(_, bytes)| bytes).unwrap_or_default();
        let call = call(&file, input).map_err(failed)?;
        let CaseFile { config, grants, codecs, .. } = file;
        Ok(Self { name, folder, call, setup: Setup { config, grants, codecs } })
    }
}

fn call(file: &CaseFile, input: Vec<u8>) -> Result<Call, String> {
    let (kind, name) = file.call.split_once(':').unwrap_or_default();
    let name = name.to_owned();
    match (kind, file.operation) {
        (Codec::NAME, Some(_)) if file.method.is_some() || file.path.is_some() => {
            Err("expected neither method nor path: they are for handlers".to_owned())
        }
        (Codec::NAME, Some(Operation::Encode)) => Ok(Call::Encode { codec: name, json: input }),
        (Codec::NAME, Some(Operation::Decode)) => Ok(Call::Decode { codec: name, bytes: input }),
        (Codec::NAME, None) => {
            Err("expected operation = \"encode\" or \"decode\" for a codec".to_owned())
        }
        (Handler::NAME, Some(_)) => Err("expected no operation: it is for codecs".to_owned()),
        (Handler::NAME, None) => {
            let target = file.path.clone().unwrap_or_else(|| "/".to_owned());
            let (path, query) = match target.split_once('?') {
                Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
                None => (target, None),
            };
            let headers = file.headers.iter();
            let headers = headers.map(|(n, v)| (n.to_ascii_lowercase(), v.clone().into_bytes()));
            let method = file.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
            let (headers, params, body) = (headers.collect(), Vec::new(), input);
            let request = Request { method, path, query, params, headers, body };
            Ok(Call::Handle { handler: name, request })
        }
        _ => Err(format!("call: expected codec:NAME or handler:NAME, found {:?}", file.call)),
    }
}

/// The one file of a case whose name is `stem`, with any ending.
pub(super) fn read_one(folder: &Path, stem: &str) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
    let entries = folder
        .read_dir()
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", folder.display())))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        paths.filter(|path| path.file_stem().is_some_and(|it| it == stem)).collect();
    files.sort();
    match files.as_slice() {
        [] => Ok(None),
        [path] => {
            let bytes = fs::read(path).map_err(|error| {
                Failure::new(format!("cannot read {}: {error}", path.display()))
            })?;
            Ok(Some((path.clone(), bytes)))
        }
        [first, second, ..] => Err(Failure::new(format!(
            "expected one file {stem}, found {} and {}",
            first.display(),
            second.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("case.toml"), text).unwrap();
        Case::read("a".into(), folder.path().into()).unwrap_err().message()
    }

    #[test]
    fn a_case_says_what_is_wrong_with_it() {
        assert!(reason("call = \"codec:a\"\n").contains("expected operation"));
        assert!(reason("call = \"handler:a\"\noperation = \"encode\"\n").contains("no operation"));
        assert!(reason("call = \"a\"\n").contains("found \"a\""));
        assert!(reason("call = \"handler:a\"\nmethd = \"GET\"\n").contains("methd"));
        assert!(
            reason("call = \"codec:a\"\noperation = \"encode\"\npath = \"/\"\n")
                .contains("handlers")
        );
    }

    #[test]
    fn there_is_one_input() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_one(folder.path(), "input").unwrap().is_none());
        fs::write(folder.path().join("input.json"), "1").unwrap();
        assert_eq!(read_one(folder.path(), "input").unwrap().unwrap().1, b"1");
        fs::write(folder.path().join("input.txt"), "2").unwrap();
        assert!(read_one(folder.path(), "input").unwrap_err().message().contains("input.txt"));
    }
}
