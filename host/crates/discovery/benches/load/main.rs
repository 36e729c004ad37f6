//! A directory under load, beside etcd under the same load: 10,000 endpoints, 5,000 heartbeats a second
//! and 500 watchers of one service.
//!
//! ```text
//! cargo bench --profile dist -p plugbay-discovery --bench load
//! ```
//!
//! The server is a process of its own, so its memory and processor time are its own; both share the
//! processors with the clients. A directory with a file, one without, and etcd, if it is installed (on
//! Debian: `apt-get install etcd-server`), run one after the other. All three are spoken to by HTTP/1.1
//! and JSON; etcd's gateway makes gRPC of it in its own process. Prints a line of a Markdown table for
//! each.

mod backend;
mod client;
mod phases;

use std::process::ExitCode;
use std::sync::Arc;

use backend::{Backend, Directory, Etcd};
use phases::Figures;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let [serve, file] = &arguments[..]
        && serve == "serve"
    {
        runtime.block_on(backend::serve(file));
        return ExitCode::SUCCESS;
    }
    let chosen = |name: &str| {
        let names: Vec<_> = arguments.iter().filter(|it| !it.starts_with("--")).collect();
        names.is_empty() || names.into_iter().any(|it| it == name)
    };
    println!("{}", Figures::HEAD);
    let mut met = true;
    for file in [true, false] {
        let backend = Arc::new(Directory::start(file));
        if chosen(backend.name()) {
            let figures = runtime.block_on(phases::run(&backend));
            println!("{}", figures.line(backend.name()));
            met &= figures.met();
        }
    }
    if chosen("etcd") {
        match Etcd::start() {
            Some(backend) => {
                let backend = Arc::new(backend);
                let figures = runtime.block_on(phases::run(&backend));
                println!("{}", figures.line(backend.name()));
            }
            None => println!("etcd: skipped, because it is not installed"),
        }
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
