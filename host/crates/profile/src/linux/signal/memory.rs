//! Reads the stack of a thread that was interrupted anywhere.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::linux::walk::Memory;

const WORD: usize = size_of::<usize>();
/// The smallest page: what is after its end may not exist.
const PAGE: usize = 4096;

/// The memory of this process, read by a system call: an address that does not exist is an error, and no fault.
pub(super) struct OwnMemory;

impl Memory for OwnMemory {
    fn read(&self, address: usize, to: &[AtomicUsize]) -> usize {
        // A frame may lie in two pages; more of the second one is not read, because it may be all there is.
        let in_page = PAGE - address % PAGE;
        let bytes = in_page.max(2 * WORD).min(size_of_val(to));
        let local = libc::iovec { iov_base: to.as_ptr().cast_mut().cast(), iov_len: bytes };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes };
        // SAFETY: the kernel writes at most `bytes` bytes, which are within `to`: memory that is shared for writing,
        // because it is of atomic words. It checks `address` itself. `getpid` and the system call are
        // async-signal-safe.
        let read = unsafe {
            libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
        };
        usize::try_from(read).unwrap_or(0) / WORD
    }
}

/// Whether the system lets this process read its own memory.
pub(in crate::linux) fn can_read() -> io::Result<()> {
    let (known, found) =
        ([AtomicUsize::new(7), AtomicUsize::new(8)], [const { AtomicUsize::new(0) }; 2]);
    if OwnMemory.read(known.as_ptr().addr(), &found) == 0 {
        return Err(io::Error::last_os_error());
    }
    let value =
        |words: &[AtomicUsize; 2]| words.each_ref().map(|word| word.load(Ordering::Relaxed));
    if value(&found) == value(&known) {
        Ok(())
    } else {
        Err(io::Error::other("it read other memory"))
    }
}
