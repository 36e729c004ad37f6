//! A function of the application that plugins import, and which knows what plugin calls it, and for which
//! request: `cargo run --example host_function`.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use plugbay::wasm::State;
use plugbay::wasm::wasmtime::StoreContextMut;
use plugbay::{CallOptions, Codec, Correlation, Host};

/// The interface of `audit.wit`.
const AUDIT: &str = "acme:greet/audit@0.1.0";

/// Serves the plugin, calls its codec once, and returns what it noted: the request, the plugin's name, its
/// version and the text.
pub(crate) fn audited(plugin: Vec<u8>) -> Result<Vec<String>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let written = Arc::clone(&notes);
    let note = move |store: StoreContextMut<'_, State>, (what,): (String,)| {
        // The instance's state says who calls, and for which request. The function runs in the `tracing`
        // span of the call: what it logs has the id of the request that is answered.
        let caller = store.data().plugin();
        let version = caller.version().unwrap_or("not described yet");
        let request = store.data().correlation().and_then(|it| it.request_id.as_ref());
        let request = request.map_or("no request", |id| id.as_str());
        let line = format!("{request}: {} {version}: {what}", caller.name());
        written.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(())
    };
    let host = Host::builder()
        .plugins(folder.path())
        .artifact("audited.wasm", plugin)
        .wasm(move |wasm| {
            wasm.import(AUDIT, move |linker| {
                linker.instance(AUDIT)?.func_wrap("note", note.clone())
            })
        })
        .build_blocking()?;
    let request = Arc::new(Correlation::default().request_id("order-7".parse()?));
    let options = CallOptions::default().correlated(&request);
    let document = b"\x67a value"; // CBOR
    host.snapshot().lease::<Codec>("hello")?.encode_document(options, document)?;
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(notes.clone())
}

/// The plugin of this folder.
pub(crate) fn guest() -> Vec<u8> {
    let (wit, wat) = (include_str!("audit.wit"), include_str!("guest.wat"));
    plugbay_fixtures::component(wit, "audited-codec", wat)
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in audited(guest())? {
        println!("{line}");
    }
    Ok(())
}
