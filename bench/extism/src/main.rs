//! Plugbay beside Extism, for the same work: a plugin that gives its input back.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use plugbay_fixtures::Guest;

use plugbay_bench::calls::{SIZES, document};
use plugbay_bench::measure::{Budget, Table};
use plugbay_bench::setup::Place;

/// Gives the input back without touching it: the least that an Extism plugin can do.
const ECHO: &str = r#"(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "encode") (result i32)
    (call $output (call $offset) (call $length (call $offset)))
    (i32.const 0)))"#;

fn main() -> Result<()> {
    let mut table = Table::of_arguments();
    run(&mut table)?;
    table.finish()
}

fn run(table: &mut Table) -> Result<()> {
    let compiled = compiled()?;
    let place = Place::new()?;
    place.put("echo.wasm", &Guest::codec("echo").build())?;
    let host = place.host(place.config())?;
    let echo = host.codec("echo")?;
    for (label, size) in SIZES {
        let document = document(size);
        let mut plugin = Plugin::new_from_compiled(&compiled).map_err(wrap)?;
        table.ratio(
            &format!("warm codec call, {label}, beside Extism"),
            Budget::FasterBy(15.0),
            || {
                black_box(echo.encode_document(black_box(&document))?);
                Ok(())
            },
            || {
                let answer: Vec<u8> = plugin.call("encode", black_box(&*document)).map_err(wrap)?;
                anyhow::ensure!(answer.len() == document.len(), "echo");
                black_box(answer);
                Ok(())
            },
        )?;
    }
    let mut config = place.config();
    config.defaults.reuse = plugbay_bench::Reuse::Fresh;
    let fresh = place.host(config)?;
    let echo = fresh.codec("echo")?;
    let document = document(64);
    table.ratio(
        "fresh instance per call, beside Extism",
        Budget::FasterBy(20.0),
        || {
            black_box(echo.encode_document(black_box(&document))?);
            Ok(())
        },
        || {
            let mut plugin = Plugin::new_from_compiled(&compiled).map_err(wrap)?;
            let answer: Vec<u8> = plugin.call("encode", black_box(&*document)).map_err(wrap)?;
            black_box(answer);
            Ok(())
        },
    )
}

fn compiled() -> Result<CompiledPlugin> {
    let manifest = Manifest::new([Wasm::data(ECHO.as_bytes().to_vec())]);
    CompiledPlugin::new(PluginBuilder::new(manifest)).map_err(wrap)
}

/// Extism's errors are of another make.
fn wrap(error: extism::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}
