//! The memory of the program goes back to the system after a wave of requests.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use plugbay_fixtures::Guest;
use rustix::process::Signal;

use super::support::{SOON, host};
use super::up::{Up, status_of};

/// The length of a body.
const BODY: usize = 8 << 20;
/// The connections of a wave.
const CLIENTS: usize = 40;
/// How many waves there are. An allocator may treat large blocks in another way once it has freed some.
const WAVES: usize = 3;
/// How much more memory the program may hold afterwards: an eighth of a wave.
const KEPT: u64 = (BODY * CLIENTS / 8) as u64;

fn resident(up: &Up) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", up.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Waits until the program's memory is as expected.
fn until_memory(up: &Up, what: &str, is_so: impl Fn(u64) -> bool) {
    let end = Instant::now() + SOON;
    while !is_so(resident(up)) {
        let mib = resident(up) >> 20;
        assert!(Instant::now() < end, "{what}: {mib} MiB are in use after {SOON:?}");
        std::thread::yield_now();
    }
}

/// Sends all of a body but its last byte.
fn almost(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    let head = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n");
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(&vec![b'x'; BODY - 1]).unwrap();
    client
}

#[test]
fn the_memory_of_a_wave_of_bodies_goes_back_to_the_system() {
    let setup =
        host().plugin("echo.wasm", &Guest::handler("echo")).set("server.max_buffered", "1GiB");
    let up = Up::start(setup);
    assert_eq!(status_of(up.data, "/echo").as_deref(), Some("200"));
    let before = resident(&up);
    for wave in 1..=WAVES {
        let clients: Vec<_> = (0..CLIENTS).map(|_| almost(up.data)).collect();
        let bodies = (BODY * CLIENTS) as u64 * 9 / 10;
        until_memory(&up, &format!("wave {wave} arrives"), |now| now > before + bodies);
        // Half of the bodies become whole, and are echoed.
        for client in &clients[..CLIENTS / 2] {
            (&mut &*client).write_all(b"x").unwrap();
        }
        drop(clients);
        until_memory(&up, &format!("wave {wave} is over"), |now| now < before + KEPT);
    }
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
}
