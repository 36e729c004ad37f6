//! `wasi:sockets/ip-name-lookup`: only granted names are looked up, and internal addresses are left
//! out of the answer, since others may control what a name resolves to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;

use plugbay_core::{Grant, HostPattern};
use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress};
use wasmtime_wasi::p2::{DynPollable, Network};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::{Pollable, subscribe};

use super::{Wasi, address, network::GrantedAddresses};
use crate::sandbox::grants::Sandbox;
use crate::sandbox::state::State;

/// Looks up names. Called on a thread that may block.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a host; `name` is in lower case and has no dot at its end.
    ///
    /// # Errors
    ///
    /// If there is no such host, or no resolver answers.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

impl Resolve for System {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

type Found = Result<vec::IntoIter<IpAddr>, ErrorCode>;

/// A look-up of a name.
enum Lookup {
    InProgress(JoinHandle<Found>),
    Done(Found),
}

impl Lookup {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<&mut Found> {
        if let Self::InProgress(task) = self {
            let Poll::Ready(found) = Pin::new(task).poll(context) else { return Poll::Pending };
            *self = Self::Done(found.unwrap_or(Err(ErrorCode::TemporaryResolverFailure)));
        }
        match self {
            Self::Done(found) => Poll::Ready(found),
            Self::InProgress(_) => Poll::Pending,
        }
    }
}

#[async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        std::future::poll_fn(|context| self.poll(context).map(drop)).await;
    }
}

/// Starts to look up a name.
fn start(
    resolve: &Arc<dyn Resolve>,
    sandbox: &Arc<Sandbox>,
    known: &Arc<GrantedAddresses>,
    requested: &str,
) -> Lookup {
    if let Some(literal) = literal(requested) {
        // The guest knows the address already; whether it may connect is checked when it does.
        return Lookup::Done(Ok(vec![literal].into_iter()));
    }
    let Some(name) = address::normalized(requested) else {
        return Lookup::Done(Err(ErrorCode::InvalidArgument));
    };
    let grants = &sandbox.grants().network;
    if name == "localhost" && grants.iter().any(|it| it.host == HostPattern::Loopback) {
        let own = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Lookup::Done(Ok(own.into_iter()));
    }
    let granted = grants.iter().filter(|grant| address::covers_name(grant, &name));
    let ports: Vec<Option<u16>> = granted.map(|grant| grant.port).collect();
    if ports.is_empty() {
        sandbox.deny(Grant::Network, format_args!("look up {name}"));
        return Lookup::Done(Err(ErrorCode::AccessDenied));
    }
    let Ok(permit) = Arc::clone(&sandbox.lookups).try_acquire_owned() else {
        return Lookup::Done(Err(ErrorCode::TemporaryResolverFailure));
    };
    let (resolve, sandbox) = (Arc::clone(resolve), Arc::clone(sandbox));
    let known = Arc::clone(known);
    Lookup::InProgress(tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let found = resolve.resolve(&name).map_err(|_error| ErrorCode::NameUnresolvable)?;
        let allowed = allowed(&sandbox, &known, &name, found, &ports);
        if allowed.is_empty() { Err(ErrorCode::NameUnresolvable) } else { Ok(allowed.into_iter()) }
    }))
}

/// The address, if the requested name is one.
fn literal(requested: &str) -> Option<IpAddr> {
    let in_brackets = requested.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = in_brackets.unwrap_or(requested);
    bare.parse().ok()
}

/// The addresses of a granted name to which the plugin may connect; they are recorded in `known`.
fn allowed(
    sandbox: &Sandbox,
    known: &GrantedAddresses,
    name: &str,
    found: Vec<IpAddr>,
    ports: &[Option<u16>],
) -> Vec<IpAddr> {
    let mut allowed = Vec::with_capacity(found.len());
    for found in found.into_iter().map(address::canonical) {
        if !address::is_internal(found) {
            known.add(found, ports);
        } else if !sandbox.grants().network.iter().any(|grant| address::covers(grant, found)) {
            sandbox.deny(Grant::Network, format_args!("reach {found} by the name {name}"));
            continue;
        }
        allowed.push(found);
    }
    allowed
}

type Call<'a> = StoreContextMut<'a, State>;

/// Defines the interface in a linker.
pub(super) fn add_to_linker(
    linker: &mut Linker<State>,
    resolve: &Arc<dyn Resolve>,
) -> wasmtime::Result<()> {
    let resolve = Arc::clone(resolve);
    let mut names = linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?;
    names.resource(
        "resolve-address-stream",
        ResourceType::host::<Lookup>(),
        |mut store: Call<'_>, index| {
            let state = store.data_mut();
            state.host_call()?;
            state.wasi().table.delete(Resource::<Lookup>::new_own(index))?;
            Ok(())
        },
    )?;
    names.func_wrap(
        "resolve-addresses",
        move |mut store: Call<'_>, (network, name): (Resource<Network>, String)| {
            let state = store.data_mut();
            state.host_call()?;
            let sandbox = Arc::clone(&state.sandbox);
            let Wasi { table, known, .. } = state.wasi();
            table.get(&network)?;
            Ok((match start(&resolve, &sandbox, known, &name) {
                Lookup::Done(Err(error)) => Err(error),
                lookup => Ok(table.push(lookup)?),
            },))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: Call<'_>, (lookup,): (Resource<Lookup>,)| {
            let state = store.data_mut();
            state.host_call()?;
            let lookup = state.wasi().table.get_mut(&lookup)?;
            Ok((match lookup.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => Err(ErrorCode::WouldBlock),
                Poll::Ready(Ok(found)) => Ok(found.next().map(IpAddress::from)),
                Poll::Ready(Err(error)) => Err(*error),
            },))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: Call<'_>, (lookup,): (Resource<Lookup>,)| {
            let state = store.data_mut();
            state.host_call()?;
            let pollable: Resource<DynPollable> = subscribe(&mut state.wasi().table, lookup)?;
            Ok((pollable,))
        },
    )
}
