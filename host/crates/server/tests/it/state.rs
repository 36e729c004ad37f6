//! P7: what a plugin was told is kept is there after `kill -9` of the program under load.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay_toolchain::{Build, Toolchain};
use rustix::process::Signal;

use super::support::{SOON, host};
use super::up::{Up, connect};

/// The example that counts.
static COUNTER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins/counter/Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let mut build = Build::new(manifest);
    build.target_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("counter"));
    let built = build.run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    std::fs::read(&built[0].path_to_component).unwrap()
});

/// Adds 1 to the count, and returns the sum if the whole answer came.
fn add(address: SocketAddr) -> Option<u64> {
    let mut stream = connect(address).ok()?;
    let request =
        "POST /counter/page HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let is_whole = head.starts_with("http/1.1 200") && length == body.len().to_string();
    is_whole.then(|| body.parse().unwrap())
}

#[test]
fn a_killed_host_loses_no_count_that_was_acknowledged() {
    let mut setup =
        host().file("counter.wasm", &COUNTER).toml("[plugins.counter.grants]\nstate = true");
    let acknowledged = AtomicU64::new(0);
    for _ in 0..3 {
        let up = Up::start(setup);
        let before = acknowledged.load(Ordering::Relaxed);
        let first = add(up.data).expect("an answer");
        assert!(first > before, "{before} was acknowledged, and the next sum is {first}");
        std::thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    while let Some(sum) = add(up.data) {
                        acknowledged.fetch_max(sum, Ordering::Relaxed);
                    }
                });
            }
            let end = Instant::now() + SOON;
            while acknowledged.load(Ordering::Relaxed) < first + 50 {
                assert!(Instant::now() < end, "50 answers");
                std::thread::park_timeout(Duration::from_millis(1));
            }
            up.signal(Signal::KILL);
        });
        setup = up.into_setup_after_a_kill();
    }
}
