//! A host that ends, however, leaves no worker.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use crate::support::{Setup, eventually, hostile, is_gone, tests};

tests!(a_killed_host_leaves_no_worker, a_worker_started_by_hand_says_so);

/// The argument that makes this program a host.
pub(crate) const HOST: &str = "host-to-be-killed";

/// Starts a worker, prints its number, and waits for its own end.
pub(crate) fn host(library: &Path) -> ExitCode {
    let host = Setup { library: library.to_owned(), ..Setup::default() }.host();
    println!("{}", host.pid().unwrap());
    std::io::stdout().flush().unwrap();
    loop {
        // A stuck call, so that the worker has no quiet moment to notice.
        let _ = host.ask("hang");
        thread::yield_now();
    }
}

fn a_killed_host_leaves_no_worker() {
    let mut host = Command::new("/proc/self/exe")
        .arg(HOST)
        .arg(hostile())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let worker: u32 = line.trim().parse().unwrap();
    assert!(!is_gone(worker));
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("the worker to end", || is_gone(worker).then_some(()));
}

fn a_worker_started_by_hand_says_so() {
    let output = Command::new("/proc/self/exe")
        .arg(plugbay_native::worker::ARGUMENT)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("started by a host, not by hand"), "{message}");
}
