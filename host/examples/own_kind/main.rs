//! A kind of plugin that the application defines, with a WIT world of its own:
//! `cargo run --example own_kind`.

use std::error::Error;
use std::sync::Arc;

use plugbay::wasm::wasmtime::{self, component::TypedFunc};
use plugbay::wasm::{Calls, Exports, WasmKind};
use plugbay::{CallError, CallOptions, Context, Host, Kind};

/// What a caller of a greeter calls.
pub(crate) trait Greet: Send + Sync {
    fn greet(&self, context: &Context<'_>, name: &str) -> Result<String, CallError>;
}

/// The kind `greeter`.
#[derive(Debug)]
pub(crate) struct Greeter;

impl Kind for Greeter {
    const NAME: &'static str = "greeter";
    type Call = dyn Greet;
}

impl WasmKind for Greeter {
    const INTERFACE: &'static str = "acme:greet/greeter@0.1.0";
    type Guest = TypedFunc<(u32, String), (String,)>;

    fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest> {
        exports.function("greet")
    }

    fn provide(calls: Calls<Self>) -> Arc<dyn Greet> {
        Arc::new(calls)
    }
}

impl Greet for Calls<Greeter> {
    fn greet(&self, context: &Context<'_>, name: &str) -> Result<String, CallError> {
        let params = (self.capability(), name.to_owned());
        self.call(context, |greet| greet, params, |(greeting,)| Ok(greeting))
    }
}

/// Serves the plugin and asks its greeter.
pub(crate) fn greet(plugin: Vec<u8>, name: &str) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let builder = Host::builder().plugins(folder.path()).kind::<Greeter>();
    let host = builder.artifact("greeter", plugin).build_blocking()?;
    let greeter = host.get::<Greeter>("hello")?;
    Ok(greeter.call(CallOptions::default(), |greeter, context| greeter.greet(context, name))?)
}

/// The plugin of this folder.
pub(crate) fn guest() -> Vec<u8> {
    let (wit, wat) = (include_str!("greeter.wit"), include_str!("guest.wat"));
    plugbay_fixtures::component(wit, "greeter-plugin", wat)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", greet(guest(), "world")?);
    Ok(())
}
