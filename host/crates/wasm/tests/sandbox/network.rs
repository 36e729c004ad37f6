//! Connections and name look-ups.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Grant, Grants, HostPattern, NetworkGrant, Policy};
use plugbay_wasm::Resolve;

use crate::support::{probe, probe_under, probe_with, until, wait};

fn name(name: &str, port: Option<u16>) -> NetworkGrant {
    NetworkGrant { host: HostPattern::Name(name.into()), port }
}

fn loopback(port: Option<u16>) -> NetworkGrant {
    NetworkGrant { host: HostPattern::Loopback, port }
}

fn policy(network: Vec<NetworkGrant>) -> Policy {
    let grants = Grants { network, ..Grants::default() };
    Policy { grants, deadline: Duration::from_secs(20), ..Policy::default() }
}

/// A server that says `hello` to each connection, and counts them.
fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            stream.unwrap().write_all(b"hello").unwrap();
        }
    });
    (address, connections)
}

/// A resolver that answers every name with these addresses, and counts its calls.
struct Answers(Vec<IpAddr>, Arc<AtomicUsize>);

impl Resolve for Answers {
    fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.clone())
    }
}

fn answers(addresses: &[&str]) -> (Answers, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
    (Answers(addresses, Arc::clone(&asked)), asked)
}

#[test]
fn without_a_grant_there_is_no_network() {
    let (server, connections) = server();
    let plugin = probe("alone", Grants::default());
    assert!(plugin.attempt(&format!("connect {server}")).starts_with("error"));
    assert_eq!(plugin.denied_uses(Grant::Network), ["open a TCP socket"]);
    assert!(plugin.attempt(&format!("send {server}")).starts_with("error"));
    assert!(plugin.attempt("look-up localhost").starts_with("error"));
    assert!(plugin.attempt("listen 127.0.0.1:0").starts_with("error"));
    assert!(plugin.denied("network") >= 4, "{}", plugin.denied("network"));
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[test]
fn only_the_granted_address_is_reached() {
    let ((one, reached), (other, missed)) = (server(), server());
    let plugin = probe_under("connects", policy(vec![loopback(Some(one.port()))]));
    assert_eq!(plugin.attempt(&format!("connect {one}")), "hello");
    assert_eq!(plugin.attempt(&format!("connect localhost:{}", one.port())), "hello");
    assert_eq!(plugin.denied("network"), 0);
    assert!(plugin.attempt(&format!("connect {other}")).starts_with("error"));
    assert_eq!(plugin.denied_uses(Grant::Network), [format!("connect to {other}")]);
    assert!(plugin.attempt("listen 127.0.0.1:0").starts_with("error"));
    assert!(plugin.attempt("listen 0.0.0.0:0").starts_with("error"));
    assert_eq!(reached.load(Ordering::SeqCst), 2);
    assert_eq!(missed.load(Ordering::SeqCst), 0);
}

#[test]
fn datagrams_go_to_granted_addresses() {
    let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = echo.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((_, from)) = echo.recv_from(&mut buffer) {
            echo.send_to(b"pong", from).unwrap();
        }
    });
    let plugin = probe_under("sends", policy(vec![loopback(Some(address.port()))]));
    assert_eq!(plugin.attempt(&format!("send {address}")), "pong");
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let to = other.local_addr().unwrap();
    assert!(plugin.attempt(&format!("send {to}")).starts_with("error"));
    assert_eq!(plugin.denied_uses(Grant::Network), [format!("send to {to}")]);
    assert!(other.recv_from(&mut [0; 16]).is_err(), "a datagram arrived");
}

#[test]
fn only_granted_names_are_looked_up() {
    let (resolver, asked) = answers(&["192.0.2.1", "2001:db8::1"]);
    let below = HostPattern::Below("below.test".into());
    let grants = vec![name("granted.test", None), NetworkGrant { host: below, port: Some(1) }];
    let plugin = probe_with("asks-names", policy(grants), resolver);
    assert_eq!(plugin.attempt("look-up granted.test"), "192.0.2.1 2001:db8::1");
    assert_eq!(plugin.attempt("look-up GRANTED.test."), "192.0.2.1 2001:db8::1");
    assert_eq!(plugin.attempt("look-up a.b.below.test"), "192.0.2.1 2001:db8::1");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(plugin.denied("network"), 0);
    for other in
        ["other.test", "below.test", "xgranted.test", "granted.test.evil.test", "localhost"]
    {
        assert!(plugin.attempt(&format!("look-up {other}")).starts_with("error"), "{other}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "the resolver was called");
    assert_eq!(plugin.denied("network"), 5);
    let uses = plugin.denied_uses(Grant::Network);
    assert_eq!((uses.len(), &*uses[0]), (5, "look up other.test"), "{uses:?}");
    // Looking up an address returns it; whether the guest may connect to it is checked later.
    assert_eq!(plugin.attempt("look-up 127.0.0.1"), "127.0.0.1");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_name_that_resolves_to_internal_addresses_is_refused() {
    let (server, connections) = server();
    let port = server.port();
    let hostile = [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "::",
        "::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ];
    let (resolver, _) = answers(&hostile);
    let plugin = probe_with("lured", policy(vec![name("public.test", None)]), resolver);
    assert!(plugin.attempt("look-up public.test").starts_with("error"));
    assert_eq!(plugin.denied("network"), hostile.len() as u64);
    assert_eq!(plugin.denied_uses(Grant::Network)[0], "reach 127.0.0.1 by the name public.test");
    assert!(plugin.attempt(&format!("connect public.test:{port}")).starts_with("error"));
    assert!(plugin.attempt(&format!("connect 127.0.0.1:{port}")).starts_with("error"));

    // An internal address among others is left out.
    let (resolver, _) = answers(&["127.0.0.1", "192.0.2.1"]);
    let plugin = probe_with("lured-too", policy(vec![name("public.test", None)]), resolver);
    assert_eq!(plugin.attempt("look-up public.test"), "192.0.2.1");
    assert!(plugin.attempt(&format!("connect 127.0.0.1:{port}")).starts_with("error"));
    assert_eq!(connections.load(Ordering::SeqCst), 0);

    // An internal address can be reached if it is granted, on the granted port.
    let (resolver, _) = answers(&["127.0.0.1"]);
    let both = vec![name("public.test", None), loopback(Some(port))];
    let plugin = probe_with("allowed", policy(both), resolver);
    assert_eq!(plugin.attempt(&format!("connect public.test:{port}")), "hello");
    assert!(plugin.attempt(&format!("connect public.test:{}", port ^ 1)).starts_with("error"));
}

/// A resolver that answers when it receives a message, or when the sender is dropped.
struct Slow(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Resolve for Slow {
    fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        // It fails if the sender was dropped, at the end of the test.
        let _ = self.0.lock().unwrap().recv();
        Ok(Vec::new())
    }
}

#[test]
fn a_name_that_takes_too_long_ends_at_the_deadline() {
    let (answer, awaited) = std::sync::mpsc::channel();
    let mut policy = policy(vec![name("slow.test", None)]);
    policy.deadline = Duration::from_millis(200);
    let plugin = probe_with("resolves-slowly", policy, Slow(std::sync::Mutex::new(awaited)));
    let begin = Instant::now();
    let ask = || wait(plugin.ask("look-up slow.test"));
    for _ in 0..8 {
        let error = ask().unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(20));
    // All eight threads still wait for the resolver, so there is none for another look-up.
    let found = ask().unwrap();
    assert!(found.contains("temporary-resolver-failure"), "{found}");
    drop(answer);
    until("a thread is free", || ask().is_ok_and(|found| found.contains("name-unresolvable")));
}
