//! Reads the form of a WebAssembly file, whether it is complete, and its imports and exports, without
//! compiling or running anything.
//!
//! Binary format: WebAssembly core specification 2.0, section 5.5, and the component
//! model's `Binary.md` (preamble with layer 1).

use wasmparser::{Encoding, Parser, Payload};

/// The first four bytes of every WebAssembly file.
const MAGIC: &[u8; 4] = b"\0asm";
/// Version and layer of a core module.
const CORE: [u8; 4] = [1, 0, 0, 0];
/// Version and layer of a component.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];

/// How deep components may be nested. Compilers of some languages nest two or three, compositions
/// some more. The reader reads each level again for each of those around it.
const MAX_DEPTH: usize = 64;

/// The form of a file, by its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A component.
    Component,
    /// A core module.
    CoreModule,
    /// WebAssembly of an unknown version.
    Unknown,
    /// Not WebAssembly.
    Other,
}

/// The imports and exports of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Names of its imports, sorted.
    pub imports: Vec<String>,
    /// Names of its exports, sorted.
    pub exports: Vec<String>,
}

/// The bytes are not a whole, well-formed component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a well-formed component, found {message} (at byte {offset})")]
pub struct ScanError {
    message: String,
    offset: usize,
}

/// The form of a file with these bytes. Fewer than eight bytes that begin like a component count as
/// one that is still being written.
#[must_use]
pub fn form(bytes: &[u8]) -> Form {
    let magic = &bytes[..bytes.len().min(4)];
    if bytes.is_empty() || !MAGIC.starts_with(magic) {
        return Form::Other;
    }
    let rest = &bytes[magic.len()..bytes.len().min(8)];
    if COMPONENT.starts_with(rest) {
        Form::Component
    } else if CORE.starts_with(rest) {
        Form::CoreModule
    } else {
        Form::Unknown
    }
}

/// Whether the bytes end where the last section ends: false for a file that is still being
/// written, or was cut.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.get(8..) else { return false };
    while let Some((_id, after)) = rest.split_first() {
        let Some((size, body)) = leb_u32(after) else { return false };
        let Some(next) = body.get(size as usize..) else { return false };
        rest = next;
    }
    true
}

/// An unsigned LEB128 number of at most 32 bits, and what follows it.
fn leb_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

/// Reads the imports and exports of a component.
///
/// # Errors
///
/// If the bytes are not a well-formed component.
pub fn shape(bytes: &[u8]) -> Result<Shape, ScanError> {
    let mut shape = Shape::default();
    let mut depth = 0_usize;
    let malformed = |error: wasmparser::BinaryReaderError| ScanError {
        message: error.message().to_owned(),
        offset: error.offset(),
    };
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(ScanError { message: "a core module".to_owned(), offset: 0 });
            }
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let message = format!("components nested {depth} deep, more than {MAX_DEPTH}");
                    return Err(ScanError { message, offset: unchecked_range.start });
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    shape.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    shape.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    shape.imports.sort();
    shape.exports.sort();
    Ok(shape)
}

/// The package version in an interface's name: `1.0.0` in `plugbay:plugin/codec@1.0.0`.
pub(crate) fn version_of<'a>(name: &'a str, package: &str) -> Option<&'a str> {
    name.strip_prefix(package)?.strip_prefix('/')?.split_once('@').map(|(_, version)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn forms() {
        assert_eq!(form(EMPTY), Form::Component);
        assert_eq!(form(&EMPTY[..5]), Form::Component);
        assert_eq!(form(b"\0asm\x01\0\0\0"), Form::CoreModule);
        assert_eq!(form(b"\0asm\x63\0\0\0"), Form::Unknown);
        assert_eq!(form(b""), Form::Other);
        assert_eq!(form(b"\x7fELF"), Form::Other);
    }

    #[test]
    fn whole_and_cut() {
        assert!(is_whole(EMPTY));
        assert!(!is_whole(&EMPTY[..7]));
        // A custom section of three bytes.
        let whole = [EMPTY, &[0, 3, 1, b'x', 0]].concat();
        assert!(is_whole(&whole));
        for end in 9..whole.len() {
            assert!(!is_whole(&whole[..end]), "{end}");
        }
        assert!(!is_whole(&[EMPTY, &[0, 0xff, 0xff, 0xff, 0xff, 0xff]].concat()));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| {
            (0..depth).fold(EMPTY.to_vec(), |inner, _| {
                // A component section, its size in three bytes of LEB128.
                let bits = |shift: u32| u8::try_from((inner.len() >> shift) & 0x7f).unwrap();
                [EMPTY, &[4, bits(0) | 0x80, bits(7) | 0x80, bits(14)], &inner].concat()
            })
        };
        assert_eq!(shape(&nested(MAX_DEPTH)), Ok(Shape::default()));
        let error = shape(&nested(MAX_DEPTH + 1)).unwrap_err();
        assert!(error.to_string().contains("components nested 65 deep, more than 64"), "{error}");
    }

    #[test]
    fn versions() {
        assert_eq!(version_of("plugbay:plugin/codec@1.0.0", "plugbay:plugin"), Some("1.0.0"));
        assert_eq!(version_of("plugbay:plugins/codec@1.0.0", "plugbay:plugin"), None);
    }
}
