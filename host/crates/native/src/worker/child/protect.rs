//! What a worker gives up before it loads foreign code.
//!
//! All of it is best effort: what a kernel does not offer is left out, and said so in
//! [`Protections`]. It applies to the thread that asks and to those that it starts later, so it
//! comes before there is a second thread.

use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
    path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::syscalls::{self, Open};
use crate::worker::link::granted::{Granted, Ports};
use crate::worker::link::wire::Setup;
use crate::worker::state::{Kept, Protections};

/// Memory for the worker itself, on top of what the plugin may have.
const HEADROOM: u64 = 64 << 20;
/// The stack of each thread that serves a lane.
pub(super) const STACK: usize = 2 << 20;
/// Address space beside what may be filled with data: for libraries, files that are mapped, and what
/// allocators set aside for each thread. The tables of all of it take an eighth of a gigabyte.
const ADDRESSES: u64 = 64 << 30;
/// Descriptors beside those of the lanes: a loader opens some, and a library may.
const DESCRIPTORS: u64 = 64;
/// As many more if there are files or connections to open.
const GRANTED_DESCRIPTORS: u64 = 1024;
/// How much likelier than others the worker is to be ended when the machine runs out of memory.
const OOM_SCORE: &str = "500";

/// Where systems keep the libraries that a library may need, and the list of them.
const LIBRARIES: [&str; 9] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
];

/// What a C library reads to look a name up.
const RESOLVER: [&str; 5] =
    ["/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];

/// What is done in a folder that is granted for reading.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
/// What more is done in one that is granted for writing: no links, devices or sockets.
const WRITE: BitFlags<AccessFs> = make_bitflags!(
    AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer}
);

/// The version of Landlock that knows TCP ports.
const PORTS_SINCE: u32 = 4;

/// Gives up what it can, and says what that was.
///
/// Without Landlock nothing tells a granted folder from another. Then all may be read, as without
/// a grant; but the filter lets none be written, if there is one.
pub(super) fn protect(setup: &Setup, library: &Path) -> Protections {
    // A hint to the kernel, and allowed to everyone: to be ended first is no loss to others.
    drop(fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    let dies_with_host = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    let no_new_privs = set_no_new_privs(true).is_ok();
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    let no_capabilities = set_capabilities(None, none).is_ok();
    let granted = &setup.granted;
    let landlock = landlock(library, granted).ok().and_then(|status| enforced(&status));
    let (reads, writes) = (granted.read().next().is_some(), granted.write().next().is_some());
    let open = Open { files: writes && landlock.is_some(), network: granted.network.is_some() };
    let limits = limits(setup, open);
    let seccomp = syscalls::deny(open);

    let kept = |known| if known { Kept::AsGranted } else { Kept::Beyond };
    let folders = kept(landlock.is_some());
    let withheld = seccomp && !open.files;
    let ports = |ports: &Ports| {
        kept(*ports == Ports::All || landlock.is_some_and(|version| version >= PORTS_SINCE))
    };
    Protections {
        no_new_privs,
        no_capabilities,
        limits,
        landlock,
        seccomp,
        dies_with_host,
        read: (reads || writes).then_some(folders),
        write: writes.then_some(if withheld { Kept::Withheld } else { folders }),
        tcp_ports: granted.network.as_ref().map(ports),
        ..Protections::default()
    }
}

/// No core file, no file that grows if none may be written, few descriptors, bounded memory.
fn limits(setup: &Setup, open: Open) -> bool {
    let lanes = setup.lanes as u64;
    let data = setup.memory.saturating_add(HEADROOM).saturating_add(lanes * STACK as u64);
    let more = if setup.granted.any() { GRANTED_DESCRIPTORS } else { 0 };
    let limits = [
        Some((Resource::Core, 0)),
        (!open.files).then_some((Resource::Fsize, 0)),
        Some((Resource::Nofile, DESCRIPTORS + more + lanes)),
        Some((Resource::Data, data)),
        Some((Resource::As, data.saturating_add(ADDRESSES))),
    ];
    let set = |(resource, limit)| {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).is_ok()
    };
    // Each for itself: one that is refused keeps no other back.
    limits.map(|limit| limit.is_none_or(set)).iter().all(|set| *set)
}

/// Files may be read and mapped where libraries are, and used where it is granted, and nowhere
/// else; no TCP port may be used but those that are granted, no process outside signalled.
fn landlock(library: &Path, granted: &Granted) -> Result<RestrictionStatus, RulesetError> {
    let abi = ABI::V6;
    let readable = LIBRARIES.into_iter().map(Path::new).chain([library]);
    let resolver = RESOLVER.into_iter().filter(|_| granted.network.is_some());
    let (net, ports): (_, &[u16]) = match &granted.network {
        Some(Ports::All) => (AccessNet::BindTcp.into(), &[]),
        Some(Ports::These(ports)) => (AccessNet::from_all(abi), ports),
        None => (AccessNet::from_all(abi), &[]),
    };
    let connect = |port: &u16| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp));
    Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(net)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(resolver, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(granted.read(), READ))?
        .add_rules(path_beneath_rules(granted.write(), READ | WRITE))?
        .add_rules(ports.iter().map(connect))?
        .restrict_self()
}

/// The version of Landlock that is enforced, if any is.
fn enforced(status: &RestrictionStatus) -> Option<u32> {
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => Some(*effective_abi as u32),
        _ => None,
    }
}
