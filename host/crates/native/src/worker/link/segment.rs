//! Memory that host and worker share: for each lane two rings of bytes, one for each direction.
//!
//! | bytes | what |
//! |---|---|
//! | 0..128 | the counters that the host writes, [`Side`] |
//! | 128..256 | the counters that the worker writes |
//! | 4096.. | the ring to the worker, then the ring to the host, [`CAPACITY`] bytes each |
//!
//! The worker may write anything at any time. So there is never a reference to the bytes: they are
//! copied in and out, and only the copy is looked at. The counters are atomic. The memory is sealed
//! before the worker gets it, so that the worker cannot truncate it, which would end the host with
//! SIGBUS. All of it is allocated at the start, so that a shortage of memory is an error then.

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fstat, ftruncate,
    memfd_create,
};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Bytes of one ring: a power of two.
pub(crate) const CAPACITY: usize = 128 * 1024;
/// Where the rings of a lane begin.
const RINGS: usize = 4096;
/// Bytes of one lane.
const LANE: usize = RINGS + 2 * CAPACITY;
const _: () = assert!(LANE.is_multiple_of(align_of::<Side>()) && 2 * size_of::<Side>() <= RINGS);

/// The name of the memory in `/proc/…/maps`.
const NAME: &str = "plugbay-lanes";

/// What one end publishes for the other. Each end writes its own side, except `asleep`, which the
/// other end clears when it wakes this one. Each side has cache lines of its own, so that writing to
/// one does not slow down the other.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Side {
    /// How many bytes the end has written since the start, modulo 2³².
    pub(crate) written: AtomicU32,
    /// How many bytes it has read, likewise.
    pub(crate) read: AtomicU32,
    /// What it sleeps for, or 0 while it does not.
    pub(crate) asleep: AtomicU32,
}

/// An end of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Host,
    Worker,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Host => Self::Worker,
            Self::Worker => Self::Host,
        }
    }
}

/// The mapped memory of one worker.
#[derive(Debug)]
struct Segment {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: it is an address and a length of memory that stays mapped until it is dropped. What
// lies there is used by atomics and by copies whose ends take turns.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    fn map(memory: &OwnedFd, lanes: usize) -> Result<Self, Errno> {
        let size = size(lanes);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: with no address given, the kernel chooses one where nothing is mapped.
        let base = unsafe { mmap(ptr::null_mut(), size, access, MapFlags::SHARED, memory, 0)? };
        Ok(Self { base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)?, size })
    }

    /// The parts, one for each lane.
    fn areas(self, lanes: usize) -> Vec<Area> {
        let segment = Arc::new(self);
        let area = |lane| Area { segment: Arc::clone(&segment), offset: lane * LANE };
        (0..lanes).map(area).collect()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: `map` mapped exactly this, and the last `Area` that used it is gone. It fails only
        // for invalid arguments.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size) };
    }
}

/// How many bytes of memory so many lanes take.
pub(crate) fn size(lanes: usize) -> usize {
    lanes * LANE
}

/// Creates memory for so many lanes. The descriptor is for the worker.
pub(crate) fn create(lanes: usize) -> Result<(Vec<Area>, OwnedFd), Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = match memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => memfd_create(NAME, flags)?,
        made => made?,
    };
    let size = size(lanes) as u64;
    ftruncate(&memory, size)?;
    fallocate(&memory, FallocateFlags::empty(), 0, size)?;
    fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok((Segment::map(&memory, lanes)?.areas(lanes), memory))
}

/// Maps the memory that [`create`] created in another process.
///
/// # Errors
///
/// `EINVAL` if it has another size than that of so many lanes.
pub(crate) fn open(memory: &OwnedFd, lanes: usize) -> Result<Vec<Area>, Errno> {
    if u64::try_from(fstat(memory.as_fd())?.st_size) != Ok(size(lanes) as u64) {
        return Err(Errno::INVAL);
    }
    Ok(Segment::map(memory, lanes)?.areas(lanes))
}

/// The part of the memory that belongs to one lane.
#[derive(Debug)]
pub(crate) struct Area {
    segment: Arc<Segment>,
    offset: usize,
}

impl Area {
    /// The counters that the end `of` writes.
    pub(crate) fn side(&self, of: End) -> &Side {
        let at = self.offset + if of == End::Host { 0 } else { size_of::<Side>() };
        // SAFETY: `at` is within the mapping, which the borrow of `self` keeps, and aligned as
        // `Side` wants, since `LANE` is. All bits are valid. It is all atomics, so that another
        // thread or process may write to it meanwhile.
        unsafe { self.segment.base.add(at).cast().as_ref() }
    }

    /// The byte number `at` of the ring that `writer` writes to, and how many bytes there are from it
    /// to the end of the ring.
    fn byte(&self, writer: End, at: u32) -> (NonNull<u8>, usize) {
        let ring = self.offset + RINGS + if writer == End::Host { 0 } else { CAPACITY };
        let within = at as usize % CAPACITY;
        // SAFETY: a lane has two rings of `CAPACITY` bytes after `RINGS`, so this is within the
        // mapping.
        (unsafe { self.segment.base.add(ring + within) }, CAPACITY - within)
    }

    /// Copies `bytes`, at most [`CAPACITY`], to place `at` of the ring of `writer`, which is this
    /// end. The other end does not read there before the bytes are published.
    pub(crate) fn copy_in(&self, writer: End, at: u32, bytes: &[u8]) {
        assert!(bytes.len() <= CAPACITY, "more than a ring");
        let (to, straight) = self.byte(writer, at);
        let (bytes, wrapped) = bytes.split_at(bytes.len().min(straight));
        let (start, _) = self.byte(writer, 0);
        // SAFETY: both parts are within the ring, and no reference to shared memory exists that
        // `bytes` could be. A worker may read or write here out of turn: nothing depends on what the
        // ring holds.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len());
            ptr::copy_nonoverlapping(wrapped.as_ptr(), start.as_ptr(), wrapped.len());
        }
    }

    /// Appends `count` bytes, at most [`CAPACITY`], from place `at` of the ring of `writer`, the
    /// other end.
    pub(crate) fn copy_out(&self, writer: End, at: u32, count: usize, to: &mut Vec<u8>) {
        assert!(count <= CAPACITY, "more than a ring");
        to.reserve(count);
        let (from, straight) = self.byte(writer, at);
        let (start, _) = self.byte(writer, 0);
        let straight = count.min(straight);
        let end = to.len() + count;
        let room = to.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: both parts are within the ring, and `room` is private memory of at least
        // `count` bytes, all of which are written before they count as the vector's. An honest
        // writer does not touch these bytes before they are published as read. A hostile one may
        // write while they are copied: it is another process, the copy does not depend on their
        // values, any values are bytes, and the caller sees only the copy.
        unsafe {
            ptr::copy_nonoverlapping(from.as_ptr(), room, straight);
            ptr::copy_nonoverlapping(start.as_ptr(), room.add(straight), count - straight);
            to.set_len(end);
        }
        // Keeps the compiler from reading bytes from the ring again instead of from the copy.
        compiler_fence(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Area, Area, OwnedFd) {
        let (mut ours, memory) = create(3).unwrap();
        let mut theirs = open(&memory, 3).unwrap();
        (ours.swap_remove(1), theirs.swap_remove(1), memory)
    }

    #[test]
    fn bytes_and_counters_are_shared_and_wrap() {
        let (ours, theirs, _) = pair();
        let sent: Vec<u8> = (0..=255).cycle().take(CAPACITY).collect();
        for at in [0, 1, 77, u32::MAX - 10] {
            for writer in [End::Host, End::Worker] {
                let mut got = vec![1, 2, 3];
                ours.copy_in(writer, at, &sent);
                theirs.copy_out(writer, at, CAPACITY, &mut got);
                assert_eq!(got[..3], [1, 2, 3]);
                assert!(got[3..] == sent);
            }
        }
        ours.side(End::Host).written.store(7, Ordering::Release);
        theirs.side(End::Worker).read.store(8, Ordering::Release);
        assert_eq!(theirs.side(End::Host).written.load(Ordering::Acquire), 7);
        assert_eq!(ours.side(End::Worker).read.load(Ordering::Acquire), 8);
        assert_eq!(ours.side(End::Worker).written.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_worker_can_neither_shrink_nor_grow_nor_unseal_it() {
        let (_ours, _theirs, memory) = pair();
        let size = size(3) as u64;
        assert_eq!(ftruncate(&memory, 0), Err(Errno::PERM));
        assert_eq!(ftruncate(&memory, size + 4096), Err(Errno::PERM));
        assert_eq!(fcntl_add_seals(&memory, SealFlags::WRITE), Err(Errno::PERM));
        assert_eq!(fstat(&memory).unwrap().st_size, size.cast_signed());
    }

    #[test]
    fn memory_of_another_size_is_refused() {
        let (_ours, memory) = create(2).unwrap();
        assert_eq!(open(&memory, 3).unwrap_err(), Errno::INVAL);
    }
}
