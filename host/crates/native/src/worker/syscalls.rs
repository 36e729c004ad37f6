//! The system calls that a worker gives up.
//!
//! The list names what is denied, not what is allowed: a library may need what nobody thought
//! of, and a newer C library may use what this list has never heard of. A denied call fails
//! with EPERM and the plugin goes on. It is one wall of several, and not the strongest: without
//! Landlock a plugin can still read what the host's user can read.
//!
//! What is granted opens it a little: [`Open`].

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Denied whatever their arguments.
const DENIED: &[c_long] = &[
    // Another program, or another process.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Others that connect to it.
    libc::SYS_bind,
    libc::SYS_listen,
    // A pair of local sockets: one that knows datagrams sends them to any local service.
    libc::SYS_socketpair,
    // Around this very list.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_kcmp,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    // Limits and identity.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_capset,
    // File systems and name spaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_quotactl,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Files that exist, changed without being opened.
    libc::SYS_mknodat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_setxattr,
    libc::SYS_removexattr,
    // The kernel and the machine.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// The older spellings, which newer architectures never had.
#[cfg(target_arch = "x86_64")]
const DENIED_OLD: &[c_long] = &[
    libc::SYS_setrlimit,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_kexec_file_load,
    libc::SYS_mknod,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_OLD: &[c_long] = &[
    // `setrlimit`, which the crate libc does not name everywhere.
    164,
];

/// Denied unless a network is granted: there is no socket then but those that came with the start.
const NETWORK: &[c_long] = &[libc::SYS_socket, libc::SYS_connect];

/// Denied unless folders are granted for writing. Landlock knows which those are.
const WRITING: &[c_long] = &[libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_mkdirat];
#[cfg(target_arch = "x86_64")]
const WRITING_OLD: &[c_long] = &[
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_creat,
];
#[cfg(not(target_arch = "x86_64"))]
const WRITING_OLD: &[c_long] = &[];

/// What is granted that the filter would else deny.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    /// Some files may be written: Landlock says which.
    pub(super) files: bool,
    /// Connections by TCP and UDP may be made.
    pub(super) network: bool,
}

/// Said not to exist, so that the C library falls back to an older call whose arguments a
/// filter can see: here they lie in memory, where it cannot look.
const ABSENT: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

/// Applies the list to this thread and those it will start, and says whether that worked.
pub(super) fn deny(open: Open) -> bool {
    let Ok(programs) = programs(open) else { return false };
    programs.iter().all(|program| apply_filter(program).is_ok())
}

fn programs(open: Open) -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let mut denied: Rules = all(DENIED);
    denied.extend(all(DENIED_OLD));
    // A thread may be started, a process not.
    let process = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(u64::from(libc::CLONE_THREAD.unsigned_abs())),
        0,
    )?;
    denied.insert(libc::SYS_clone, vec![SeccompRule::new(vec![process])?]);
    // A signal may go to this process only: `abort` wants that.
    let own = u64::from(std::process::id());
    for call in
        [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo]
    {
        let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?;
        denied.insert(call, vec![SeccompRule::new(vec![other])?]);
    }
    // Limits may be read, not set.
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    denied.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![sets])?]);
    // No hole in a file that is mapped, that is in the memory shared with the host.
    let remove = u64::from(libc::MADV_REMOVE.unsigned_abs());
    let remove = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, remove)?;
    denied.insert(libc::SYS_madvise, vec![SeccompRule::new(vec![remove])?]);
    if open.files {
        // A file in memory has no folder, and counts as nobody's memory while it is not mapped.
        denied.insert(libc::SYS_memfd_create, Vec::new());
    } else {
        denied.extend(all(WRITING));
        denied.extend(all(WRITING_OLD));
        denied.extend(reading()?);
    }
    if open.network {
        denied.extend(connecting()?);
    } else {
        denied.extend(all(NETWORK));
    }
    Ok([program(denied, libc::EPERM)?, program(all(ABSENT), libc::ENOSYS)?])
}

/// A file may be opened for reading only.
fn reading() -> Result<Rules, seccompiler::BackendError> {
    let writes = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC];
    let opens = |arg| writes.into_iter().map(|flags| flag(arg, flags)).collect::<Result<_, _>>();
    Ok(Rules::from([
        (libc::SYS_openat, opens(2)?),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, opens(1)?),
    ]))
}

/// Only sockets for TCP and UDP, and no way of theirs to connect that Landlock does not see: other
/// protocols have no ports that it knows, and a message that connects is no `connect`.
fn connecting() -> Result<Rules, seccompiler::BackendError> {
    let none_of = |arg, known: &[i32]| {
        let other = |known: &i32| {
            let known = u64::from(known.unsigned_abs());
            SeccompCondition::new(arg, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, known)
        };
        SeccompRule::new(known.iter().map(other).collect::<Result<_, _>>()?)
    };
    let kind = |kind: u64| {
        // Above it are flags.
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

/// No rule for a call means: whatever its arguments.
fn all(calls: &[c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// Holds if the argument has all bits of `flags`.
fn flag(arg: u8, flags: i32) -> Result<SeccompRule, seccompiler::BackendError> {
    let flags = u64::from(flags.unsigned_abs());
    let has = SeccompCmpOp::MaskedEq(flags);
    SeccompRule::new(vec![SeccompCondition::new(arg, SeccompCmpArgLen::Dword, has, flags)?])
}

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    let denied = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(with_x32(rules), SeccompAction::Allow, denied, arch)?.try_into()
}

/// On x86-64 the same calls have a second number, where a kernel offers the x32 ABI.
fn with_x32(mut rules: Rules) -> Rules {
    const X32: i64 = 0x4000_0000;
    /// The calls that x32 numbers anew, `execve` and `ptrace` among them.
    const OWN: std::ops::Range<i64> = 512..548;
    if cfg!(target_arch = "x86_64") {
        let twins: Vec<_> = rules.iter().map(|(call, rule)| (call | X32, rule.clone())).collect();
        rules.extend(twins);
        rules.extend(OWN.map(|call| (call | X32, Vec::new())));
    }
    rules
}
