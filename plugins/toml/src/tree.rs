//! The tables of a text, which may return to a table at any time.
//!
//! Values are already bytes of the document. A table, and a value in it, is an entry of about
//! thirty bytes; the entries of a table are a linked list. A table is looked up in the list of its
//! parent's tables or, if these are many, by a hash. Values are not looked up: of two values with
//! the same name, the writer of the document refuses the second.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use plugbay_sdk::document::cbor::{Reader, Writer};
use plugbay_sdk::{Error, Result};

use crate::position::position;

/// The index that stands for no entry.
const NONE: u32 = u32::MAX;

/// Up to this many tables of a table are compared one by one; more are looked up by a hash.
const FEW: usize = 16;

pub(crate) struct Tree<'t> {
    text: &'t str,
    /// The names that the text has in an escaped form.
    names: String,
    entries: Vec<Entry>,
    /// The values, as elements of a list that is never closed.
    pub(crate) values: Writer,
    /// The tables of parents with many tables, by a hash of the parent and the name.
    index: HashMap<u64, u32>,
    hasher: RandomState,
}

/// A part of a key: a range of the text or of `Tree::names`.
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
    /// Whether its tables are in `Tree::index`.
    is_indexed: bool,
    /// The first and the last entry in the table; for a value, the start and the end of its bytes.
    first: u32,
    last: u32,
    /// The next entry in the same table.
    next: u32,
    /// The last table in this table.
    last_table: u32,
    /// The table before this one in the same table.
    previous_table: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Value,
    /// A table that is only part of the path of another header.
    Implied,
    /// A table with its own header.
    Defined,
    /// A table that a dotted key created.
    Dotted,
    /// An array of tables.
    Array,
}

impl Name {
    /// Its start in the text; `None` if the text has it in an escaped form.
    pub(crate) fn start(self) -> Option<usize> {
        self.in_text.then_some(self.start as usize)
    }
}

/// The place of a value: a table, and a name in it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    table: u32,
    name: Name,
}

impl<'t> Tree<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let name = Name { start: 0, length: 0, in_text: true };
        let mut values = Writer::default();
        // Writing the first item cannot fail.
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
    #[expect(clippy::unused_self, reason = "the index is only valid in this tree")]
    pub(crate) fn root(&self) -> u32 {
        0
    }

    /// Adds a name, which is borrowed if the text has it unescaped.
    #[expect(clippy::needless_pass_by_value, reason = "distinguishes borrowed and owned names")]
    pub(crate) fn add_name(&mut self, name: Cow<'t, str>) -> Name {
        // Texts are shorter than 4 GiB, and unescaped names are not longer than in the text.
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

    /// A name as it is shown in messages.
    pub(crate) fn shown(&self, name: Name) -> String {
        let text = self.text(name);
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !text.is_empty() && text.chars().all(is_bare) {
            text.to_owned()
        } else {
            format!("{text:?}")
        }
    }

    /// Opens the table of a header. The error is the part of the key that is already in use.
    pub(crate) fn open_header(&mut self, key: &[Name], is_array: bool) -> Result<u32, Name> {
        let Some((&last, parents)) = key.split_last() else { return Ok(0) };
        let mut table = 0;
        for &name in parents {
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

    /// Opens the tables of a dotted key, and returns the place of its value. The error is the part
    /// of the key that is already in use.
    pub(crate) fn open_key(&mut self, table: u32, key: &[Name]) -> Result<Place, Name> {
        let (mut table, mut parts) = (table, key);
        while let [name, rest @ ..] = parts {
            if rest.is_empty() {
                // If the name is in use for a value, the writer refuses it later.
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
            parts = rest;
        }
        unreachable!("a key has at least one part")
    }

    /// Adds the value that begins at `start` in the values and was written last.
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
        let before = std::mem::replace(&mut parent.last_table, added);
        let is_indexed = parent.is_indexed;
        self.entries[added as usize].previous_table = before;
        if is_indexed {
            self.index.insert(self.hash(table, name), added);
        }
        added
    }

    /// Adds an entry to the end of a table's list.
    fn push(&mut self, table: u32, name: Name, kind: Kind) -> u32 {
        let added = u32::try_from(self.entries.len()).unwrap_or(NONE);
        if self.entries.len() == self.entries.capacity() {
            // It grows by a quarter, as outputs do.
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

    /// Finds the table with this name in a table, which is indexed if it has many tables.
    fn find(&mut self, table: u32, name: Name) -> Option<u32> {
        if self.entries[table as usize].is_indexed {
            let found = self.index.get(&self.hash(table, name)).copied()?;
            // If the hash found another table, all are compared.
            return if self.has_name(found, name) {
                Some(found)
            } else {
                self.search(table, name).0
            };
        }
        let (found, compared) = self.search(table, name);
        if compared >= FEW {
            self.entries[table as usize].is_indexed = true;
            let mut at = self.entries[table as usize].last_table;
            while at != NONE {
                let entry = self.entries[at as usize];
                self.index.insert(self.hash(table, entry.name), at);
                at = entry.previous_table;
            }
        }
        found
    }

    /// Compares the tables of a table one by one, and returns how many of them have other names.
    fn search(&self, table: u32, name: Name) -> (Option<u32>, usize) {
        let (mut at, mut compared) = (self.entries[table as usize].last_table, 0);
        while at != NONE {
            if self.has_name(at, name) {
                return (Some(at), compared);
            }
            at = self.entries[at as usize].previous_table;
            compared += 1;
        }
        (None, compared)
    }

    fn has_name(&self, entry: u32, name: Name) -> bool {
        self.text(self.entries[entry as usize].name) == self.text(name)
    }

    fn hash(&self, table: u32, name: Name) -> u64 {
        self.hasher.hash_one((table, self.text(name)))
    }

    /// Writes the outermost table as an item.
    pub(crate) fn write(&self, writer: &mut Writer) -> Result<()> {
        self.write_table(0, writer)
    }

    fn write_table(&self, table: u32, writer: &mut Writer) -> Result<()> {
        writer.open_map()?;
        let mut at = self.entries[table as usize].first;
        while at != NONE {
            let entry = self.entries[at as usize];
            writer
                .text(self.text(entry.name))
                .map_err(|error| self.duplicate(&error, entry.name))?;
            match entry.kind {
                Kind::Value => {
                    let range = entry.first as usize..entry.last as usize;
                    writer.copy(&mut Reader::new(&self.values.written()[range]))?;
                }
                Kind::Array => {
                    writer.open_array()?;
                    let mut element = entry.first;
                    while element != NONE {
                        self.write_table(element, writer)?;
                        element = self.entries[element as usize].next;
                    }
                    writer.close()?;
                }
                Kind::Implied | Kind::Defined | Kind::Dotted => self.write_table(at, writer)?,
            }
            at = entry.next;
        }
        Ok(writer.close()?)
    }

    /// The error for a name that the writer refused as a duplicate, with its position.
    #[cold]
    fn duplicate(&self, error: &plugbay_sdk::document::Error, name: Name) -> Error {
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
        last_table: NONE,
        previous_table: NONE,
    }
}
