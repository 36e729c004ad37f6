//! The header, and the functions of the vtable, which exist once for each plugin type.

use std::ffi::c_void;

use super::Exports;
use super::calls::Scope;
use crate::convert::reply;
use crate::panics::{catch, quietly};
use crate::raw::{Array, Buf, Bytes, size_of_u32};
use crate::{Header, HostRef, MAGIC, Status, VERSION, Vtable};

impl Header {
    /// The header of a plugin that is built with this crate.
    pub const CURRENT: Header = Header {
        magic: MAGIC,
        version: VERSION,
        header_size: size_of_u32::<Header>(),
        vtable_size: size_of_u32::<Vtable>(),
        reserved: 0,
    };
}

/// The vtable of the plugin `E`.
#[must_use]
pub const fn vtable<E: Exports>() -> Vtable {
    Vtable {
        size: size_of_u32::<Vtable>(),
        version: VERSION,
        describe: describe::<E>,
        create: create::<E>,
        health: health::<E>,
        shutdown: shutdown::<E>,
        destroy: destroy::<E>,
        kinds: Array { ptr: E::KINDS.as_ptr(), len: E::KINDS.len() },
    }
}

// Every function below has the contract that its field of `Vtable` states, and takes each of its
// arguments under it: `host` is valid for the call, `instance` came from `create` and is alive,
// `Bytes` are valid for the call, `out` is valid for a write.

unsafe extern "C" fn describe<E: Exports>(host: HostRef, out: *mut Buf) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(E::describe)) }
}

unsafe extern "C" fn create<E: Exports>(
    host: HostRef,
    config: Bytes,
    instance: *mut *mut c_void,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `config` is valid for the call.
    let config = unsafe { config.text() };
    match catch(|| E::create(config?)) {
        Ok(made) => {
            // SAFETY: `instance` is valid for a write.
            unsafe { instance.write(Box::into_raw(Box::new(made)).cast()) };
            // SAFETY: `out` is valid for a write.
            unsafe { reply(out, Ok(Vec::new())) }
        }
        // SAFETY: `out` is valid for a write.
        Err(error) => unsafe { reply(out, Err(error)) },
    }
}

unsafe extern "C" fn health<E: Exports>(
    instance: *mut c_void,
    host: HostRef,
    out: *mut Buf,
) -> Status {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // SAFETY: `out` is valid for a write.
    unsafe { reply(out, catch(|| instance.health().map(|()| Vec::new()))) }
}

unsafe extern "C" fn shutdown<E: Exports>(instance: *mut c_void, host: HostRef) {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `instance` is the alive `E` that `create` boxed; shared, as `E` is `Sync`.
    let instance = unsafe { &*instance.cast::<E>() };
    // `shutdown` reports nothing: the host calls `destroy` next whatever happens.
    quietly(|| instance.shutdown());
}

unsafe extern "C" fn destroy<E: Exports>(instance: *mut c_void, host: HostRef) {
    // SAFETY: `host` is valid for the call, which the scope ends with.
    let _scope = unsafe { Scope::enter(host) };
    // SAFETY: `create` boxed it, no other call of it runs, and none follows.
    let instance = unsafe { Box::from_raw(instance.cast::<E>()) };
    quietly(|| drop(instance));
}
