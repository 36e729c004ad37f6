//! WASI 0.2 for a plugin: it reaches nothing but what its grants name.
//!
//! A use that is not granted does not trap: the plugin finds no folders and no variables, its
//! clocks read zero, its random numbers are the same each time, its output is dropped,
//! and it can connect to no host. Each such use is counted, and reported to the plugin's observer.
//!
//! Small interfaces are implemented here, on [`State`] itself. Large ones are wasmtime-wasi's, behind
//! [`State::wasi_call`], which counts each call. Files are in between: wasmtime-wasi's functions do
//! the operations, on threads that may block, and the types of this crate count what is open.
//!
//! # What is deliberately absent
//!
//! No plugin listens on a port or inherits anything of the host's process. A name is resolved only
//! if a grant names it.

mod address;
mod blocking;
mod clocks;
mod environment;
mod file_streams;
mod files;
#[cfg(feature = "state")]
mod keyvalue;
mod listing;
mod names;
mod network;
mod otel;
mod random;
mod stdio;

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliCtxView};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::random as wasi_random;
use wasmtime_wasi::p2::bindings::{LinkOptions, cli, clocks as wasi_clocks, filesystem, sockets};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtxView};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::sandbox::grants::{OpenPermit, Sandbox};
use crate::sandbox::limits::RESOURCES;
use crate::sandbox::state::State;

#[cfg(feature = "state")]
pub(crate) use keyvalue::add_to_linker as add_state_to_linker;
pub use names::Resolve;
pub(crate) use names::System;

/// The state of WASI in one instance.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    /// A table without capacity. It replaces `table` once the plugin has exceeded its limit of calls
    /// of the host, so that its next use of a resource fails.
    closed: ResourceTable,
    /// The permits of open sockets, by their index in the table.
    sockets: HashMap<u32, OpenPermit>,
    random: random::Sequence,
    known: Arc<network::GrantedAddresses>,
    out: Arc<stdio::Printer>,
    err: Arc<stdio::Printer>,
}

impl Wasi {
    /// The state of WASI for a new instance, if its component imports WASI.
    pub(crate) fn of(sandbox: &Arc<Sandbox>, imported: bool) -> Option<Box<Self>> {
        imported.then(|| Self::new(sandbox))
    }

    fn new(sandbox: &Arc<Sandbox>) -> Box<Self> {
        let mut builder = WasiCtxBuilder::new();
        let grants = sandbox.grants();
        for (name, value) in &grants.environment.0 {
            builder.env(name, value);
        }
        let known = Arc::new(network::GrantedAddresses::default());
        // `names` resolves names, without the context.
        let connects = !grants.network.is_empty();
        builder.allow_tcp(connects).allow_udp(connects).allow_ip_name_lookup(false);
        if connects {
            network::guard(&mut builder, Arc::clone(sandbox), Arc::clone(&known));
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut closed = ResourceTable::new();
        closed.set_max_capacity(0);
        Box::new(Self {
            context: builder.build(),
            table,
            closed,
            sockets: HashMap::new(),
            random: random::Sequence::default(),
            known,
            out: Arc::new(stdio::Printer::out(Arc::clone(sandbox))),
            err: Arc::new(stdio::Printer::err(Arc::clone(sandbox))),
        })
    }

    /// Logs the last line that was printed, if it has no line end.
    pub(crate) fn flush(&self) {
        self.out.flush();
        self.err.flush();
    }
}

impl State {
    fn wasi(&mut self) -> &mut Wasi {
        // This is linked only for components that import WASI, whose stores have the state already.
        let Self { wasi, sandbox, .. } = self;
        wasi.get_or_insert_with(|| Wasi::new(sandbox))
    }

    /// The context and table for a call of an interface all of whose functions take or return a
    /// resource. The call is counted, and fails if the limit is exceeded.
    fn wasi_call(&mut self) -> WasiCtxView<'_> {
        let counted = self.host_call();
        let Wasi { context, table, closed, .. } = self.wasi();
        WasiCtxView { ctx: context, table: if counted.is_ok() { table } else { closed } }
    }

    fn cli_call(&mut self) -> WasiCliCtxView<'_> {
        let WasiCtxView { ctx, table } = self.wasi_call();
        WasiCliCtxView { ctx: ctx.cli(), table }
    }

    fn files_call(&mut self) -> WasiFilesystemCtxView<'_> {
        let WasiCtxView { ctx, table } = self.wasi_call();
        WasiFilesystemCtxView { ctx: ctx.filesystem(), table }
    }

    fn sockets_call(&mut self) -> WasiSocketsCtxView<'_> {
        let WasiCtxView { ctx, table } = self.wasi_call();
        WasiSocketsCtxView { ctx: ctx.sockets(), table }
    }
}

/// For interfaces that an application links itself; each call counts.
impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi_call()
    }
}

/// `wasi:io` works on resources alone.
struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// The linker's marker for interfaces that are implemented on [`State`].
type Own = HasSelf<State>;

/// Defines WASI 0.2 and `wasi:otel` in a linker. `resolver` looks up names.
pub(crate) fn add_to_linker(
    linker: &mut Linker<State>,
    resolver: &Arc<dyn Resolve>,
) -> wasmtime::Result<()> {
    let l = linker;
    let options = LinkOptions::default();
    io::error::add_to_linker::<_, Io>(l, |state: &mut State| state.wasi_call().table)?;
    io::poll::add_to_linker::<_, Io>(l, |state: &mut State| state.wasi_call().table)?;
    io::streams::add_to_linker::<_, Io>(l, |state: &mut State| state.wasi_call().table)?;

    wasi_clocks::wall_clock::add_to_linker::<_, Own>(l, |state| state)?;
    wasi_clocks::monotonic_clock::add_to_linker::<_, Own>(l, |state| state)?;
    wasi_random::random::add_to_linker::<_, Own>(l, |state| state)?;
    wasi_random::insecure::add_to_linker::<_, Own>(l, |state| state)?;
    wasi_random::insecure_seed::add_to_linker::<_, Own>(l, |state| state)?;
    cli::environment::add_to_linker::<_, Own>(l, |state| state)?;
    cli::stdout::add_to_linker::<_, Own>(l, |state| state)?;
    cli::stderr::add_to_linker::<_, Own>(l, |state| state)?;
    filesystem::preopens::add_to_linker::<_, Own>(l, |state| state)?;
    sockets::tcp_create_socket::add_to_linker::<_, Own>(l, |state| state)?;
    sockets::udp_create_socket::add_to_linker::<_, Own>(l, |state| state)?;
    names::add_to_linker(l, resolver)?;

    cli::exit::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli_call)?;
    filesystem::types::add_to_linker::<_, files::Files>(l, State::files)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets_call)?;
    sockets::network::add_to_linker::<_, Own>(l, &(&options).into(), |state| state)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets_call)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(l, State::sockets_call)?;
    network::release_sockets(l)?;
    otel::add_to_linker(l)
}
