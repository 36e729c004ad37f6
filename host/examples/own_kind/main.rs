//! A kind of plugin that the application defines, by a WIT interface of its own:
//! `cargo run --example own_kind`.

use std::error::Error;

use plugbay::Host;

use self::greeter::{Greeter, GreeterHandle, GreeterKind};

/// The kind `greeter`: its trait, its handle, a mock of it, and a check of its plugins.
pub(crate) mod greeter {
    plugbay::kind!("examples/own_kind/greeter.wit");
}

/// Serves the plugin and asks its greeter.
pub(crate) fn greet(plugin: Vec<u8>, name: &str) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let builder = Host::builder().plugins(folder.path()).kind::<GreeterKind>();
    let host = builder.artifact("greeter", plugin).build_blocking()?;
    Ok(GreeterHandle::find(&host, "hello")?.greet(name)?)
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
