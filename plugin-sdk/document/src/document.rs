//! The type [`Document`]: its constructors, and access to its content.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cbor::distinct::{self, Keys};
use crate::cbor::{Reader, Writer};
use crate::{Error, value_in, value_out};

/// One CBOR item. The [crate's page](crate) lists the values that it can contain.
///
/// Two documents are equal if their bytes are equal.
#[derive(PartialEq, Eq, Hash)]
pub struct Document {
    /// Owned, except in [`Document::with_borrowed`].
    cbor: Cow<'static, [u8]>,
}

impl Document {
    /// The document of a value.
    ///
    /// # Errors
    ///
    /// A value with more than [`MAX_DEPTH`](crate::MAX_DEPTH) levels or with equal keys in a map,
    /// and the errors of its `Serialize`.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut cbor = Vec::with_capacity(128);
        value.serialize(value_in::Serializer::new(&mut cbor))?;
        Ok(Self { cbor: cbor.into() })
    }

    /// The value of the document. It may borrow texts and bytes from the document.
    ///
    /// # Errors
    ///
    /// A document that is not a valid `T`.
    pub fn to_value<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        let mut reader = Reader::new(self.as_cbor());
        let value = T::deserialize(value_out::Deserializer::new(&mut reader))?;
        reader.finish()?;
        Ok(value)
    }

    /// The document with these bytes, which are checked: they must be exactly one well-formed item,
    /// with valid UTF-8 in its texts, at most [`MAX_DEPTH`](crate::MAX_DEPTH) levels, and no equal
    /// keys in a map. Keys are equal if they are equal in preferred form.
    ///
    /// A `Vec` is moved, a slice is copied.
    ///
    /// # Errors
    ///
    /// Bytes that are not such an item, with the offset of the problem.
    pub fn from_cbor(cbor: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let cbor = cbor.into();
        Self::check(&cbor)?;
        Ok(Self { cbor: cbor.into() })
    }

    /// Checks whether [`Document::from_cbor`] accepts these bytes.
    ///
    /// # Errors
    ///
    /// As for [`Document::from_cbor`].
    pub fn check(cbor: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(cbor);
        distinct::check(&mut reader, cbor, &mut Keys::default())?;
        reader.finish()
    }

    /// Checks whether [`Document::from_cbor`] accepts the bytes of this document. This is useful
    /// for a document that was borrowed or trusted without a check.
    ///
    /// # Errors
    ///
    /// As for [`Document::from_cbor`].
    pub fn verify(&self) -> Result<(), Error> {
        Self::check(&self.cbor)
    }

    /// The document with these bytes, which the caller has checked, as the host checks documents
    /// for plugins. If they are malformed nevertheless, functions of the document return errors.
    #[must_use]
    pub fn from_trusted_cbor(cbor: Vec<u8>) -> Self {
        Self { cbor: cbor.into() }
    }

    /// Calls `call` with a document of these bytes, which are not copied and, as in
    /// [`Document::from_trusted_cbor`], not checked.
    pub fn with_borrowed<R>(cbor: &[u8], call: impl FnOnce(&Document) -> R) -> R {
        // SAFETY: the bytes do not live as long as `'static` says, but no caller can use them for
        // longer than they live: the document is a local of this function, and `call` gets only a
        // `&Document`, for a lifetime that it cannot choose. Every method with `&self` returns the
        // bytes for that lifetime at most, `clone` copies them, and nothing moves `cbor` out of a
        // `&Document`.
        let cbor: &'static [u8] = unsafe { &*std::ptr::from_ref(cbor) };
        let document = Document { cbor: Cow::Borrowed(cbor) };
        call(&document)
    }

    /// The bytes of the item.
    #[must_use]
    pub fn as_cbor(&self) -> &[u8] {
        &self.cbor
    }

    /// Returns the bytes of the item.
    #[must_use]
    pub fn into_cbor(self) -> Vec<u8> {
        self.cbor.into_owned()
    }
}

// Not derived: a derived `clone` would copy the reference of `with_borrowed`.
impl Clone for Document {
    fn clone(&self) -> Self {
        Self { cbor: Cow::Owned(self.cbor.to_vec()) }
    }
}

/// Prints the bytes in hexadecimal, as CBOR's diagnostic notation does.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(h'")?;
        for byte in &*self.cbor {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("')")
    }
}

/// The null document.
impl Default for Document {
    fn default() -> Self {
        Self { cbor: Cow::Owned(vec![0xf6]) }
    }
}

impl Writer {
    /// The item as a document.
    ///
    /// # Panics
    ///
    /// As [`Writer::finish`].
    ///
    /// ```
    /// use plugbay_document::{Document, cbor::Writer};
    ///
    /// let mut writer = Writer::default();
    /// writer.bool(true)?;
    /// assert_eq!(writer.into_document(), Document::from_value(&true)?);
    /// # Ok::<(), plugbay_document::Error>(())
    /// ```
    #[must_use]
    pub fn into_document(self) -> Document {
        Document::from_trusted_cbor(self.finish())
    }
}
