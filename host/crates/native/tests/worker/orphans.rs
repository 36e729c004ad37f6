//! A host leaves no worker behind, however it ends. Two mechanisms end the worker, the kernel's death
//! signal and the worker's thread that watches the host, and each of them suffices.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use plugbay_native::worker::WorkerCommand;

use crate::old_kernel::{reported, without};
use crate::support::{Host, Setup, eventually, is_gone, kill, signal, tests};

tests!(
    a_killed_host_leaves_no_worker,
    a_worker_notices_by_itself_that_its_host_is_gone,
    a_signal_handler_of_the_plugin_does_not_keep_a_worker_alive,
    processes_of_a_worker_end_with_it,
    the_kernel_ends_a_worker_that_does_nothing_by_itself,
    a_worker_started_by_hand_reports_the_mistake,
);

/// The argument that makes this program a host. The input of its first call, and the features that
/// the worker's kernel lacks, follow.
pub(crate) const HOST: &str = "host-to-be-killed";

/// Starts a worker, prints its process id and its answer, and waits to be killed.
pub(crate) fn host(first: &str, lacking: &[&str]) -> ExitCode {
    let command = if lacking.is_empty() { WorkerCommand::this_program() } else { without(lacking) };
    let host = Setup { command, ..Setup::default() }.host();
    println!("{} {}", host.pid().unwrap(), host.tell(first));
    std::io::stdout().flush().unwrap();
    loop {
        // A stuck call, so that the worker is never idle.
        let _ = host.ask("hang");
        thread::yield_now();
    }
}

/// A host in another process, its worker, and the answer to its first call.
fn started(first: &str, lacking: &[&str]) -> (Child, u32, String) {
    let mut host = Command::new("/proc/self/exe")
        .arg(HOST)
        .arg(first)
        .args(lacking)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (worker, answer) = line.trim().split_once(' ').unwrap();
    let worker = worker.parse().unwrap();
    assert!(!is_gone(worker));
    (host, worker, answer.to_owned())
}

/// Kills the host, and asserts that its worker ends.
#[track_caller]
fn assert_worker_ends(mut host: Child, worker: u32) {
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("the worker to end", || is_gone(worker).then_some(()));
}

fn can_simulate_an_old_kernel() -> bool {
    let seccomp = reported(&Host::new()).iter().any(|name| name == "seccomp");
    if !seccomp {
        eprintln!("skipped: no seccomp here, with which the test simulates an older kernel");
    }
    seccomp
}

fn a_killed_host_leaves_no_worker() {
    let (host, worker, _) = started("ready", &[]);
    assert_worker_ends(host, worker);
}

fn a_worker_notices_by_itself_that_its_host_is_gone() {
    if can_simulate_an_old_kernel() {
        let (host, worker, _) = started("ready", &["death-signals"]);
        assert_worker_ends(host, worker);
    }
}

fn a_signal_handler_of_the_plugin_does_not_keep_a_worker_alive() {
    if can_simulate_an_old_kernel() {
        let (host, worker, answer) = started("deafen", &["death-signals"]);
        assert_eq!(answer, "deaf");
        assert_worker_ends(host, worker);
    }
}

fn processes_of_a_worker_end_with_it() {
    if !can_simulate_an_old_kernel() {
        return;
    }
    // The process ends when its host is killed.
    let (host, worker, child) = started("fork", &["seccomp", "death-signals"]);
    assert_worker_ends(host, worker);
    let child: u32 = child.parse().unwrap();
    eventually("the child to end", || is_gone(child).then_some(()));
    // The process also ends when the host ends the worker.
    let host = Setup { command: without(&["seccomp"]), ..Setup::default() }.host();
    let child: u32 = host.tell("fork").parse().unwrap();
    assert!(!is_gone(child));
    drop(host);
    eventually("the child to end", || is_gone(child).then_some(()));
}

fn the_kernel_ends_a_worker_that_does_nothing_by_itself() {
    let (host, worker, _) = started("ready", &[]);
    signal(worker, rustix::process::Signal::STOP);
    assert_worker_ends(host, worker);
    // Ends the worker if it is still alive.
    kill(worker);
}

fn a_worker_started_by_hand_reports_the_mistake() {
    let output = Command::new("/proc/self/exe")
        .arg(plugbay_native::worker::ARGUMENT)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("started by a host, not by hand"), "{message}");
}
