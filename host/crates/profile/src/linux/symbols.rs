//! The functions of a file of machine code, by its table of symbols.
//!
//! Tables of lines are not read: a program that is built for use has none, and those of one that is not are hundreds of
//! megabytes.

use std::fs::File;

use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, ReadCache, SymbolKind};

/// Two functions may have the same address, or one lie within another: so many before an address are looked at.
const NEAR: usize = 8;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    /// The name of the function at each place that was asked for.
    pub(super) names: Vec<Option<String>>,
    pub(super) build_id: String,
}

/// Reads the names of the functions at these places of a file.
pub(super) fn read(file: File, offsets: &[u64]) -> object::Result<Symbols> {
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache)?;
    let mut functions: Vec<(u64, u64, &str)> = Vec::new();
    for symbol in object.symbols().chain(object.dynamic_symbols()) {
        if symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
            // A name that is no text is no name.
            let Ok(name) = symbol.name() else { continue };
            functions.push((symbol.address(), symbol.size(), name));
        }
    }
    functions.sort_unstable();
    let segments: Vec<_> =
        object.segments().map(|segment| (segment.file_range(), segment.address())).collect();
    let name = |offset: u64| {
        let ((start, _), address) = segments
            .iter()
            .find(|((start, size), _)| offset.checked_sub(*start).is_some_and(|at| at < *size))?;
        let address = address + (offset - start);
        let after = functions.partition_point(|(start, ..)| *start <= address);
        let near = functions[..after].iter().rev().take(NEAR);
        let found = near.into_iter().find(|(start, size, _)| address - start < *size);
        found.map(|(_, _, name)| (*name).to_owned())
    };
    let names = offsets.iter().map(|offset| name(*offset)).collect();
    let build_id = object.build_id()?.unwrap_or_default();
    let build_id = build_id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Ok(Symbols { names, build_id })
}
