//! Lookup and lease, compared with a map in an `ArcSwap`.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use plugbay_registry::Registry;

use crate::measure::{Budget, Table};

const READERS: usize = 8;
const READS: u32 = 10_000;

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    let names: Vec<String> = (0..64).map(|index| format!("codec-{index}")).collect();
    let registry = Registry::new("codec");
    let mut map = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        registry.register(name.as_str(), index)?;
        map.insert(name.clone(), Arc::new(index));
    }
    let baseline = ArcSwap::from_pointee(map);
    let leased = || -> Result<()> {
        drop(black_box(registry.get(black_box("codec-42"))?));
        Ok(())
    };
    let passed = || -> Result<()> {
        black_box(registry.with(black_box("codec-42"), |value| *value)?);
        Ok(())
    };
    let cloned = || {
        black_box(baseline.load().get(black_box("codec-42")).map(Arc::clone));
        Ok(())
    };
    let budget = Budget::AtMost(1.2);
    table.ratio("lookup + lease, over ArcSwap + map + Arc", budget, leased, cloned)?;
    table.ratio(
        "lookup + lease for the length of a call, by 8 readers of one entry",
        budget,
        || by_readers(&passed),
        || by_readers(&cloned),
    )
}

/// Runs `read` on all readers at once.
fn by_readers(read: &(impl Fn() -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let reader = || (0..READS).try_for_each(|_| read());
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
        readers.into_iter().try_for_each(|reader| match reader.join() {
            Ok(read) => read,
            Err(panicked) => std::panic::resume_unwind(panicked),
        })
    })
}
