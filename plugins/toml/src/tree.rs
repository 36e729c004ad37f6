//! The tables of a text, which goes back to them as it likes.
//!
//! Values are bytes of the document already. A table, and a value in it, is an entry of some thirty
//! bytes; entries of one table are linked. A table is looked up in the links of its tables, and once
//! those are many, by a hash. Values are not looked up: of two with one name the document's writer
//! refuses the second.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use plugbay_sdk::document::cbor::{Reader, Writer};
use plugbay_sdk::{Error, Result};

use crate::position::position;

/// No entry.
const NONE: u32 = u32::MAX;

/// So many tables of a table are looked up one by one.
const FEW: usize = 16;

pub(crate) struct Tree<'t> {
    text: &'t str,
    /// The names that are not in the text as they are.
    names: String,
    entries: Vec<Entry>,
    /// The values, as elements of a list that is never closed.
    pub(crate) values: Writer,
    /// The tables of those tables that have many, by a hash of both.
    index: HashMap<u64, u32>,
    hasher: RandomState,
}

/// A part of a key: where it is in the text, or among the names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    start: u32,
    length: u32,
    in_text: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    name: Name,
    kind: Kind,
    /// Its tables are in the index.
    is_indexed: bool,
    /// The first and the last entry in it; of a value where its bytes begin and end.
    first: u32,
    last: u32,
    /// The entry after it in the same table.
    next: u32,
    /// The last table in it, and the one before it in the same table.
    tables: u32,
    sibling: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Value,
    /// A table that was only named on the way to another by a header.
    Implied,
    /// A table with a header of its own.
    Defined,
    /// A table that a dotted key made.
    Dotted,
    /// An array of tables.
    Array,
}

impl Name {
    /// Where it is in the text, if it is there as it is.
    pub(crate) fn start(self) -> Option<usize> {
        self.in_text.then_some(self.start as usize)
    }
}

/// Where a value goes: into a table, under a name.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    table: u32,
    name: Name,
}

impl<'t> Tree<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let name = Name { start: 0, length: 0, in_text: true };
        let mut values = Writer::default();
        // The first item of a writer cannot fail.
        let _ = values.open_array();
        Self {
            text,
            names: String::new(),
            entries: vec![entry(name, Kind::Defined)],
            values,
            index: HashMap::new(),
            hasher: RandomState::new(),
        }
    }

    /// The outermost table.
    #[expect(clippy::unused_self, reason = "it is the tree's")]
    pub(crate) fn root(&self) -> u32 {
        0
    }

    /// Keeps a name.
    #[expect(clippy::needless_pass_by_value, reason = "tells what is borrowed from what is owned")]
    pub(crate) fn name(&mut self, name: Cow<'t, str>) -> Name {
        // Texts are shorter than 4 GiB, and names no longer than they are in the text.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        if let Cow::Borrowed(text) = name
            && let Some(start) = (text.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)
            && self.text.get(start..start + text.len()) == Some(text)
        {
            return Name { start: place(start), length: place(text.len()), in_text: true };
        }
        let start = place(self.names.len());
        self.names.push_str(&name);
        Name { start, length: place(name.len()), in_text: false }
    }

    fn text(&self, name: Name) -> &str {
        let from = if name.in_text { self.text } else { &self.names };
        &from[name.start as usize..][..name.length as usize]
    }

    /// A name as a message has it.
    pub(crate) fn shown(&self, name: Name) -> String {
        let text = self.text(name);
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !text.is_empty() && text.chars().all(is_bare) {
            text.to_owned()
        } else {
            format!("{text:?}")
        }
    }

    /// The table that a header opens; or the part of its key that is something else already.
    pub(crate) fn header(&mut self, key: &[Name], is_array: bool) -> Result<u32, Name> {
        let Some((&last, way)) = key.split_last() else { return Ok(0) };
        let mut table = 0;
        for &name in way {
            table = match self.find(table, name) {
                None => self.add(table, name, Kind::Implied),
                Some(found) if self.entries[found as usize].kind == Kind::Array => {
                    self.entries[found as usize].last
                }
                Some(found) => found,
            };
        }
        match (self.find(table, last), is_array) {
            (None, false) => Ok(self.add(table, last, Kind::Defined)),
            (None, true) => {
                let array = self.add(table, last, Kind::Array);
                Ok(self.append(array))
            }
            (Some(found), is_array) => {
                let entry = &mut self.entries[found as usize];
                match entry.kind {
                    Kind::Implied if !is_array => {
                        entry.kind = Kind::Defined;
                        Ok(found)
                    }
                    Kind::Array if is_array => Ok(self.append(found)),
                    _ => Err(last),
                }
            }
        }
    }

    /// Where the value of a dotted key goes; or the part of the key that is something else already.
    pub(crate) fn place(&mut self, table: u32, key: &[Name]) -> Result<Place, Name> {
        let (mut table, mut way) = (table, key);
        while let [name, rest @ ..] = way {
            if rest.is_empty() {
                // A table of this name is something else already; a value is found by the writer.
                if self.find(table, *name).is_some() {
                    return Err(*name);
                }
                return Ok(Place { table, name: *name });
            }
            table = match self.find(table, *name) {
                None => self.add(table, *name, Kind::Dotted),
                Some(found) if self.entries[found as usize].kind == Kind::Dotted => found,
                Some(_) => return Err(*name),
            };
            way = rest;
        }
        unreachable!("a key has a part")
    }

    /// The value at `start` of the values, and up to their end, is there now.
    pub(crate) fn put(&mut self, place: Place, start: usize) {
        let at = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let value = self.push(place.table, place.name, Kind::Value);
        let end = at(self.values.written().len());
        let entry = &mut self.entries[value as usize];
        (entry.first, entry.last) = (at(start), end);
    }

    /// Adds an element to an array of tables.
    fn append(&mut self, array: u32) -> u32 {
        let name = self.entries[array as usize].name;
        self.push(array, name, Kind::Defined)
    }

    /// Adds a table to a table.
    fn add(&mut self, table: u32, name: Name, kind: Kind) -> u32 {
        let added = self.push(table, name, kind);
        let parent = &mut self.entries[table as usize];
        let before = std::mem::replace(&mut parent.tables, added);
        let is_indexed = parent.is_indexed;
        self.entries[added as usize].sibling = before;
        if is_indexed {
            self.index.insert(self.hash(table, name), added);
        }
        added
    }

    fn push(&mut self, table: u32, name: Name, kind: Kind) -> u32 {
        let added = u32::try_from(self.entries.len()).unwrap_or(NONE);
        if self.entries.len() == self.entries.capacity() {
            // By a quarter, as outputs grow.
            self.entries.reserve_exact(self.entries.len() / 4 + 4);
        }
        self.entries.push(entry(name, kind));
        let parent = &mut self.entries[table as usize];
        let before = std::mem::replace(&mut parent.last, added);
        if before == NONE {
            parent.first = added;
        } else {
            self.entries[before as usize].next = added;
        }
        added
    }

    /// The table of this name in a table.
    fn find(&mut self, table: u32, name: Name) -> Option<u32> {
        if self.entries[table as usize].is_indexed {
            let found = self.index.get(&self.hash(table, name)).copied()?;
            // Another one with the same hash: look through all.
            return if self.is(found, name) { Some(found) } else { self.search(table, name).0 };
        }
        let (found, passed) = self.search(table, name);
        if passed >= FEW {
            self.entries[table as usize].is_indexed = true;
            let mut at = self.entries[table as usize].tables;
            while at != NONE {
                let entry = self.entries[at as usize];
                self.index.insert(self.hash(table, entry.name), at);
                at = entry.sibling;
            }
        }
        found
    }

    fn search(&self, table: u32, name: Name) -> (Option<u32>, usize) {
        let (mut at, mut passed) = (self.entries[table as usize].tables, 0);
        while at != NONE {
            if self.is(at, name) {
                return (Some(at), passed);
            }
            at = self.entries[at as usize].sibling;
            passed += 1;
        }
        (None, passed)
    }

    fn is(&self, entry: u32, name: Name) -> bool {
        self.text(self.entries[entry as usize].name) == self.text(name)
    }

    fn hash(&self, table: u32, name: Name) -> u64 {
        self.hasher.hash_one((table, self.text(name)))
    }

    /// Writes the outermost table as an item.
    pub(crate) fn write(&self, writer: &mut Writer) -> Result<()> {
        self.table(0, writer)
    }

    fn table(&self, table: u32, writer: &mut Writer) -> Result<()> {
        writer.open_map()?;
        let mut at = self.entries[table as usize].first;
        while at != NONE {
            let entry = self.entries[at as usize];
            writer.text(self.text(entry.name)).map_err(|error| self.refused(&error, entry.name))?;
            match entry.kind {
                Kind::Value => {
                    let range = entry.first as usize..entry.last as usize;
                    writer.copy(&mut Reader::new(&self.values.written()[range]))?;
                }
                Kind::Array => {
                    writer.open_array()?;
                    let mut element = entry.first;
                    while element != NONE {
                        self.table(element, writer)?;
                        element = self.entries[element as usize].next;
                    }
                    writer.close()?;
                }
                Kind::Implied | Kind::Defined | Kind::Dotted => self.table(at, writer)?,
            }
            at = entry.next;
        }
        Ok(writer.close()?)
    }

    /// A name that the writer has already: where it is.
    #[cold]
    fn refused(&self, error: &plugbay_sdk::document::Error, name: Name) -> Error {
        let Some(at) = name.start() else { return Error::invalid_input(error) };
        let (line, column) = position(self.text, at);
        let name = self.shown(name);
        Error::invalid_input(format_args!("duplicate key {name} at line {line} column {column}"))
    }
}

fn entry(name: Name, kind: Kind) -> Entry {
    Entry {
        name,
        kind,
        is_indexed: false,
        first: NONE,
        last: NONE,
        next: NONE,
        tables: NONE,
        sibling: NONE,
    }
}
