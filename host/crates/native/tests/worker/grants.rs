//! The grants of a worker: what it is granted works, and everything else is denied.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugbay_core::{CallErrorKind, Environment, FolderGrant, HostPattern, NetworkGrant, Reason};
use plugbay_native::worker::WorkerCommand;

use crate::old_kernel::{reported, without};
use crate::support::{Host, Setup, eventually, kill, logged, tests};

tests!(
    the_environment_has_only_granted_variables,
    a_folder_for_reading_is_read_and_not_written,
    a_folder_for_writing_is_written,
    a_folder_that_is_missing_is_refused,
    a_folder_that_goes_missing_keeps_the_worker_from_starting_again,
    only_granted_ports_are_reached_where_the_kernel_supports_it,
    a_grant_of_all_ports_reaches_any_port,
    names_are_looked_up_with_a_network_grant,
    only_tcp_and_udp_sockets_are_opened_with_a_network_grant,
    without_landlock_nothing_is_written_and_the_rest_is_reported,
    without_grants_no_grant_is_reported,
);

/// A folder that is granted for reading, one for writing, and one that is not granted.
struct Folders {
    all: tempfile::TempDir,
}

impl Folders {
    fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        for name in ["read", "write", "other"] {
            fs::create_dir(all.path().join(name)).unwrap();
            fs::write(all.path().join(name).join("file"), name).unwrap();
        }
        Self { all }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.all.path().join(path)
    }

    fn grant(&self, name: &str, write: bool) -> FolderGrant {
        FolderGrant { host: self.path(name), guest: "/elsewhere".to_owned(), write }
    }

    fn host(&self, command: WorkerCommand) -> Host {
        let mut setup = Setup { command, ..Setup::default() };
        setup.policy.grants.files = vec![self.grant("read", false), self.grant("write", true)];
        setup.host()
    }
}

/// The result of the system call `verb` on `path`, made by the plugin.
fn uses(host: &Host, verb: &str, path: &Path) -> String {
    host.tell(&format!("use {verb} {}", path.display()))
}

fn is_reported(host: &Host, what: &str) -> bool {
    reported(host).iter().any(|word| word == what)
}

fn denied(answer: &str) -> bool {
    ["EACCES", "EPERM"].contains(&answer)
}

fn the_environment_has_only_granted_variables() {
    let mut setup = Setup::default();
    let variables = [("MODE", "fast"), ("TOKEN", "s3 cret")];
    setup.policy.grants.environment =
        Environment(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let host = setup.host();
    assert!(host.tell("look").contains("env=2\n"));
    for (name, value) in variables {
        assert_eq!(host.tell(&format!("use variable {name}")), value);
    }
    assert!(std::env::var("PATH").is_ok());
    assert_eq!(host.tell("use variable PATH"), "unset");
}

fn a_folder_for_reading_is_read_and_not_written() {
    let folders = Folders::new();
    let host = folders.host(WorkerCommand::this_program());
    assert_eq!(uses(&host, "read", &folders.path("read/file")), "read");
    if !is_reported(&host, "read-as-granted") {
        assert!(is_reported(&host, "read-beyond-grant"), "{:?}", reported(&host));
        return;
    }
    for verb in ["write", "unlink", "rename"] {
        let answer = uses(&host, verb, &folders.path("read/file"));
        assert!(denied(&answer), "{verb}: {answer}");
    }
    for (verb, path) in
        [("write", "read/new"), ("folder", "read/new"), ("read", "other/file"), ("read", "other")]
    {
        let answer = uses(&host, verb, &folders.path(path));
        assert!(denied(&answer), "{verb} {path}: {answer}");
    }
    assert!(denied(&uses(&host, "read", Path::new("/etc/passwd"))));
    // As the guide says: that a path exists, and its size, cannot be hidden.
    assert_eq!(uses(&host, "stat", &folders.path("other/file")), "5 bytes");
    assert_eq!(uses(&host, "stat", &folders.path("other/none")), "ENOENT");
    assert!(denied(&uses(&host, "list", &folders.path("other"))));
    assert_eq!(uses(&host, "list", &folders.path("read")), "done");
    // The path for guests does not apply to native code.
    assert_eq!(uses(&host, "read", Path::new("/elsewhere/file")), "ENOENT");
    assert_eq!(fs::read(folders.path("read/file")).unwrap(), b"read");
}

fn a_folder_for_writing_is_written() {
    let folders = Folders::new();
    let host = folders.host(WorkerCommand::this_program());
    if !is_reported(&host, "write-as-granted") {
        assert!(!is_reported(&host, "landlock-v1"));
        return;
    }
    let path = |path: &str| folders.path(path);
    assert_eq!(uses(&host, "read", &path("write/file")), "write");
    for (verb, object) in [
        ("write", "write/file"),
        ("write", "write/new"),
        ("folder", "write/folder"),
        ("write", "write/folder/deep"),
        ("rename", "write/new"),
        ("unlink", "write/folder/deep"),
    ] {
        assert_eq!(uses(&host, verb, &path(object)), "done", "{verb} {object}");
    }
    assert_eq!(fs::read(path("write/file")).unwrap(), b"written");
    assert_eq!(fs::read(path("write/new.new")).unwrap(), b"written");
    assert!(!path("write/folder/deep").exists());
    for (verb, object) in [
        ("symlink", "write/link"),
        ("cut", "write/file"),
        ("cut", "read/file"),
        ("write", "other/file"),
        ("write", "other/new"),
        ("unlink", "other/file"),
        ("rename", "other/file"),
        ("folder", "other/new"),
        ("memory", "no folder has it"),
    ] {
        let answer = uses(&host, verb, &path(object));
        assert!(denied(&answer), "{verb} {object}: {answer}");
    }
    assert_eq!(fs::read(path("other/file")).unwrap(), b"other");
    assert_eq!(fs::read(path("write/file")).unwrap(), b"written");
}

fn a_folder_that_is_missing_is_refused() {
    let folders = Folders::new();
    let mut setup = Setup::default();
    let grants = &mut setup.policy.grants.files;
    grants.extend([folders.grant("read", false), folders.grant("nowhere", true)]);
    let refusal = setup.start().err().unwrap();
    assert_eq!(refusal.reason, Reason::Grant);
    let path = folders.path("nowhere");
    assert!(refusal.message.contains(path.to_str().unwrap()), "{refusal}");
    assert!(refusal.hint.contains("create the folder"), "{refusal}");
    assert_eq!(crate::support::children(), 0);
    fs::create_dir(&path).unwrap();
    let mut setup = Setup::default();
    setup.policy.grants.files.push(folders.grant("nowhere", true));
    assert!(setup.start().is_ok(), "as the hint says");
}

fn a_folder_that_goes_missing_keeps_the_worker_from_starting_again() {
    let folders = Folders::new();
    let host = folders.host(WorkerCommand::this_program());
    fs::remove_dir_all(folders.path("read")).unwrap();
    assert_eq!(host.echo(b"on").unwrap(), b"on");
    kill(host.pid().unwrap());
    let message = eventually("the next start to fail", || {
        let error = host.echo(b"again").err()?;
        (error.kind() == CallErrorKind::Unavailable).then(|| error.to_string())
    });
    assert!(message.contains(folders.path("read").to_str().unwrap()), "{message}");
}

/// A host that is granted these ports of loopback.
fn connected(ports: &[Option<u16>], command: WorkerCommand) -> Host {
    let mut setup = Setup { command, ..Setup::default() };
    let grant = |port: &Option<u16>| NetworkGrant { host: HostPattern::Loopback, port: *port };
    setup.policy.grants.network = ports.iter().map(grant).collect();
    setup.host()
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn only_granted_ports_are_reached_where_the_kernel_supports_it() {
    let ((granted, port), (other, other_port)) = (listener(), listener());
    let host = connected(&[Some(port)], WorkerCommand::this_program());
    if !is_reported(&host, "seccomp") {
        eprintln!("skipped: this system has no seccomp");
        return;
    }
    assert_eq!(host.tell(&format!("use tcp {port}")), "done");
    granted.accept().unwrap();
    let reaches = host.tell(&format!("use tcp {other_port}"));
    if is_reported(&host, "tcp-ports-as-granted") {
        assert_eq!(reaches, "EACCES");
        // A message that connects does not reach the port either.
        assert_eq!(host.tell(&format!("use fast {other_port}")), "EPERM");
        other.set_nonblocking(true).unwrap();
        assert_eq!(other.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    } else {
        assert!(is_reported(&host, "tcp-ports-beyond-grant"), "{:?}", reported(&host));
        assert_eq!(reaches, "done");
    }
    // Machines and UDP ports are not restricted, which is reported.
    for word in ["hosts-beyond-grant", "udp-ports-beyond-grant"] {
        assert!(is_reported(&host, word), "{:?}", reported(&host));
    }
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = datagrams.local_addr().unwrap().port();
    assert_eq!(host.tell(&format!("use udp {port}")), "done");
    let mut datagram = [0; 8];
    assert_eq!(datagrams.recv(&mut datagram).unwrap(), 8);
    assert_eq!(&datagram, b"datagram");
    assert_eq!(host.tell("use listen 0"), "EPERM");
}

fn a_grant_of_all_ports_reaches_any_port() {
    let (listener, port) = listener();
    let host = connected(&[Some(1), None], WorkerCommand::this_program());
    assert_eq!(host.tell(&format!("use tcp {port}")), "done");
    listener.accept().unwrap();
    assert!(is_reported(&host, "tcp-ports-as-granted"));
}

fn names_are_looked_up_with_a_network_grant() {
    if ("localhost", 0).to_socket_addrs().is_err() || !Path::new("/etc/hosts").exists() {
        eprintln!("skipped: this system cannot look up localhost");
        return;
    }
    let host = connected(&[None], WorkerCommand::this_program());
    assert_eq!(host.tell("use name localhost"), "done");
    assert_ne!(uses(&host, "read", Path::new("/etc/hosts")), "EACCES");
    let host = Host::new();
    if reported(&host).iter().any(|word| word.starts_with("landlock")) {
        assert_eq!(uses(&host, "read", Path::new("/etc/hosts")), "EACCES");
    }
}

fn only_tcp_and_udp_sockets_are_opened_with_a_network_grant() {
    let host = connected(&[None], WorkerCommand::this_program());
    if !is_reported(&host, "seccomp") {
        eprintln!("skipped: this system has no seccomp");
        return;
    }
    let socket = |family: i32, kind: i32, protocol: i32| {
        host.tell(&format!("use socket {family} {kind} {protocol}"))
    };
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC] {
            // A machine may have no IPv6.
            let answer = socket(family, kind, 0);
            assert!(answer == "done" || answer == "EAFNOSUPPORT", "{family} {kind}: {answer}");
        }
        assert_eq!(socket(family, libc::SOCK_RAW, libc::IPPROTO_TCP), "EPERM");
        assert_eq!(socket(family, libc::SOCK_SEQPACKET, 0), "EPERM");
        for protocol in [libc::IPPROTO_MPTCP, libc::IPPROTO_SCTP, libc::IPPROTO_ICMP] {
            assert_eq!(socket(family, libc::SOCK_STREAM, protocol), "EPERM");
            assert_eq!(socket(family, libc::SOCK_DGRAM, protocol), "EPERM");
        }
    }
    for family in [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_PACKET, libc::AF_VSOCK] {
        assert_eq!(socket(family, libc::SOCK_DGRAM, 0), "EPERM", "{family}");
    }
}

fn without_landlock_nothing_is_written_and_the_rest_is_reported() {
    if !reported(&Host::new()).iter().any(|name| name == "seccomp") {
        eprintln!("skipped: no seccomp here, with which the test simulates an older kernel");
        return;
    }
    let folders = Folders::new();
    let (_listener, port) = listener();
    let mut setup = Setup { command: without(&["landlock"]), ..Setup::default() };
    setup.policy.grants.files = vec![folders.grant("read", false), folders.grant("write", true)];
    let host = HostPattern::Loopback;
    setup.policy.grants.network = vec![NetworkGrant { host, port: Some(port ^ 1) }];
    let before = logged("cannot enforce the worker's grants exactly").len();
    let host = setup.host();
    for word in ["read-beyond-grant", "write-withheld", "tcp-ports-beyond-grant"] {
        assert!(is_reported(&host, word), "{:?}", reported(&host));
    }
    let warned = logged("cannot enforce the worker's grants exactly");
    assert_eq!(warned.len(), before + 1);
    assert!(warned[before].contains("write-withheld"), "{warned:?}");
    assert_eq!(uses(&host, "read", &folders.path("read/file")), "read");
    assert_eq!(uses(&host, "read", &folders.path("other/file")), "other");
    assert_eq!(uses(&host, "write", &folders.path("write/file")), "EPERM");
    assert_eq!(host.tell(&format!("use tcp {port}")), "done");
}

fn without_grants_no_grant_is_reported() {
    let words = reported(&Host::new());
    let about = |word: &String| word.contains("grant") || word.contains("withheld");
    assert!(!words.iter().any(about), "{words:?}");
}
