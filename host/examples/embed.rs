//! Embeds a host: encodes a struct with a codec plugin, swaps the plugin, encodes again:
//! `cargo run --example embed [FIRST.wasm SECOND.wasm]`, two versions of a codec.

use std::error::Error;
use std::fs;

use plugbay::Host;
use plugbay_fixtures::Guest;
use serde::{Deserialize, Serialize};

/// What is encoded.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Its number.
    pub(crate) number: u32,
    /// What is ordered.
    pub(crate) items: Vec<String>,
}

/// What the first and the second version of the plugin make of an order.
pub(crate) fn swap(first: &[u8], second: &[u8]) -> Result<[Vec<u8>; 2], Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("codec.wasm");
    fs::write(&file, first)?;
    let host = Host::builder().plugins(folder.path()).watch(false).build_blocking()?;
    let name = host.names("codec").into_iter().next().ok_or("expected a codec, found none")?;
    let codec = host.codec(&name)?;
    let order = Order { number: 7, items: vec!["tea".into(), "cup".into()] };
    let before = codec.encode(&order)?;
    // Written under another name, then renamed, so that the host never reads half of it.
    let next = folder.path().join(".codec.wasm");
    fs::write(&next, second)?;
    fs::rename(&next, &file)?;
    if let Some(rejected) = host.reload_blocking().rejected.first() {
        return Err(format!("{}: {}", rejected.source, rejected.message).into());
    }
    // The same handle: it goes to whichever version serves.
    let after = codec.encode(&order)?;
    Ok([before, after])
}

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<Vec<u8>> = std::env::args().skip(1).map(fs::read).collect::<Result<_, _>>()?;
    let own = |version: &str| Guest::codec("mine").version(version).stamp(version).build();
    let [before, after] = match &files[..] {
        [first, second] => swap(first, second)?,
        _ => swap(&own("1.0.0"), &own("2.0.0"))?,
    };
    println!("before: {}\nafter:  {}", before.escape_ascii(), after.escape_ascii());
    Ok(())
}
