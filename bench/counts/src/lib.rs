//! Operations that are prepared once, and then repeated under a counter: those that need neither a runtime
//! nor a host, so that this builds in seconds.
//!
//! A count is the same on a busy machine, so that CI can hold a change against `bench/counts.toml`, which it
//! cannot do with times. `cargo xtask counts` does.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use plugbay_document::Document;
use plugbay_registry::{Leased, Registry, Swap, Table as Names};
use serde::{Deserialize, Serialize};

/// A prepared operation, and what it needs to exist.
pub type Operation = Box<dyn FnMut() -> Result<()>>;

/// The names of the operations that [`prepare`] knows.
pub const NAMES: [&str; 5] =
    ["lease_by_handle", "lease_by_name", "lease_kept", "document_written", "document_read"];

/// How often an operation is repeated before it is counted, so that pools are filled and what is resolved
/// once is resolved.
const WARM: u32 = 200;

/// Prepares the operation of this name; `None` if there is none.
///
/// # Errors
///
/// If it cannot be prepared.
pub fn prepare(name: &str) -> Result<Option<Operation>> {
    Ok(Some(match name {
        "lease_by_handle" => lease_by_handle()?,
        "lease_by_name" => lease_by_name(false)?,
        "lease_kept" => lease_by_name(true)?,
        "document_written" => document_written(),
        "document_read" => document_read()?,
        _ => return Ok(None),
    }))
}

/// Does an operation until it is warm.
///
/// # Errors
///
/// That of the operation.
pub fn warm(operation: &mut Operation) -> Result<()> {
    repeat(operation, WARM)
}

/// Does an operation `times` times.
///
/// # Errors
///
/// That of the operation.
#[inline(never)]
pub fn repeat(operation: &mut Operation, times: u32) -> Result<()> {
    (0..times).try_for_each(|_| operation())
}

/// What a handle does before and after each call.
fn lease_by_handle() -> Result<Operation> {
    let entries = (0..64_u64).map(|index| (format!("codec-{index}"), Arc::new(Leased::new(index))));
    let cell = Swap::new(Names::try_from_iter(entries)?);
    let at = cell.load().index_of("codec-42").unwrap_or_default();
    Ok(Box::new(move || {
        let found = cell.peek(|names| {
            let (_, entry) = names.at(black_box(at))?;
            let pass = entry.enter().ok()?;
            Some(black_box(*pass))
        });
        black_box(found);
        Ok(())
    }))
}

/// A lookup in a registry, for the length of a call or with a lease that may be kept. Each time of the next name: how
/// many slots of the index a lookup of one name reads depends on the seed of its hashes, which is random.
fn lease_by_name(is_kept: bool) -> Result<Operation> {
    let registry = Registry::new("codec");
    let names: Vec<String> = (0..100).map(|index| format!("codec-{index}")).collect();
    for (index, name) in names.iter().enumerate() {
        registry.register(name.as_str(), index)?;
    }
    let mut at = 0;
    Ok(Box::new(move || {
        at = (at + 1) % names.len();
        let name = black_box(names[at].as_str());
        if is_kept {
            drop(black_box(registry.get(name)?));
        } else {
            black_box(registry.with(name, |value| *value)?);
        }
        Ok(())
    }))
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    lines: Vec<Line>,
    paid: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    article: String,
    pieces: u32,
    price: f64,
}

fn order() -> Order {
    let line = |number: u32| Line {
        article: format!("A-{number:05}"),
        pieces: number % 7 + 1,
        price: f64::from(number) * 1.25,
    };
    Order {
        id: 48_151_623,
        customer: "Zoë & Söhne".into(),
        lines: (1..6).map(line).collect(),
        paid: true,
    }
}

fn document_written() -> Operation {
    let order = order();
    Box::new(move || {
        black_box(Document::from_value(black_box(&order))?);
        Ok(())
    })
}

fn document_read() -> Result<Operation> {
    let document = Document::from_value(&order())?;
    Ok(Box::new(move || {
        black_box(black_box(&document).to_value::<Order>()?);
        Ok(())
    }))
}
