//! The addresses to which an instance may connect: those that its grants cover, and those to which
//! a granted name resolved when this instance looked it up. The check is of the address, not of the
//! name, so that a name which resolves differently later changes nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use plugbay_core::Grant;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{Network, SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView};

use super::{Wasi, address};
use crate::sandbox::grants::{OpenPermit, Sandbox};
use crate::sandbox::state::State;

/// The most addresses that are kept for an instance; when it is exceeded, all are dropped.
const MAX_ADDRESSES: usize = 1024;

/// The addresses to which granted names resolved, and the ports of these grants.
#[derive(Debug, Default)]
pub(super) struct GrantedAddresses(Mutex<HashMap<IpAddr, Vec<Option<u16>>>>);

impl GrantedAddresses {
    /// Adds an address.
    pub(super) fn add(&self, address: IpAddr, ports: &[Option<u16>]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ADDRESSES && !known.contains_key(&address) {
            known.clear();
        }
        let granted = known.entry(address).or_default();
        for port in ports {
            if !granted.contains(port) {
                granted.push(*port);
            }
        }
    }

    fn covers(&self, to: SocketAddr) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ports = known.get(&address::canonical(to.ip()));
        ports.is_some_and(|ports| ports.iter().any(|port| address::covers_port(*port, to.port())))
    }
}

/// Installs the check of each address before a socket uses it.
pub(super) fn guard(
    builder: &mut WasiCtxBuilder,
    sandbox: Arc<Sandbox>,
    known: Arc<GrantedAddresses>,
) {
    builder.socket_addr_check(move |to, usage| {
        let allowed = check(&sandbox, &known, to, usage);
        Box::pin(std::future::ready(allowed))
    });
}

fn check(
    sandbox: &Sandbox,
    known: &GrantedAddresses,
    to: SocketAddr,
    usage: SocketAddrUse,
) -> bool {
    let granted = || {
        let grants = &sandbox.grants().network;
        let mut covering = grants.iter().filter(|grant| address::covers(grant, to.ip()));
        covering.any(|grant| address::covers_port(grant.port, to.port())) || known.covers(to)
    };
    let (allowed, tried) = match usage {
        SocketAddrUse::TcpConnect => (granted(), "connect to"),
        SocketAddrUse::UdpSend => (granted(), "send to"),
        // A datagram from another address is dropped; that is not a use by the plugin.
        SocketAddrUse::UdpReceive => return granted(),
        // A socket is bound to any address and a port of the system's choice before it connects.
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
            (to.ip().is_unspecified() && to.port() == 0, "bind")
        }
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => (false, "listen on"),
    };
    if !allowed {
        sandbox.deny(Grant::Network, format_args!("{tried} {to}"));
    }
    allowed
}

impl State {
    /// The context to make a socket, and the permit to have it open. Without a grant of the network
    /// the socket cannot connect, and the use is counted as denied.
    fn socket(&mut self, tried: &str) -> SocketResult<(WasiSocketsCtxView<'_>, OpenPermit)> {
        self.host_call().map_err(SocketError::trap)?;
        if self.sandbox.grants().network.is_empty() {
            self.sandbox.deny(Grant::Network, tried);
        }
        let permit = self.sandbox.open_permit().ok_or(ErrorCode::NewSocketLimit)?;
        let Wasi { context, table, .. } = self.wasi();
        Ok((WasiSocketsCtxView { ctx: context.sockets(), table }, permit))
    }

    fn keep<T: 'static>(&mut self, socket: Resource<T>, permit: OpenPermit) -> Resource<T> {
        self.wasi().sockets.insert(socket.rep(), permit);
        socket
    }

    /// Deletes a socket that the guest has dropped; its streams are gone already.
    fn end_socket<T: Send + 'static>(&mut self, index: u32) -> wasmtime::Result<()> {
        self.host_call()?;
        let Wasi { table, sockets, .. } = self.wasi();
        table.delete(Resource::<T>::new_own(index))?;
        sockets.remove(&index);
        Ok(())
    }
}

/// Replaces the destructors of wasmtime-wasi's sockets by ones that release the permit.
pub(super) fn release_sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Call<'a> = StoreContextMut<'a, State>;
    linker.allow_shadowing(true);
    linker.instance("wasi:sockets/tcp@0.2.12")?.resource(
        "tcp-socket",
        ResourceType::host::<TcpSocket>(),
        |mut store: Call<'_>, index| store.data_mut().end_socket::<TcpSocket>(index),
    )?;
    linker.instance("wasi:sockets/udp@0.2.12")?.resource(
        "udp-socket",
        ResourceType::host::<UdpSocket>(),
        |mut store: Call<'_>, index| store.data_mut().end_socket::<UdpSocket>(index),
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Error codes, for the two interfaces below.
impl network::Host for State {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets_call(), error)
    }
}

impl network::HostNetwork for State {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets_call(), network)
    }
}

impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let (mut view, permit) = self.socket("open a TCP socket")?;
        let socket = tcp_create_socket::Host::create_tcp_socket(&mut view, family)?;
        Ok(self.keep(socket, permit))
    }
}

impl udp_create_socket::Host for State {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        let (mut view, permit) = self.socket("open a UDP socket")?;
        let socket = udp_create_socket::Host::create_udp_socket(&mut view, family).await?;
        Ok(self.keep(socket, permit))
    }
}

#[cfg(test)]
mod tests {
    use plugbay_core::{Grants, HostPattern, Identity, NetworkGrant, Policy, Unobserved};

    use super::*;
    use crate::sandbox::folders::Folders;
    use SocketAddrUse::{TcpAccept, TcpBind, TcpConnect, TcpListen, UdpReceive, UdpSend};

    fn sandbox(network: Vec<NetworkGrant>) -> Sandbox {
        let grants = Grants { network, ..Grants::default() };
        let identity = Identity::new("p", &semver::Version::new(1, 0, 0));
        let policy = Policy { grants, ..Policy::default() };
        Sandbox::new(identity, &policy, Folders::default(), Arc::new(Unobserved))
    }

    #[test]
    fn connections_go_where_a_grant_or_a_granted_name_leads() {
        let loopback = NetworkGrant { host: HostPattern::Loopback, port: Some(80) };
        let (sandbox, known) = (sandbox(vec![loopback]), GrantedAddresses::default());
        known.add("10.0.0.1".parse().unwrap(), &[Some(443)]);
        let may = |to: &str, usage| check(&sandbox, &known, to.parse().unwrap(), usage);
        assert!(may("127.0.0.1:80", TcpConnect) && may("[::1]:80", UdpSend));
        assert!(!may("127.0.0.1:81", TcpConnect) && !may("169.254.169.254:80", TcpConnect));
        assert!(may("10.0.0.1:443", TcpConnect) && may("[::ffff:10.0.0.1]:443", TcpConnect));
        assert!(!may("10.0.0.1:80", TcpConnect) && !may("10.0.0.2:443", TcpConnect));
        assert!(may("0.0.0.0:0", TcpBind) && may("[::]:0", TcpBind));
        assert!(!may("127.0.0.1:0", TcpBind) && !may("0.0.0.0:8080", TcpBind));
        assert!(!may("0.0.0.0:0", TcpListen) && !may("127.0.0.1:80", TcpAccept));
        let before = sandbox.denied_counts()["network"];
        assert!(!may("9.9.9.9:53", UdpReceive));
        assert_eq!(sandbox.denied_counts()["network"], before);
    }
}
