//! WASI 0.2 as a plugin sees it: nothing is in reach unless its grants say so.
//!
//! What a plugin lacks the grant for does not trap: it finds no folders and no variables, its
//! clocks stand still, its random numbers are the same each time, what it prints is dropped,
//! and it reaches no machine. Each such use is counted, and reported to the plugin's observer.
//!
//! Small interfaces are written here, on [`State`] itself. Of large ones only the way in is
//! ours ([`State::wasi_call`]), and the rest is wasmtime-wasi's. Files are between the two: what
//! they do is wasmtime-wasi's, what they hold is counted here, and the work is done on threads
//! that may block.
//!
//! # What is deliberately absent
//!
//! No plugin listens on a port or inherits anything of the host's process. No name is resolved
//! that no grant names.

mod address;
mod blocking;
mod clocks;
mod environment;
mod file_streams;
mod files;
mod listing;
mod names;
mod network;
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

pub use names::Resolve;
pub(crate) use names::System;

/// What one instance holds of the host.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    /// A table with no room: it stands for `table` once the plugin called the host too often, so that
    /// its next use of a resource fails.
    closed: ResourceTable,
    /// What sockets count, by where they are in the table.
    sockets: HashMap<u32, OpenPermit>,
    random: random::Sequence,
    known: Arc<network::GrantedAddresses>,
    out: Arc<stdio::Printer>,
    err: Arc<stdio::Printer>,
}

impl Wasi {
    /// What an instance needs of WASI, if its component imports it.
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
        // Names are resolved by `names`, which asks nothing of the context.
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

    /// Writes what was printed without a line's end.
    pub(crate) fn flush(&self) {
        self.out.flush();
        self.err.flush();
    }
}

impl State {
    fn wasi(&mut self) -> &mut Wasi {
        // Linked only for components that import WASI, whose stores all have it.
        let Self { wasi, sandbox, .. } = self;
        wasi.get_or_insert_with(|| Wasi::new(sandbox))
    }

    /// A call of an interface all of whose functions take or return a resource: it is counted, and
    /// fails if it is one too many.
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

/// What is written here, on the store's own data.
type Own = HasSelf<State>;

/// Defines WASI 0.2 in a linker. `resolver` looks up names.
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
    network::release_sockets(l)
}
