//! What a call into a worker costs, beside the least that two processes can do.
//!
//! Prints and asserts nothing; in a release build, on a quiet machine:
//! `cargo test --release -p plugbay-native --test worker -- --ignored --nocapture measure`

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::support::Host;

/// The argument that makes this program the other end of a bare socket pair.
pub(crate) const PARTNER: &str = "partner";

/// Sends back what it gets, `size` bytes at a time, until there is no more.
pub(crate) fn partner(size: &str) -> ExitCode {
    let mut socket = UnixStream::from(rustix::io::dup(std::io::stdin()).unwrap());
    let mut bytes = vec![0; size.parse().unwrap()];
    while socket.read_exact(&mut bytes).is_ok() && socket.write_all(&bytes).is_ok() {}
    ExitCode::SUCCESS
}

/// The middle of `ROUNDS` means of `calls` calls each, of two things in turn.
fn compare(calls: u32, mut one: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    const ROUNDS: usize = 31;
    let mean = |act: &mut dyn FnMut()| {
        let begun = Instant::now();
        (0..calls).for_each(|_| act());
        begun.elapsed() / calls
    };
    let mut times: (Vec<_>, Vec<_>) =
        (0..ROUNDS).map(|_| (mean(&mut one), mean(&mut other))).unzip();
    times.0.sort();
    times.1.sort();
    (times.0[ROUNDS / 2], times.1[ROUNDS / 2])
}

pub(crate) fn print() {
    let begun = Instant::now();
    let starts = 20;
    (0..starts).for_each(|_| drop(Host::new()));
    println!("describe, start and end: {:.2?}", begun.elapsed() / starts);
    let host = Host::new();
    for (size, calls) in [(64, 2000), (64 * 1024, 500), (1 << 20, 50)] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut partner = Command::new("/proc/self/exe")
            .args([PARTNER, &size.to_string()])
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        let (body, mut back) = (vec![7; size], vec![0; size]);
        let bare = || {
            ours.write_all(&body).unwrap();
            ours.read_exact(&mut back).unwrap();
        };
        let call = || assert_eq!(host.echo(&body).unwrap().len(), size);
        let (bare, call) = compare(calls, bare, call);
        let ratio = call.as_secs_f64() / bare.as_secs_f64();
        println!("{size} bytes: bare {bare:.2?}, call {call:.2?}, ratio {ratio:.2}");
        drop(ours);
        partner.wait().unwrap();
    }
}
