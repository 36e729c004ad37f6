//! The kind `codec`.

use super::{Callable, find};
use crate::exported::{Exported, Info};
use crate::{Document, Result};

/// A capability of the kind `codec`: turns documents into a format's bytes and back.
///
/// A [`Document`] goes into every `serde` serializer and comes out of every self-describing
/// `serde` deserializer, so for a format with a `serde` crate each method is one line.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    label = "exported as a codec, but does not implement `Codec`",
    note = "write `impl Codec for {Self} {{ .. }}` with NAME, encode and decode, or export it as a kind that it implements"
)]
pub trait Codec: 'static {
    /// The name that callers ask for: lowercase letters, digits, `-`, `_`, `.`; at most 64
    /// characters; unique among the codecs of a generation.
    const NAME: &'static str;

    /// The media types of the format, without parameters, the preferred one first.
    const MEDIA_TYPES: &'static [&'static str] = &[];

    /// One line for people, at most 1,024 characters.
    const DESCRIPTION: &'static str = "";

    /// Writes `document` in the format.
    ///
    /// # Errors
    ///
    /// If the document holds what the format cannot express: a codec must not drop it. An error
    /// without a kind is
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    fn encode(&self, document: &Document) -> Result<Vec<u8>>;

    /// Reads `bytes` of the format.
    ///
    /// # Errors
    ///
    /// If the bytes are not of the format. An error without a kind is
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    fn decode(&self, bytes: &[u8]) -> Result<Document>;
}

/// The code that [`export!`](crate::export) writes for a codec.
#[doc(hidden)]
#[macro_export]
macro_rules! __codec {
    // The constants of the codec; `$place` is the expression for it in the plugin `$p`.
    (info $plugin:ident $p:ident $($place:tt)+) => {
        || $crate::__private::codec::info(|$p: &$plugin| &$($place)+)
    };
    // The functions of the codec.
    (functions $plugin:ident $p:ident $($place:tt)+) => {
        $crate::__private::Functions::Codec($crate::__private::codec::Functions {
            encode: |$p, document| $crate::Codec::encode(&$($place)+, document),
            decode: |$p, bytes| $crate::Codec::decode(&$($place)+, bytes),
        })
    };
    // The entry functions of a component, and the world that has them.
    (component $component:ident) => {
        $crate::__export_plugbay_plugin_codec_1_0_0_cabi!($component with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::codec);
        $crate::__world_codec_plugin!();
    };
    // What one capability exports on its own.
    (exports $($what:tt)+) => {};
    // An entry of a native plugin's list of kinds.
    (native $plugin:ident) => {
        <$crate::__private::Native<$plugin> as $crate::__private::codec::CodecExports>::CODEC
    };
}

/// The functions of a codec of a plugin `P`.
pub struct Functions<P> {
    /// [`Codec::encode`].
    pub encode: fn(&P, &Document) -> Result<Vec<u8>>,
    /// [`Codec::decode`].
    pub decode: fn(&P, &[u8]) -> Result<Document>,
}

/// The constants of the codec that `_place` leads to; the macro cannot name a field's type.
pub fn info<P, C: Codec>(_place: fn(&P) -> &C) -> Info {
    Info {
        kind: "codec",
        name: C::NAME,
        description: C::DESCRIPTION,
        media_types: C::MEDIA_TYPES,
        routes: &[],
        nonblocking: false,
    }
}

/// The functions of the codec with this index.
fn functions<P: Exported + Callable>(index: u32) -> Result<&'static Functions<P>> {
    find(index, "codec", |functions| {
        let super::Functions::Codec(functions) = functions else { return None };
        Some(functions)
    })
}

#[cfg(target_family = "wasm")]
mod component {
    use super::functions;
    use crate::form::bindings::exports::plugbay::plugin::codec::Guest;
    use crate::form::bindings::plugbay::plugin::types::Error;
    use crate::form::{Component, InstanceCell, instance, to_host};
    use crate::kind::Callable;
    use crate::{Document, ErrorKind, Result};

    impl<P: Callable + InstanceCell> Guest for Component<P> {
        fn encode(index: u32, document: Vec<u8>) -> Result<Vec<u8>, Error> {
            // The host has checked that the bytes are a valid document.
            let document = Document::from_trusted_cbor(document);
            instance::<P>()
                .and_then(|plugin| (functions::<P>(index)?.encode)(plugin, &document))
                .map_err(to_host(ErrorKind::Unsupported))
        }

        fn decode(index: u32, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
            instance::<P>()
                .and_then(|plugin| (functions::<P>(index)?.decode)(plugin, &bytes))
                .map(Document::into_cbor)
                .map_err(to_host(ErrorKind::InvalidInput))
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub use plugbay_abi::kind::codec::CodecExports;

#[cfg(not(target_family = "wasm"))]
mod native {
    use plugbay_abi::Error;

    use super::{CodecExports, functions};
    use crate::exported::Exported;
    use crate::form::{Native, NativeKinds, to_host};
    use crate::kind::Callable;
    use crate::{Document, ErrorKind, Plugin, Result};

    impl<P: Plugin + Exported + Callable + NativeKinds> CodecExports for Native<P> {
        fn encode(&self, index: u32, document: &[u8]) -> Result<Vec<u8>, Error> {
            functions::<P>(index)
                .and_then(|codec| {
                    Document::with_borrowed(document, |document| (codec.encode)(&self.0, document))
                })
                .map_err(to_host(ErrorKind::Unsupported))
        }

        fn decode(&self, index: u32, bytes: &[u8]) -> Result<Vec<u8>, Error> {
            functions::<P>(index)
                .and_then(|codec| (codec.decode)(&self.0, bytes))
                .map(Document::into_cbor)
                .map_err(to_host(ErrorKind::InvalidInput))
        }
    }
}
