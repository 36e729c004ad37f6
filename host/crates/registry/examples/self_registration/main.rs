//! An application with the codec crate linked in: prints `706c7567626179`.
//!
//! The example `not_linked` is the same program without the next line.

use plugbay_registry_example_hex as _;

mod app;

fn main() -> std::process::ExitCode {
    app::main()
}
