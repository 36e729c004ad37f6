//! The type, its constructors and its views.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cbor::distinct::{self, Keys};
use crate::cbor::{Reader, Writer};
use crate::{Error, value_in, value_out};

/// One CBOR item. See the [crate's page](crate) for what it can hold.
///
/// Two documents are equal if their bytes are.
#[derive(PartialEq, Eq, Hash)]
pub struct Document {
    /// Owned, except for the one that [`Document::with_borrowed`] lends.
    cbor: Cow<'static, [u8]>,
}

impl Document {
    /// The document of a value.
    ///
    /// # Errors
    ///
    /// A value that nests deeper than [`MAX_DEPTH`](crate::MAX_DEPTH), that has equal keys in a
    /// map, or whose `Serialize` fails.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut cbor = Vec::with_capacity(128);
        value.serialize(value_in::Serializer::new(&mut cbor))?;
        Ok(Self { cbor: cbor.into() })
    }

    /// The value of the document; it may borrow its texts and bytes.
    ///
    /// # Errors
    ///
    /// A document of another shape than `T`'s.
    pub fn to_value<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        let mut reader = Reader::new(self.as_cbor());
        let value = T::deserialize(value_out::Deserializer::new(&mut reader))?;
        reader.finish()?;
        Ok(value)
    }

    /// The document with these bytes, checked: exactly one well-formed item, valid UTF-8 in its
    /// texts, at most [`MAX_DEPTH`](crate::MAX_DEPTH) levels, no equal keys in a map. Keys are
    /// equal that are the same item in preferred form, however they are written.
    ///
    /// A `Vec` is taken as it is, a slice is copied.
    ///
    /// # Errors
    ///
    /// Says where the bytes are not such an item.
    pub fn from_cbor(cbor: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let cbor = cbor.into();
        Self::check(&cbor)?;
        Ok(Self { cbor: cbor.into() })
    }

    /// Whether [`Document::from_cbor`] would take these bytes.
    ///
    /// # Errors
    ///
    /// As for [`Document::from_cbor`].
    pub fn check(cbor: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(cbor);
        distinct::check(&mut reader, cbor, &mut Keys::default())?;
        reader.finish()
    }

    /// Whether [`Document::from_cbor`] would take its bytes: for who is not sure that someone has
    /// checked those of a document that was lent or trusted.
    ///
    /// # Errors
    ///
    /// As for [`Document::from_cbor`].
    pub fn verify(&self) -> Result<(), Error> {
        Self::check(&self.cbor)
    }

    /// The document with these bytes, which someone has checked: the host checks what crosses to
    /// a plugin. If they are malformed nevertheless, using the document is an error.
    #[must_use]
    pub fn from_trusted_cbor(cbor: Vec<u8>) -> Self {
        Self { cbor: cbor.into() }
    }

    /// Lends `call` a document with these bytes, without a copy; trusts them as
    /// [`Document::from_trusted_cbor`] does.
    pub fn with_borrowed<R>(cbor: &[u8], call: impl FnOnce(&Document) -> R) -> R {
        // SAFETY: the `'static` is not true, and nobody can tell: the document is a local of this
        // function, lent as `&Document` only, for a lifetime that `call` cannot choose. Every
        // method that takes `&self` hands out its bytes for that lifetime at most, and `clone`
        // copies them; nothing moves `cbor` out of a `&Document`.
        let cbor: &'static [u8] = unsafe { &*std::ptr::from_ref(cbor) };
        let document = Document { cbor: Cow::Borrowed(cbor) };
        call(&document)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_cbor(&self) -> &[u8] {
        &self.cbor
    }

    /// Its bytes, moved out.
    #[must_use]
    pub fn into_cbor(self) -> Vec<u8> {
        self.cbor.into_owned()
    }
}

// Not derived: a derived one would copy the reference that `with_borrowed` lends.
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
