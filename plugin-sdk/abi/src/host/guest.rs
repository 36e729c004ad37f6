//! A plugin and its instances.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use super::incompatible::{Incompatible, check};
use super::table::host_ref;
use super::{HostCalls, NoHost};
use crate::convert::replied;
use crate::kind::Tables;
use crate::raw::Buf;
use crate::{Buffer, Error, ErrorKind, Vtable};

/// A plugin: describes itself and makes instances.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    vtable: &'static Vtable,
    tables: Tables,
}

impl Guest {
    /// The plugin with the functions `vtable`, which its entry function returned.
    ///
    /// # Safety
    ///
    /// Unless null, `vtable` is a [`Vtable`] whose functions, unless null, keep their contracts, and
    /// so are the tables of its kinds. Nothing changes them, and they stay as long as the process
    /// does: their library is never unloaded. (Of a table of another version or size only the first
    /// two fields are read.)
    ///
    /// # Errors
    ///
    /// [`Incompatible`] if this host cannot call it.
    pub unsafe fn from_raw(vtable: *const Vtable) -> Result<Self, Incompatible> {
        // SAFETY: the contract above.
        unsafe { check(vtable) }?;
        // SAFETY: it is of our version and has all our fields, of which no function is null; the
        // rest is the contract above.
        let vtable = unsafe { &*vtable };
        // SAFETY: the contract above, for the list and each table in it.
        let tables =
            unsafe { Tables::find(vtable.kinds.slice().map_err(|_| Incompatible::Kinds)?) }?;
        Ok(Self { vtable, tables })
    }

    /// A plugin that the application was linked with.
    #[cfg(feature = "linked")]
    #[must_use]
    pub fn linked(plugin: crate::linked::Linked) -> Self {
        // SAFETY: `Linked` holds only tables of `guest::vtable`, which are static.
        match unsafe { Self::from_raw(plugin.vtable()) } {
            Ok(guest) => guest,
            Err(_) => unreachable!("tables of this very crate fit it"),
        }
    }

    /// Whether the plugin lists the functions of a kind, so that its capabilities of that kind can
    /// be called; `None` for a kind that this ABI does not have.
    #[must_use]
    pub fn offers(&self, kind: &str) -> Option<bool> {
        self.tables.offers(kind)
    }

    /// The plugin's description, in the JSON that [`Vtable::describe`] documents.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn describe(&self, host: &dyn HostCalls) -> Result<Buffer, Error> {
        let mut out = Buf::EMPTY;
        // SAFETY: `Guest` holds only tables that keep their contract; `host` and `out` live on.
        let status = unsafe { (self.vtable.describe)(host_ref(&host), &raw mut out) };
        // SAFETY: the plugin wrote a `Buf` that nothing else reads or frees.
        unsafe { replied(status, out) }
    }

    /// Makes one instance from a JSON object.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn create(&self, host: &dyn HostCalls, config: &str) -> Result<Instance, Error> {
        let mut out = Buf::EMPTY;
        let mut made = ptr::null_mut::<c_void>();
        // SAFETY: `Guest` holds only tables that keep their contract; all arguments live on.
        let status = unsafe {
            (self.vtable.create)(host_ref(&host), config.into(), &raw mut made, &raw mut out)
        };
        // SAFETY: the plugin wrote a `Buf` that nothing else reads or frees.
        unsafe { replied(status, out) }?;
        let instance = NonNull::new(made)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "expected an instance, found null"))?;
        Ok(Instance { guest: *self, instance })
    }
}

/// One instance of a plugin. Dropping it frees it; [`shutdown`](Instance::shutdown) comes before.
#[derive(Debug)]
pub struct Instance {
    guest: Guest,
    /// The pointer that `create` wrote; `drop` passes it to `destroy`.
    instance: NonNull<c_void>,
}

// SAFETY: the ABI says that an instance's functions may be called from any thread.
unsafe impl Send for Instance {}
// SAFETY: and that all but `destroy`, which needs the instance by value, may run at once.
unsafe impl Sync for Instance {}

impl Instance {
    /// The tables of its plugin's kinds.
    #[inline]
    pub(crate) fn tables(&self) -> &Tables {
        &self.guest.tables
    }

    /// The pointer that the plugin's functions take as `instance`. Valid as long as `self` lives.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.instance.as_ptr()
    }

    /// Says whether the instance can serve.
    ///
    /// # Errors
    ///
    /// The plugin's own; `Unavailable` says that it cannot serve now.
    pub fn health(&self, host: &dyn HostCalls) -> Result<(), Error> {
        let mut out = Buf::EMPTY;
        let health = self.guest.vtable.health;
        // SAFETY: the instance is alive until `drop`; `host` and `out` outlive the call.
        let status = unsafe { health(self.instance.as_ptr(), host_ref(&host), &raw mut out) };
        // SAFETY: the plugin wrote a `Buf` that nothing else reads or frees.
        unsafe { replied(status, out) }.map(drop)
    }

    /// The last call before the instance is dropped.
    pub fn shutdown(&self, host: &dyn HostCalls) {
        let shutdown = self.guest.vtable.shutdown;
        // SAFETY: the instance is alive until `drop`; `host` outlives the call.
        unsafe { shutdown(self.instance.as_ptr(), host_ref(&host)) };
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let host: &dyn HostCalls = &NoHost;
        // SAFETY: `&mut self` says that no other call runs, and none can follow.
        unsafe { (self.guest.vtable.destroy)(self.instance.as_ptr(), host_ref(&host)) };
    }
}
