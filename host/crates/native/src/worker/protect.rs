//! What a worker gives up before it loads foreign code.
//!
//! All of it is best effort: what a kernel does not offer is left out, and said so in
//! [`Protections`]. It applies to the thread that asks and to those that it starts later, so it
//! comes before there is a second thread.

use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::Protections;
use super::syscalls;
use super::wire::Setup;

/// Memory for the worker itself, on top of what the plugin may have.
const HEADROOM: u64 = 64 << 20;
/// The stack of each thread that serves a lane.
pub(super) const STACK: usize = 2 << 20;
/// Descriptors beside those of the lanes: a loader opens some, and a library may.
const DESCRIPTORS: u64 = 64;
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

/// Gives up what it can, and says what that was.
pub(super) fn protect(setup: &Setup, library: &Path) -> Protections {
    // A hint to the kernel, and allowed to everyone: to be ended first is no loss to others.
    drop(fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    let dies_with_host = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    let limits = limits(setup);
    let no_new_privs = set_no_new_privs(true).is_ok();
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    let no_capabilities = set_capabilities(None, none).is_ok();
    let landlock = landlock(library).ok().and_then(|status| enforced(&status));
    let seccomp = syscalls::deny();
    Protections { no_new_privs, no_capabilities, limits, landlock, seccomp, dies_with_host }
}

/// No core file, no file that grows, few descriptors, bounded memory.
fn limits(setup: &Setup) -> bool {
    let lanes = setup.lanes as u64;
    let data = setup.memory.saturating_add(HEADROOM).saturating_add(lanes * STACK as u64);
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, DESCRIPTORS + lanes),
        (Resource::Data, data),
    ];
    let set = |(resource, limit)| {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).is_ok()
    };
    // Each for itself: one that is refused keeps no other back.
    limits.map(set).iter().all(|set| *set)
}

/// Files may be read and mapped where libraries are, and nowhere else; nothing may be written,
/// no TCP port used, no process outside signalled.
fn landlock(library: &Path) -> Result<RestrictionStatus, RulesetError> {
    let abi = ABI::V6;
    let readable = LIBRARIES.into_iter().map(Path::new).chain([library]);
    Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
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
