//! The native runtime of Plugbay.
//!
//! A native plugin is called through the versioned vtable of [`plugbay_abi`]. [`NativeRuntime`]
//! serves plugins that are dynamic libraries, [`LinkedRuntime`] those that are linked into the
//! application and registered themselves.
//!
//! | module | what it has |
//! |---|---|
//! | `file` | a library as a file: [`header`] reads from its bytes what it is, [`Staging`] makes the private copy from which alone it is loaded |
//! | `in_process` | plugins whose code runs in this process; [`Libraries`] says which libraries are loaded |
//! | [`worker`] | plugins that run in a process of their own |
//! | `kind` | the built-in kinds: how their functions are called in this process and in a worker |
//!
//! Both ways of running a plugin use the modules beside these: `library` opens a library, `fault`
//! says why one does not open, `description` checks a plugin's description, `call_host` has the
//! functions of the host that a plugin can call and `ledger` what the host records of that, and
//! `blocking` makes calls from asynchronous code.
//!
//! Native code is trusted code. In this process a panic is caught at the edge and costs the
//! instance, and a fault is a fault of the whole process; limits of CPU time and memory do not
//! apply. A deadline does not stop a plugin. The caller of a handler stops waiting at its deadline,
//! but the handler's thread occupies one of the limited places until it returns; a codec runs on
//! its caller's own thread, which has to wait. A thread that hangs in a library outside its calls
//! keeps running, and is counted. In a worker a fault costs the calls in flight, memory and
//! deadlines are enforced, and the plugin can reach what it is granted. Limits of calls of the host
//! hold in both.
//!
//! # What is deliberately absent
//!
//! No library is ever unloaded, and none is loaded from a folder that other users can write to.
//! Hand-written `unsafe` is in four places: where a library is opened, where a worker is started,
//! where bytes are copied to and from the memory that is shared with it, and where a worker ignores
//! and blocks signals. The safe side of the vtable is `plugbay_abi::host`.

#![deny(unsafe_code)]

mod blocking;
mod call_host;
mod description;
mod fault;
mod file;
mod in_process;
mod kind;
mod ledger;
#[expect(unsafe_code, reason = "to load a library is to run it; each block says what it relies on")]
mod library;
mod linked;
mod runtime;
pub mod worker;

pub use file::header;
pub use file::header::ABI_VERSIONS;
pub use file::staging::{PrivateCopy, Staging, StagingError};
pub use in_process::libraries::{Libraries, LoadedLibrary};
pub use linked::LinkedRuntime;
pub use runtime::{Ceiling, NativeRuntime};
