//! What a call answered, and whether that was expected.

use std::fs;
use std::path::Path;

use plugbay::{Document, Error, Response};
use plugbay_server::document::Form;

use super::case::{Case, read_one};
use crate::cli::failure::Failure;

/// The most bytes of an answer that a report shows.
const MAX_SHOWN: usize = 2_000;

/// What a call answered.
#[derive(Clone, Debug)]
pub(in super::super) enum Answer {
    Bytes(Vec<u8>),
    Document(Document),
    Response(Response),
    Failed { reason: String, message: String },
}

/// Whether an answer is the expected one.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Expected {
    Yes,
    /// The report: what was expected, and what was found.
    No(String),
}

impl Answer {
    /// A failed call. The name of the plugin and its version are left out: the latter changes.
    pub(super) fn failed(error: &Error) -> Self {
        let message = match error {
            Error::Call(call) => call.message().to_owned(),
            other => other.to_string(),
        };
        Self::Failed { reason: error.reason().to_owned(), message }
    }

    /// Whether the call got an answer.
    pub(in super::super) fn is_answer(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }

    /// The answer as the bytes of its file.
    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        Ok(match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Document(document) => {
                let json = Form::Json.write(document.clone())?;
                let value: serde_json::Value = serde_json::from_slice(&json)?;
                let mut text = serde_json::to_vec_pretty(&value)?;
                text.push(b'\n');
                text
            }
            Self::Response(response) => http(response),
            Self::Failed { reason, message } => format!("{reason}: {message}\n").into_bytes(),
        })
    }

    /// The ending of its file; a text that is expected keeps the ending that it has.
    fn extension(&self, kept: Option<&str>) -> String {
        let own = match self {
            Self::Failed { .. } => "error",
            Self::Document(_) => "json",
            Self::Response(_) => "http",
            Self::Bytes(bytes) => match kept {
                Some(kept) if kept != "error" => kept,
                _ if std::str::from_utf8(bytes).is_ok() => "txt",
                _ => "bin",
            },
        };
        own.to_owned()
    }

    /// Compares with what the case expects. Documents are compared by their values, all else byte by byte.
    pub(in super::super) fn compare(&self, case: &Case) -> Result<Expected, Failure> {
        let found = self.bytes()?;
        let Some((path, expected)) = read_one(&case.folder, "expected")? else {
            let text =
                format!("expected a file expected.*, found none; the answer is\n{}", shown(&found));
            return Ok(Expected::No(text));
        };
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        let same_form = (extension == "error") != self.is_answer();
        let same = match self {
            // An error that is expected is no document.
            Self::Document(document) => {
                let wanted = Form::Json.read(&expected);
                same_form && wanted.is_ok_and(|wanted| wanted.as_cbor() == document.as_cbor())
            }
            _ => same_form && expected == found,
        };
        if same {
            return Ok(Expected::Yes);
        }
        let text = format!("expected\n{}\nfound\n{}", shown(&expected), shown(&found));
        Ok(Expected::No(text))
    }

    /// Makes this what the case expects.
    pub(in super::super) fn accept(&self, case: &Case) -> Result<(), Failure> {
        let before = read_one(&case.folder, "expected")?.map(|(path, _)| path);
        let kept = before.as_deref().and_then(Path::extension).and_then(|it| it.to_str());
        let path = case.folder.join(format!("expected.{}", self.extension(kept)));
        let failed = |error| Failure::new(format!("cannot write {}: {error}", path.display()));
        fs::write(&path, self.bytes()?).map_err(failed)?;
        match before.filter(|before| *before != path) {
            Some(before) => fs::remove_file(before).map_err(failed),
            None => Ok(()),
        }
    }
}

/// A response as a text: the status, the header fields, an empty line, the body.
fn http(response: &Response) -> Vec<u8> {
    let mut text = format!("{}\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        text.extend_from_slice(format!("{}: ", name.to_ascii_lowercase()).as_bytes());
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(&response.body);
    text
}

/// Bytes for a person: as text, or in hexadecimal.
fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(MAX_SHOWN)];
    let more = if cut.len() < bytes.len() { " …" } else { "" };
    let text = match std::str::from_utf8(bytes) {
        Ok(_) => String::from_utf8_lossy(cut).into_owned(),
        Err(_) => data_encoding::HEXLOWER.encode(cut),
    };
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n") + more
}

#[cfg(test)]
mod tests {
    use super::super::case::{Call, Setup};
    use super::*;

    fn case(folder: &Path) -> Case {
        let call = Call::Decode { codec: "a".into(), bytes: Vec::new() };
        Case { name: "a".into(), folder: folder.into(), call, setup: Setup::default() }
    }

    #[test]
    fn an_accepted_answer_is_expected() {
        let folder = tempfile::tempdir().unwrap();
        let case = case(folder.path());
        let failed = Answer::Failed { reason: "internal".into(), message: "no".into() };
        let document = Answer::Document(Document::from_value(&[1, 2]).unwrap());
        let response = Answer::Response(Response {
            status: 204,
            headers: vec![("X-A".into(), b"1".to_vec())],
            body: Vec::new(),
        });
        let answers = [
            Answer::Bytes(b"text".to_vec()),
            document,
            failed,
            response,
            Answer::Bytes(vec![0xff]),
        ];
        for answer in answers {
            assert!(matches!(answer.compare(&case).unwrap(), Expected::No(_)), "{answer:?}");
            answer.accept(&case).unwrap();
            assert_eq!(answer.compare(&case).unwrap(), Expected::Yes, "{answer:?}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn documents_are_compared_by_their_values() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("expected.json"), "[1,\n2]").unwrap();
        let answer = Answer::Document(Document::from_value(&[1, 2]).unwrap());
        assert_eq!(answer.compare(&case(folder.path())).unwrap(), Expected::Yes);
        // The text of an error is not an answer with the same bytes.
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("expected.error"), "a").unwrap();
        let answer = Answer::Bytes(b"a".to_vec());
        assert!(matches!(answer.compare(&case(other.path())).unwrap(), Expected::No(_)));
    }
}
