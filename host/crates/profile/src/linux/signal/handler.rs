//! The handler of SIGPROF.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, mem, ptr};

use super::memory::OwnMemory;
use crate::error::ProfileError;
use crate::linux::slots::Slots;
use crate::linux::walk::{Registers, walk};

/// The slots, made by the first profile. They stay, so that a late signal finds them.
static SLOTS: OnceLock<Slots> = OnceLock::new();
/// Whether a profile is being recorded.
static RECORDS: AtomicBool = AtomicBool::new(false);

/// Installs the handler, unless it is there.
///
/// # Errors
///
/// If another part of the program has a handler of SIGPROF.
pub(in crate::linux) fn install() -> Result<(), ProfileError> {
    let refused =
        |error| ProfileError::Refused { what: "cannot install a handler of SIGPROF", error };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    let handler = handler as libc::sighandler_t;
    let now = action(None).map_err(refused)?;
    if now.sa_sigaction == handler {
        return Ok(());
    }
    if now.sa_sigaction != libc::SIG_DFL && now.sa_sigaction != libc::SIG_IGN {
        let message = "expected SIGPROF to be free, found a handler of another part of this program: only one \
                       profiler can use it";
        return Err(ProfileError::Unsupported(message.into()));
    }
    // SAFETY: all zeros are a valid action, with an empty mask.
    let mut ours: libc::sigaction = unsafe { mem::zeroed() };
    ours.sa_sigaction = handler;
    // On the thread's own stack for signals, if it has one: guests' stacks are small, and a system call that is
    // interrupted goes on.
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    action(Some(&ours)).map_err(refused)?;
    Ok(())
}

/// Sets the action of SIGPROF if there is one, and returns that of before.
fn action(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: all zeros are a valid action.
    let mut before: libc::sigaction = unsafe { mem::zeroed() };
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: both pointers are valid or null, and the only handler that is ever set is `on_signal`.
    let failed = unsafe { libc::sigaction(libc::SIGPROF, new, &raw mut before) };
    if failed == 0 { Ok(before) } else { Err(io::Error::last_os_error()) }
}

/// While it lives, the handler takes samples.
pub(in crate::linux) struct Sampling {
    slots: &'static Slots,
}

impl Sampling {
    /// Called for one profile at a time.
    pub(in crate::linux) fn start() -> Self {
        let slots = SLOTS.get_or_init(Slots::new);
        // What a late signal of the last profile has left.
        slots.drain(|_, _, _| {});
        slots.take_lost();
        RECORDS.store(true, Ordering::Release);
        Self { slots }
    }

    pub(in crate::linux) fn slots(&self) -> &Slots {
        self.slots
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        RECORDS.store(false, Ordering::Release);
    }
}

/// Runs on a thread that was interrupted at any instruction: it takes no lock, allocates nothing and cannot panic. It
/// is not interrupted by itself, because the signal is blocked meanwhile.
extern "C" fn on_signal(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes both, valid until the handler returns; `context` is a `ucontext_t`.
    let (info, context) = unsafe { (&*info, &*context.cast_const().cast::<libc::ucontext_t>()) };
    // Another process may send the signal as well.
    if info.si_code != libc::SI_TIMER || !RECORDS.load(Ordering::Acquire) {
        return;
    }
    // Never waits: the slots were made before samples were taken.
    let Some(slots) = SLOTS.get() else { return };
    // SAFETY: a signal of a timer has these fields.
    let (overrun, thread) = unsafe { (info.si_overrun(), info.si_value().sival_ptr.addr()) };
    // The signal stands for those that could not be sent meanwhile, too.
    let weight = 1 + u64::try_from(overrun).unwrap_or(0);
    let Some(taken) = slots.take(thread, weight) else { return };
    // SAFETY: each thread has its own, which this function puts back as it was for the interrupted code.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as before.
    let kept = unsafe { *errno };
    walk(registers(context), &OwnMemory, taken.window(), |address| taken.push(address));
    // SAFETY: as before.
    unsafe { *errno = kept };
    taken.finish();
}

#[cfg(target_arch = "x86_64")]
#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "the registers are addresses of 64 bits"
)]
fn registers(context: &libc::ucontext_t) -> Registers {
    let [instruction, frame, stack] = [libc::REG_RIP, libc::REG_RBP, libc::REG_RSP]
        .map(|register| context.uc_mcontext.gregs[register as usize] as usize);
    Registers { instruction, frame, stack }
}

#[cfg(target_arch = "aarch64")]
#[expect(clippy::cast_possible_truncation, reason = "the registers are addresses of 64 bits")]
fn registers(context: &libc::ucontext_t) -> Registers {
    let machine = &context.uc_mcontext;
    Registers {
        instruction: machine.pc as usize,
        frame: machine.regs[29] as usize,
        stack: machine.sp as usize,
    }
}
