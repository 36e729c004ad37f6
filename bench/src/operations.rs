//! The operations that need a host, prepared for a counter of system calls, page faults or allocations.
//! Those without one, whose instructions are counted too, are in the crate `plugbay-bench-counts`: callgrind
//! cannot follow wasmtime's signals.

use std::hint::black_box;

use anyhow::{Context, Result, anyhow};
use plugbay::config::Reuse;
use plugbay::{CallOptions, Codec, Isolation};
use plugbay_bench_counts::Operation;
use plugbay_fixtures::Guest;

use crate::calls::document;
use crate::raw::{Raw, ok};
use crate::setup::HostFolder;

/// The names of all operations.
pub fn names() -> impl Iterator<Item = &'static str> {
    plugbay_bench_counts::NAMES.into_iter().chain(HOSTED)
}

/// Calls of 64 bytes: under a tracer, a longer one reads the CPU clock as often as the machine is slow.
const HOSTED: [&str; 5] =
    ["native_64_b", "component_64_b", "component_fresh", "raw_64_b", "raw_fresh"];

/// Prepares the operation of this name, and does it until it is warm.
///
/// # Errors
///
/// If there is none of this name, or a host or the baseline fails.
pub fn prepare(name: &str) -> Result<Operation> {
    let mut operation = match name {
        "native_64_b" => native(64)?,
        "component_64_b" => component(64, None)?,
        "component_fresh" => component(64, Some(Reuse::Fresh))?,
        "raw_64_b" => raw(64)?,
        "raw_fresh" => raw_fresh()?,
        other => plugbay_bench_counts::prepare(other)?
            .with_context(|| format!("expected the name of an operation, found \"{other}\""))?,
    };
    plugbay_bench_counts::warm(&mut operation)?;
    Ok(operation)
}

/// A call of a component by a handle, with the instances of the defaults unless `reuse` says otherwise.
fn component(size: usize, reuse: Option<Reuse>) -> Result<Operation> {
    let folder = HostFolder::new()?;
    folder.put("echo.wasm", &Guest::codec("echo").build())?;
    let mut config = folder.config();
    config.defaults.reuse = reuse.unwrap_or(config.defaults.reuse);
    let host = folder.host(config)?;
    let echo = host.codec("echo")?;
    let document = document(size);
    Ok(Box::new(move || {
        let _ = (&folder, &host);
        black_box(echo.encode_document(black_box(&document))?);
        Ok(())
    }))
}

/// The same call of the same component by wasmtime's bindings.
fn raw(size: usize) -> Result<Operation> {
    let raw = ok(Raw::new(&Guest::codec("echo").build()))?;
    let (mut store, plugin) = ok(raw.instance())?;
    let document = document(size);
    Ok(Box::new(move || {
        let _ = &raw;
        let codec = plugin.plugbay_plugin_codec();
        let answer = ok(codec.call_encode(&mut store, 0, black_box(&document)))?;
        black_box(answer.map_err(|error| anyhow!("{error:?}"))?);
        Ok(())
    }))
}

fn raw_fresh() -> Result<Operation> {
    let raw = ok(Raw::new(&Guest::codec("echo").build()))?;
    let document = document(64);
    Ok(Box::new(move || {
        let (mut store, plugin) = ok(raw.instance())?;
        let codec = plugin.plugbay_plugin_codec();
        let answer = ok(codec.call_encode(&mut store, 0, black_box(&document)))?;
        black_box(answer.map_err(|error| anyhow!("{error:?}"))?);
        Ok(())
    }))
}

/// A call of a native library in this process, with a lease that is held.
fn native(size: usize) -> Result<Operation> {
    let folder = HostFolder::new()?;
    crate::native::compile(&folder)?;
    let mut config = folder.config();
    config.defaults.isolation = Isolation::InProcess;
    let host = folder.host(config)?;
    let echo = host.get::<Codec>("echo")?.lease()?;
    let document = document(size);
    Ok(Box::new(move || {
        let _ = (&folder, &host);
        black_box(echo.encode_document(CallOptions::default(), black_box(&document))?);
        Ok(())
    }))
}
