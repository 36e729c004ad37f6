//! Lookup and lease, beside the least that could do it.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use plugbay_registry::Registry;

use crate::measure::{Budget, Table};

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the limit fails.
pub fn run(table: &mut Table) -> Result<()> {
    let names: Vec<String> = (0..64).map(|index| format!("codec-{index}")).collect();
    let registry = Registry::new("codec");
    let mut map = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        registry.register(name.as_str(), index)?;
        map.insert(name.clone(), Arc::new(index));
    }
    let limit = ArcSwap::from_pointee(map);
    table.ratio(
        "lookup + lease, over ArcSwap + map + Arc",
        Budget::AtMost(1.2),
        || {
            drop(black_box(registry.get(black_box("codec-42"))?));
            Ok(())
        },
        || {
            black_box(limit.load().get(black_box("codec-42")).map(Arc::clone));
            Ok(())
        },
    )
}
