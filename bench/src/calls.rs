//! Warm and fresh calls, compared with raw wasmtime.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use plugbay_fixtures::Guest;

use crate::raw::{Raw, ok};
use crate::setup::HostFolder;
use crate::table::{Budget, Table};

/// Sizes of documents.
pub const SIZES: [(&str, usize); 2] = [("64 B", 64), ("64 KiB", 64 << 10)];

/// A CBOR byte string of `size` bytes in all.
#[must_use]
pub fn document(size: usize) -> Vec<u8> {
    let mut document = if size < 256 {
        vec![0x58, (size - 2) as u8]
    } else {
        [&[0x5a][..], &((size - 5) as u32).to_be_bytes()].concat()
    };
    document.resize(size, 0x61);
    document
}

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    let bytes = Guest::codec("echo").build();
    let folder = HostFolder::new()?;
    folder.put("echo.wasm", &bytes)?;
    let raw = ok(Raw::new(&bytes))?;
    let host = folder.host(folder.config())?;
    let echo = host.codec("echo")?;
    for (label, size) in SIZES {
        let document = document(size);
        let (mut store, plugin) = ok(raw.instance())?;
        let codec = plugin.plugbay_plugin_codec();
        table.ratio(
            &format!("warm codec call, {label}, over raw wasmtime"),
            Budget::AtMost(1.15),
            || {
                black_box(echo.encode_document(black_box(&document))?);
                Ok(())
            },
            || {
                let answer = ok(codec.call_encode(&mut store, 0, black_box(&document)))?;
                black_box(answer.map_err(|error| anyhow!("{error:?}"))?);
                Ok(())
            },
        )?;
    }
    let mut config = folder.config();
    config.defaults.reuse = plugbay::config::Reuse::Fresh;
    let fresh = folder.host(config)?;
    let echo = fresh.codec("echo")?;
    let document = document(64);
    table.ratio(
        "fresh instance per call, over raw InstancePre",
        Budget::AtMost(1.15),
        || {
            black_box(echo.encode_document(black_box(&document))?);
            Ok(())
        },
        || {
            let (mut store, plugin) = ok(raw.instance())?;
            let codec = plugin.plugbay_plugin_codec();
            let answer = ok(codec.call_encode(&mut store, 0, black_box(&document)))?;
            black_box(answer.map_err(|error| anyhow!("{error:?}"))?);
            Ok(())
        },
    )
}
