//! Plugbay and Extism with the same work: a plugin that returns its input.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use plugbay_fixtures::Guest;

use plugbay_bench::calls::{SIZES, document};
use plugbay_bench::setup::HostFolder;
use plugbay_bench::table::{Budget, Table};

/// Copies the input into its own memory and returns it from there, eight bytes at a time, as Extism's
/// own plugin kit does. In Plugbay the host copies the bytes.
const ECHO: &str = r#"(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 2)
  (func (export "encode") (result i32)
    (local $length i64) (local $words i64) (local $at i64) (local $out i64)
    (local.set $length (call $input_length))
    (local.set $words (i64.and (local.get $length) (i64.const -8)))
    (block $loaded
      (loop $word
        (br_if $loaded (i64.ge_u (local.get $at) (local.get $words)))
        (i64.store (i32.wrap_i64 (local.get $at)) (call $input_load_u64 (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br $word)))
    (block $rest_loaded
      (loop $byte
        (br_if $rest_loaded (i64.ge_u (local.get $at) (local.get $length)))
        (i32.store8 (i32.wrap_i64 (local.get $at)) (call $input_load_u8 (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $byte)))
    (local.set $out (call $alloc (local.get $length)))
    (local.set $at (i64.const 0))
    (block $stored
      (loop $word
        (br_if $stored (i64.ge_u (local.get $at) (local.get $words)))
        (call $store_u64
          (i64.add (local.get $out) (local.get $at))
          (i64.load (i32.wrap_i64 (local.get $at))))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br $word)))
    (block $rest_stored
      (loop $byte
        (br_if $rest_stored (i64.ge_u (local.get $at) (local.get $length)))
        (call $store_u8
          (i64.add (local.get $out) (local.get $at))
          (i32.load8_u (i32.wrap_i64 (local.get $at))))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $byte)))
    (call $output_set (local.get $out) (local.get $length))
    (i32.const 0)))"#;

fn main() -> Result<()> {
    let mut table = Table::of_arguments();
    run(&mut table)?;
    table.finish()
}

fn run(table: &mut Table) -> Result<()> {
    let compiled = compiled()?;
    let folder = HostFolder::new()?;
    folder.put("echo.wasm", &Guest::codec("echo").build())?;
    let host = folder.host(folder.config())?;
    let echo = host.codec("echo")?;
    // Raw wasmtime is about 12 times as fast at 64 B: docs/adr/0010-beside-extism.md.
    for ((label, size), faster) in SIZES.into_iter().zip([9.0, 15.0]) {
        let document = document(size);
        let mut plugin = Plugin::new_from_compiled(&compiled).map_err(wrap)?;
        table.ratio(
            &format!("warm codec call, {label}, beside Extism"),
            Budget::FasterBy(faster),
            || {
                black_box(echo.encode_document(black_box(&document))?);
                Ok(())
            },
            || {
                let answer: Vec<u8> = plugin.call("encode", black_box(&*document)).map_err(wrap)?;
                anyhow::ensure!(answer.len() == document.len(), "expected the input");
                black_box(answer);
                Ok(())
            },
        )?;
    }
    let mut config = folder.config();
    config.defaults.reuse = plugbay_bench::Reuse::Fresh;
    let fresh = folder.host(config)?;
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

/// The plugin with the limits of Plugbay's defaults: memory, and the CPU time of a call.
fn compiled() -> Result<CompiledPlugin> {
    let limits = plugbay_bench::defaults();
    let pages = u32::try_from(limits.memory.as_usize() / 65_536)?;
    let manifest = Manifest::new([Wasm::data(ECHO.as_bytes().to_vec())])
        .with_memory_max(pages)
        .with_timeout(limits.cpu);
    CompiledPlugin::new(PluginBuilder::new(manifest)).map_err(wrap)
}

/// An error of Extism, which has another `anyhow`, as one of this crate's.
fn wrap(error: extism::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}
