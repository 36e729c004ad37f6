//! The guest in `crates/wasm/tests/probe`: each line of a request's body is a command, and each line
//! of the answer is its result.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use plugbay_toolchain::{Build, Toolchain};

/// Built once.
pub(crate) static PROBE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/wasm/tests/probe/Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let mut build = Build::new(manifest);
    build.target_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe"));
    let built = build.run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    fs::read(&built[0].path_to_component).unwrap()
});
