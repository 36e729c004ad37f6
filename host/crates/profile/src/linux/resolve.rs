//! Gives the addresses of samples their names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use plugbay_core::{MachineFunction, escaped};

use super::guests::Guests;
use super::maps::{self, Mapped};
use super::symbols::{self, Symbols};
use crate::recording::{Function, Place, Region};

/// Places, their functions, and where both are.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) places: Vec<Place>,
    pub(super) functions: Vec<Function>,
    pub(super) regions: Vec<Region>,
    /// Why names are missing.
    pub(super) notes: Vec<String>,
    /// The index of each address.
    indices: HashMap<usize, usize>,
    /// The index of each function.
    known: HashMap<Function, usize>,
}

impl Resolved {
    /// Resolves these addresses.
    pub(super) fn new(addresses: &BTreeSet<usize>, guests: &Guests) -> Self {
        let mut resolved = Self::default();
        let maps = maps::read().unwrap_or_else(|error| {
            resolved.notes.push(format!("the files of this process cannot be listed: {error}"));
            Vec::new()
        });
        // A region's addresses follow each other.
        let mut of_guests: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut of_files: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for address in addresses {
            let mapped = maps.iter().position(|mapped| mapped.contains(*address));
            if let Some(guest) = guests.at(*address) {
                of_guests.entry(guest.addresses().start).or_default().push(*address);
            } else if let Some(mapped) = mapped {
                of_files.entry(mapped).or_default().push(*address);
            } else {
                unknown.push(*address);
            }
        }
        // The first region is the program, as viewers expect.
        let program = this_program(&maps);
        let (first, others): (Vec<_>, Vec<_>) = of_files.into_iter().partition(|(mapped, _)| {
            maps.get(*mapped).is_some_and(|it| Some(&*it.file) == program.as_deref())
        });
        for (mapped, addresses) in first.into_iter().chain(others) {
            if let Some(mapped) = maps.get(mapped) {
                resolved.add_file(mapped, &addresses);
            }
        }
        for (start, addresses) in of_guests {
            resolved.add_guest(guests, start, &addresses);
        }
        for address in unknown {
            let function = Function { name: "unknown code".into(), ..Function::default() };
            resolved.add(address, None, function);
        }
        resolved
    }

    /// The indices of the places of a stack, up to the first word that is no address of code: there the frame pointers
    /// led through something else.
    pub(super) fn places_of(&self, stack: impl Iterator<Item = usize>) -> Vec<usize> {
        let places = stack.enumerate().map_while(|(depth, address)| {
            let index = *self.indices.get(&address)?;
            let is_code = self.places.get(index).is_some_and(|place| place.region.is_some());
            (depth == 0 || is_code).then_some(index)
        });
        places.collect()
    }

    fn add(&mut self, address: usize, region: Option<usize>, function: Function) {
        let next = self.functions.len();
        let index = *self.known.entry(function.clone()).or_insert(next);
        if index == next {
            self.functions.push(function);
        }
        self.indices.insert(address, self.places.len());
        self.places.push(Place { address: address as u64, function: index, region });
    }

    fn add_file(&mut self, mapped: &Mapped, addresses: &[usize]) {
        let offset = |address: &usize| (address - mapped.start) as u64 + mapped.offset;
        let offsets: Vec<u64> = addresses.iter().map(offset).collect();
        let read = mapped
            .open()
            .map_err(|error| error.to_string())
            .and_then(|file| symbols::read(file, &offsets).map_err(|error| error.to_string()));
        let found = read.unwrap_or_else(|error| {
            if mapped.file.starts_with('/') {
                self.notes.push(format!(
                    "the functions of {} have no names: {error}",
                    escaped(&*mapped.file)
                ));
            }
            Symbols::default()
        });
        let region = self.regions.len();
        self.regions.push(Region {
            start: mapped.start as u64,
            end: mapped.end as u64,
            offset: mapped.offset,
            file: mapped.file.clone(),
            build_id: found.build_id,
        });
        let mut names = found.names.into_iter();
        for address in addresses {
            let file = mapped.file.clone();
            let function = if let Some(symbol) = names.next().flatten() {
                let name = rustc_demangle::try_demangle(&symbol);
                let name = name.map_or_else(|_| symbol.clone(), |name| format!("{name:#}"));
                Function { name, symbol, file }
            } else {
                let name = format!("[{}]", mapped.name().trim_matches(['[', ']']));
                Function { symbol: name.clone(), name, file }
            };
            self.add(*address, Some(region), function);
        }
    }

    fn add_guest(&mut self, guests: &Guests, start: usize, addresses: &[usize]) {
        let Some(guest) = guests.at(start) else { return };
        let (label, range, functions) = (guest.label(), guest.addresses(), guest.functions());
        let region = self.regions.len();
        self.regions.push(Region {
            start: range.start as u64,
            end: range.end as u64,
            file: label.to_string(),
            ..Region::default()
        });
        for address in addresses {
            let name = format!("{label}: {}", name_in(&functions, *address));
            let function = Function { symbol: name.clone(), name, file: label.to_string() };
            self.add(*address, Some(region), function);
        }
    }
}

/// The function of a guest at this address.
fn name_in(functions: &[MachineFunction], address: usize) -> &str {
    let after = functions.partition_point(|function| function.addresses.start <= address);
    let found = functions[..after].last().filter(|function| function.addresses.contains(&address));
    // What the compiler adds to pass values in and out.
    found.map_or("trampoline", |function| &function.name)
}

/// The file that contains this function.
fn this_program(maps: &[Mapped]) -> Option<Arc<str>> {
    let here = this_program as fn(&[Mapped]) -> Option<Arc<str>> as usize;
    let mapped = maps.iter().find(|mapped| mapped.contains(here));
    mapped.map(|mapped| Arc::from(&*mapped.file))
}
