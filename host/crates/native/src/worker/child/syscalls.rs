//! The filter of system calls.
//!
//! The lists name the calls that are denied, not those that are allowed: a library may need calls that
//! these lists do not foresee, and a newer C library may use calls that are newer than the lists.
//! (`ioctl` is different: a worker needs few of its commands, and there is no end of others.) A denied
//! call fails with EPERM and the plugin goes on. The filter is one protection of several, and not the
//! strongest: without Landlock a plugin can still read what the host's user can read.
//!
//! Grants make [`Exceptions`].

mod denied;

use std::collections::BTreeMap;

use denied::{ABSENT, DENIED, DENIED_OLD, NETWORK, WRITING, WRITING_OLD};
use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What is granted that the filter would deny otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exceptions {
    /// Files may be written; Landlock restricts which.
    pub(super) files: bool,
    /// Connections by TCP and UDP may be made.
    pub(super) network: bool,
}

/// Filters the calls of this thread and of those that it will start. Returns whether that worked.
pub(super) fn deny(open: Exceptions) -> bool {
    let Ok(programs) = programs(open) else { return false };
    programs.iter().all(|program| apply_filter(program).is_ok())
}

/// The filters, in the order in which they are applied: the last one denies further filters.
fn programs(open: Exceptions) -> Result<Vec<BpfProgram>, BackendError> {
    let mut rules = all(DENIED);
    rules.extend(all(DENIED_OLD));
    rules.extend(processes()?);
    rules.extend(memory()?);
    rules.extend(files()?);
    if !open.files {
        rules.extend(all(WRITING));
        rules.extend(all(WRITING_OLD));
        rules.extend(reading()?);
    }
    rules.extend(if open.network { connecting()? } else { all(NETWORK) });
    let mut programs = vec![program(all(ABSENT), libc::ENOSYS)?];
    programs.extend(other_numbers());
    programs.push(program(rules, libc::EPERM)?);
    Ok(programs)
}

/// Denies acting on other processes, and whatever would keep the host from killing this one.
fn processes() -> Result<Rules, BackendError> {
    const F_SETSIG: i32 = 10;
    const F_SETOWN_EX: i32 = 15;
    const PRIO_PROCESS: i32 = 0;
    let own = std::process::id().cast_signed();
    let this = || Ok::<_, BackendError>(vec![none_of(0, &[0, own])?]);
    // Threads may be started, processes may not.
    let thread = SeccompCmpOp::MaskedEq(u64::from(libc::CLONE_THREAD.unsigned_abs()));
    let process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, thread, 0)?;
    // Limits may be read, but not set.
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    // The plugin must not change that the kernel kills the worker with its host.
    let options = [libc::PR_SET_PDEATHSIG, libc::PR_SET_SECCOMP, libc::PR_SCHED_CORE];
    // A signal at a change of a file is sent to its owner, which may be another process.
    let signals = [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX, libc::F_NOTIFY];
    // A lease delays every other process that opens the file; pipes use up the user's quota.
    let commands = [&signals[..], &[libc::F_SETLEASE, libc::F_SETPIPE_SZ]].concat();
    let mut rules = Rules::from([
        (libc::SYS_clone, vec![SeccompRule::new(vec![process])?]),
        (libc::SYS_prlimit64, vec![SeccompRule::new(vec![sets])?]),
        (libc::SYS_prctl, any_of(0, &options)?),
        (libc::SYS_fcntl, any_of(1, &commands)?),
        // It may change its own priority.
        (libc::SYS_setpriority, vec![none_of(0, &[PRIO_PROCESS])?, none_of(1, &[0, own])?]),
    ]);
    for call in [
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setaffinity,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
        libc::SYS_get_robust_list,
    ] {
        rules.insert(call, this()?);
    }
    // Signals to this process only, which `abort` needs.
    for call in
        [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo]
    {
        rules.insert(call, vec![none_of(0, &[own])?]);
    }
    Ok(rules)
}

/// Denies memory that the limit of data does not count, and punching holes into a mapped file, such as
/// the memory that is shared with the host.
fn memory() -> Result<Rules, BackendError> {
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    Ok(Rules::from([
        (libc::SYS_mmap, vec![flag(3, shared)?]),
        (libc::SYS_madvise, any_of(2, &[libc::MADV_REMOVE])?),
    ]))
}

/// Denies truncating a file that is opened for reading, and commands to devices.
fn files() -> Result<Rules, BackendError> {
    // The kernel truncates the file, and Landlock before version 3 allows it.
    let cuts = |arg| {
        let mask = libc::O_ACCMODE | libc::O_TRUNC;
        condition(arg, SeccompCmpOp::MaskedEq(bits(mask)), libc::O_RDONLY | libc::O_TRUNC)
            .and_then(|cuts| SeccompRule::new(vec![cuts]))
    };
    let known = [
        libc::TCGETS,
        libc::TCGETS2,
        libc::TIOCGWINSZ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOCLEX,
        libc::FIONCLEX,
    ];
    // The kernel looks only at the lower half of the number, and so does the filter.
    let known = known.map(|command| (command & 0xffff_ffff) as u32);
    Ok(Rules::from([
        (libc::SYS_openat, vec![cuts(2)?]),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![cuts(1)?]),
        (libc::SYS_ioctl, vec![none_of(1, &known.map(u32::cast_signed))?]),
    ]))
}

/// Denies opening a file except for reading.
fn reading() -> Result<Rules, BackendError> {
    let writes = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC];
    let opens = |arg| writes.into_iter().map(|flags| flag(arg, flags)).collect::<Result<_, _>>();
    Ok(Rules::from([
        (libc::SYS_openat, opens(2)?),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, opens(1)?),
    ]))
}

/// Denies sockets except for TCP and UDP, and connecting in a way that Landlock does not see: it knows
/// no ports of other protocols, and a message that opens a connection is not a `connect`.
fn connecting() -> Result<Rules, BackendError> {
    let kind = |kind: u64| {
        // The bits above the kind are flags.
        let same = SeccompCmpOp::MaskedEq(0xf);
        SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, same, kind)?])
    };
    let mut sockets = vec![
        none_of(0, &[libc::AF_INET, libc::AF_INET6])?,
        none_of(2, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP])?,
    ];
    let known = [libc::SOCK_STREAM, libc::SOCK_DGRAM].map(|kind| u64::from(kind.unsigned_abs()));
    for other in (0..=0xf).filter(|other| !known.contains(other)) {
        sockets.push(kind(other)?);
    }
    Ok(Rules::from([
        (libc::SYS_socket, sockets),
        (libc::SYS_sendto, vec![flag(3, libc::MSG_FASTOPEN)?]),
        (libc::SYS_sendmsg, vec![flag(2, libc::MSG_FASTOPEN)?]),
        (libc::SYS_sendmmsg, vec![flag(3, libc::MSG_FASTOPEN)?]),
    ]))
}

/// Denies the calls whatever their arguments are, which a call without a rule means.
fn all(calls: &[c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// One rule for each of `values`: they match an argument that is one of them.
fn any_of(arg: u8, values: &[i32]) -> Result<Vec<SeccompRule>, BackendError> {
    let is = |value: &i32| SeccompRule::new(vec![condition(arg, SeccompCmpOp::Eq, *value)?]);
    values.iter().map(is).collect()
}

/// Matches an argument that is none of `values`.
fn none_of(arg: u8, values: &[i32]) -> Result<SeccompRule, BackendError> {
    let other = |value: &i32| condition(arg, SeccompCmpOp::Ne, *value);
    SeccompRule::new(values.iter().map(other).collect::<Result<_, _>>()?)
}

/// Matches an argument that has all bits of `flags`.
fn flag(arg: u8, flags: i32) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(arg, SeccompCmpOp::MaskedEq(bits(flags)), flags)?])
}

/// A condition on an argument of 32 bits.
fn condition(arg: u8, op: SeccompCmpOp, value: i32) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(arg, SeccompCmpArgLen::Dword, op, bits(value))
}

fn bits(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, BackendError> {
    let denied = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?.try_into()
}

/// Denies the second number that each call has on x86-64 if the kernel offers the x32 ABI.
fn other_numbers() -> Option<BpfProgram> {
    const X32: u32 = 0x4000_0000;
    let [read, jump, end] = [
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    ]
    .map(|code| u16::try_from(code).unwrap_or_default());
    let step = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    let denied = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    // The number is the first word of what a filter sees.
    let program = vec![
        step(read, 0, 0),
        step(jump, 1, X32),
        step(end, 0, denied),
        step(end, 0, libc::SECCOMP_RET_ALLOW),
    ];
    cfg!(target_arch = "x86_64").then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_can_be_built() {
        for (files, network) in [(false, false), (false, true), (true, false), (true, true)] {
            let programs = programs(Exceptions { files, network }).unwrap();
            let sizes: Vec<_> = programs.iter().map(Vec::len).collect();
            assert!(sizes.iter().all(|size| *size > 3), "{sizes:?}");
        }
    }
}
