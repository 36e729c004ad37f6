//! A build without a compiler runs only code that a build with one has left in the cache.
//! `cargo xtask test` fills the cache, the folder `PLUGBAY_TEST_CACHE`, by the example `precompile`,
//! and runs this test with `--no-default-features`.

#![cfg(not(feature = "compile"))]

#[path = "../examples/precompile.rs"]
#[expect(dead_code, reason = "its main function is not called")]
mod precompile;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugbay_core::codec::Codec;
use plugbay_core::handler::{Handler, Request};
use plugbay_core::{Context, NoServices, Plugin, Reason, Refusal, Services};
use plugbay_fixtures::{Behaviour, Export, Guest};
use precompile::{artifact, guests, runtime};

fn cache() -> PathBuf {
    let folder = std::env::var_os("PLUGBAY_TEST_CACHE");
    folder.expect("expected PLUGBAY_TEST_CACHE, which `cargo xtask test` sets").into()
}

fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn start(
    bytes: Vec<u8>,
    folder: &Path,
    tokio: &tokio::runtime::Runtime,
) -> Result<Arc<dyn Plugin>, Refusal> {
    precompile::start(&runtime(folder, tokio.handle()).unwrap(), bytes)
}

#[test]
fn code_from_the_cache_runs() {
    let (tokio, services) = (tokio(), Arc::new(NoServices) as Arc<dyn Services>);
    let [codec, handler] = guests().map(|guest| start(guest, &cache(), &tokio).unwrap());
    let codec = codec.provide(0).unwrap().get::<Codec>().unwrap().clone();
    assert_eq!(codec.encode(&Context::new(&services), b"in").unwrap(), b"in codec");
    let handler = handler.provide(0).unwrap().get::<Handler>().unwrap().clone();
    let request = Request { method: "POST".into(), body: b"in".to_vec(), ..Request::default() };
    let response = tokio.block_on(handler.handle(Context::new(&services), request)).unwrap();
    assert_eq!(response.body, b"in handler");
}

#[test]
fn a_component_without_a_cache_entry_is_refused_and_a_bad_entry_is_kept() {
    let (tokio, folder) = (tokio(), tempfile::tempdir().unwrap());
    let [guest, _] = guests();
    let name = format!("other-{}.aot", artifact(guest.clone()).digest.hex());
    std::fs::write(folder.path().join(&name), "not an entry").unwrap();
    let refusal = start(guest, folder.path(), &tokio).err().unwrap();
    assert_eq!(refusal.reason, Reason::Compiler);
    assert!(refusal.message.contains("found none in the cache"), "{}", refusal.message);
    assert!(refusal.hint.contains("feature `compile`"));
    assert!(folder.path().join(name).exists());
}

#[cfg(not(feature = "wasi"))]
#[test]
fn a_component_that_imports_wasi_is_refused() {
    let wait = Behaviour::Wait(std::time::Duration::ZERO);
    let guest = Guest::codec("late").on(Export::Encode, wait).build();
    let refusal = start(guest, &cache(), &tokio()).err().unwrap();
    assert_eq!(refusal.reason, Reason::MissingImport);
    assert!(refusal.message.contains("wasi:clocks/monotonic-clock@0.2"), "{}", refusal.message);
    assert!(refusal.hint.contains("feature `wasi`"));
}
