//! Confines the worker's process before it loads foreign code.
//!
//! All of it is best effort: a protection that the kernel does not offer is left out, and
//! [`Protections`] reports that. It applies to the calling thread and to those that it starts later,
//! so it comes before there is a second thread.

use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
    path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::syscalls::{self, Exceptions};
use crate::worker::link::granted::{Granted, Ports};
use crate::worker::link::wire::Setup;
use crate::worker::state::{Enforcement, Protections};

/// Memory for the worker itself, on top of the plugin's.
const HEADROOM: u64 = 64 << 20;
/// The stack of each thread that serves a lane.
pub(super) const STACK: usize = 2 << 20;
/// Address space on top of the limit of data: for libraries, mapped files, and what allocators reserve
/// for each thread. The page tables of all of it take an eighth of a gigabyte.
const ADDRESSES: u64 = 64 << 30;
/// Descriptors besides those of the lanes: the loader opens some, and a library may.
const DESCRIPTORS: u64 = 64;
/// How many more there are if files or connections are granted.
const GRANTED_DESCRIPTORS: u64 = 1024;
/// How much likelier than its host the worker is to be killed when the machine runs out of memory.
const OOM_SCORE: &str = "500";

/// Where systems keep the libraries that a library may need, and the index of them.
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

/// The files that a C library reads in order to resolve a host name.
const RESOLVER: [&str; 5] =
    ["/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];

/// The rights in a folder that is granted for reading.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
/// The further rights in a folder that is granted for writing: no links, devices or sockets.
const WRITE: BitFlags<AccessFs> = make_bitflags!(
    AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer}
);

/// The first version of Landlock that restricts TCP ports.
const PORTS_SINCE: u32 = 4;

/// Confines the process, and returns which protections are active.
///
/// Without Landlock a granted folder cannot be told from another. Then all may be read, as without a
/// grant; and none may be written, if there is a filter of system calls.
pub(super) fn protect(setup: &Setup, library: &Path) -> Protections {
    // A hint to the kernel that needs no rights: the worker is killed before its host.
    drop(fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    let dies_with_host = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    let no_new_privs = set_no_new_privs(true).is_ok();
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    let no_capabilities = set_capabilities(None, none).is_ok();
    let granted = &setup.granted;
    let landlock = landlock(library, granted).ok().and_then(|status| enforced(&status));
    let (reads, writes) = (granted.read().next().is_some(), granted.write().next().is_some());
    let open =
        Exceptions { files: writes && landlock.is_some(), network: granted.network.is_some() };
    let limits = limits(setup, open);
    let seccomp = syscalls::deny(open);

    let enforced_if = |known| if known { Enforcement::AsGranted } else { Enforcement::Beyond };
    let folders = enforced_if(landlock.is_some());
    let withheld = seccomp && !open.files;
    let ports = |ports: &Ports| {
        enforced_if(*ports == Ports::All || landlock.is_some_and(|version| version >= PORTS_SINCE))
    };
    Protections {
        no_new_privs,
        no_capabilities,
        limits,
        landlock,
        seccomp,
        dies_with_host,
        read: (reads || writes).then_some(folders),
        write: writes.then_some(if withheld { Enforcement::Withheld } else { folders }),
        tcp_ports: granted.network.as_ref().map(ports),
        ..Protections::default()
    }
}

/// Limits: no core file, no growing file if none may be written, few descriptors, bounded memory.
fn limits(setup: &Setup, open: Exceptions) -> bool {
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
    // Each is set even if another one is refused.
    limits.map(|limit| limit.is_none_or(set)).iter().all(|set| *set)
}

/// Restricts files to those of the libraries, for reading and mapping, and those that are granted;
/// TCP ports to those that are granted; and signals to processes within the worker.
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
