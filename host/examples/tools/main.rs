//! A host of tools for a language model: each plugin in a folder is one or more tools, which a client lists and calls by the
//! Model Context Protocol over stdin and stdout. A plugin that is added, replaced or removed changes the list at once:
//! `cargo run --example tools FOLDER`.
//!
//! `plugbay new word-count --kind host/examples/tools/tool.wit` makes a tool in Rust.

mod mcp;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_lite::future::block_on;
use plugbay::{Host, Kind as _};
use serde_json::{Value, json};

use self::mcp::{Client, Failed, Tools};
use self::tool::{Tool as _, ToolHandle, ToolKind};

/// The kind `tool`.
mod tool {
    plugbay::kind!("examples/tools/tool.wit");
}

/// The tools of a host.
struct Plugins(Host);

impl Tools for Plugins {
    /// A plugin that cannot describe itself now is no tool now.
    fn list(&self) -> Vec<Value> {
        let names = self.0.names(ToolKind::NAME);
        let described = names.iter().filter_map(|name| {
            let about = ToolHandle::find(&self.0, name).ok()?.describe().ok()?;
            let schema: Value = serde_json::from_str(&about.input_schema).ok()?;
            Some(json!({ "name": name, "description": about.description, "inputSchema": schema }))
        });
        described.collect()
    }

    fn call(&self, name: &str, arguments: &Value) -> Result<String, Failed> {
        let tool = ToolHandle::find(&self.0, name)
            .map_err(|missed| Failed::NoSuchTool(missed.to_string()))?;
        tool.call(&arguments.to_string()).map_err(|error| Failed::InTool(error.to_string()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("expected the folder of the tools, found no argument")?;
    let host = Host::builder().plugins(folder).kind::<ToolKind>().build_blocking()?;
    let client = Arc::new(Client::new(io::stdout()));

    let mut events = host.subscribe();
    let (tools, watching) = (Plugins(host.clone()), Arc::clone(&client));
    std::thread::spawn(move || {
        let mut known = tools.list();
        while block_on(events.recv()).is_some() {
            let now = tools.list();
            if now != known {
                known = now;
                watching.tools_changed();
            }
        }
    });

    mcp::serve(io::stdin().lock(), &client, &Plugins(host.clone()))?;
    host.shutdown_blocking(std::time::Duration::from_secs(5));
    Ok(())
}
