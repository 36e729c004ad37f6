//! Documents as JSON or CBOR, as the HTTP API and the command line read and write them.

use plugbay::Document;
use plugbay_document::MAX_DEPTH;
use plugbay_document::format::{Bytes, Rules, View};
use serde::Serialize as _;

/// The form of a document outside of codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON text.
    Json,
    /// One CBOR item.
    Cbor,
}

/// A document that cannot be read or written in a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The bytes are not a document of this form.
    #[error("expected a document as {form}: {message}")]
    Malformed {
        /// `JSON` or `CBOR`.
        form: &'static str,
        /// The parser's message.
        message: String,
    },
    /// JSON cannot hold the document.
    #[error("{message}; CBOR can hold it")]
    Unsupported {
        /// The value that JSON cannot hold, and its place in the document.
        message: String,
    },
}

/// The values that JSON can hold. Writing a byte string or NaN as something else would lose it
/// silently.
const JSON: Rules = Rules {
    format: "JSON",
    null: true,
    bytes: Bytes::Refuse,
    non_finite: false,
    integers: (-(1 << 64), (1 << 64) - 1),
    any_keys: false,
    depth: MAX_DEPTH,
};

impl Form {
    /// The form's media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// If the bytes are not of this form.
    pub fn read(self, bytes: &[u8]) -> Result<Document, FormError> {
        match self {
            Self::Json => serde_json::from_slice(bytes)
                .map_err(|error| FormError::Malformed { form: "JSON", message: error.to_string() }),
            Self::Cbor => Document::from_cbor(bytes)
                .map_err(|error| FormError::Malformed { form: "CBOR", message: error.to_string() }),
        }
    }

    /// Writes a document.
    ///
    /// # Errors
    ///
    /// If the form cannot hold it: JSON has no byte strings and no NaN.
    pub fn write(self, document: Document) -> Result<Vec<u8>, FormError> {
        match self {
            Self::Json => {
                let mut json = Vec::with_capacity(document.as_cbor().len() * 5 / 4);
                View::new(&document, &JSON)
                    .serialize(&mut serde_json::Serializer::new(&mut json))
                    .map_err(|error| FormError::Unsupported { message: error.to_string() })?;
                Ok(json)
            }
            Self::Cbor => Ok(document.into_cbor()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reports_values_that_it_cannot_hold() {
        let bytes = Document::from_cbor([0x81, 0x41, 0xff]).unwrap();
        let error = Form::Json.write(bytes).unwrap_err().to_string();
        assert!(error.contains("bytes") || error.contains("byte string"), "{error}");
        let nan = Document::from_value(&f64::NAN).unwrap();
        assert!(matches!(Form::Json.write(nan), Err(FormError::Unsupported { .. })));
    }

    #[test]
    fn both_forms_read_what_they_write() {
        let document = Form::Json.read(br#"{"a":[1,-2,0.1,null,"x"]}"#).unwrap();
        assert_eq!(document.as_cbor()[0], 0xa1);
        let cbor = Form::Cbor.write(document).unwrap();
        let again = Form::Cbor.read(&cbor).unwrap();
        assert_eq!(Form::Json.write(again).unwrap(), br#"{"a":[1,-2,0.1,null,"x"]}"#);
        assert!(Form::Json.read(b"{").is_err() && Form::Cbor.read(b"\x81").is_err());
    }
}
