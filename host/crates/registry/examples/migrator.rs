//! A rollout in the wrong order is refused before anything changes.
//!
//! `cargo run -p plugbay-registry --example migrator`

use std::error::Error;

use plugbay_registry::migrate::{Migrator, Rule, Violation};
use plugbay_registry::{ChangeError, Registry};

fn main() -> Result<(), Box<dyn Error>> {
    let migrator = Migrator::new([
        Rule::new("json-v1", "json-v2").because("old clients"),
        Rule::new("xml", "json-v2"),
    ])?;
    for rule in migrator.rules_in_order() {
        println!("{rule}");
    }
    let codecs = Registry::new("codec");
    codecs.register("json-v1", 1)?;
    codecs.register("xml", 1)?;

    // Removing the first version comes too early.
    match remove(&codecs, &migrator, "json-v1") {
        Err(ChangeError::Failed(violation)) => println!("refused: {violation}"),
        other => println!("{other:?}"),
    }
    codecs.register("json-v2", 2)?;
    remove(&codecs, &migrator, "json-v1")?;
    println!("now: {}", codecs.names().join(", "));
    Ok(())
}

/// The rules are checked on the very set that would be published.
fn remove(
    codecs: &Registry<i32>,
    migrator: &Migrator,
    name: &str,
) -> Result<(), ChangeError<Violation>> {
    codecs.update(|now| {
        let next = now.table.without(name);
        migrator.check(|it| next.contains(it))?;
        Ok(next)
    })?;
    Ok(())
}
