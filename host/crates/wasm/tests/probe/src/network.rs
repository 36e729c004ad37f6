//! Sockets and name look-ups, by WASI itself.

use std::io;
use std::net::{IpAddr, SocketAddr};

use wasip2::io::streams::StreamError;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::OutgoingDatagram;
use wasip2::sockets::udp_create_socket::create_udp_socket;

fn failed(code: ErrorCode) -> io::Error {
    io::Error::other(format!("{code:?}"))
}

fn family(address: &SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn socket_address(address: &SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) })
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            })
        }
    }
}

fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = resolve_addresses(&instance_network(), name).map_err(failed)?;
    let mut addresses = Vec::new();
    loop {
        match found.resolve_next_address() {
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => addresses.push([a, b, c, d].into()),
            Ok(Some(IpAddress::Ipv6((a, b, c, d, e, f, g, h)))) => {
                addresses.push([a, b, c, d, e, f, g, h].into());
            }
            Ok(None) => return Ok(addresses),
            Err(ErrorCode::WouldBlock) => found.subscribe().block(),
            Err(code) => return Err(failed(code)),
        }
    }
}

pub(crate) fn look_up(name: &str) -> io::Result<String> {
    let found = addresses(name)?;
    Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

/// Connects to the first address that accepts, and returns all that it sends.
pub(crate) fn connect(to: &str) -> io::Result<String> {
    if let Ok(address) = to.parse() {
        return connect_to(&address);
    }
    let (name, port) = to.rsplit_once(':').ok_or_else(|| io::Error::other("no port"))?;
    let port = port.parse().map_err(io::Error::other)?;
    let mut last = io::Error::other("no address");
    for address in addresses(name)? {
        match connect_to(&(address, port).into()) {
            Ok(received) => return Ok(received),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_to(address: &SocketAddr) -> io::Result<String> {
    let socket = create_tcp_socket(family(address)).map_err(failed)?;
    socket.start_connect(&instance_network(), socket_address(address)).map_err(failed)?;
    let (input, _output) = loop {
        match socket.finish_connect() {
            Ok(streams) => break streams,
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Err(code) => return Err(failed(code)),
        }
    };
    let mut received = Vec::new();
    loop {
        match input.blocking_read(4096) {
            Ok(bytes) => received.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(io::Error::other(format!("{error:?}"))),
        }
    }
    Ok(String::from_utf8_lossy(&received).into_owned())
}

/// Sends a datagram, and returns the answer.
pub(crate) fn send(to: &str) -> io::Result<String> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    let socket = create_udp_socket(family(&to)).map_err(failed)?;
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    socket.start_bind(&instance_network(), socket_address(&any)).map_err(failed)?;
    socket.finish_bind().map_err(failed)?;
    let (incoming, outgoing) = socket.stream(None).map_err(failed)?;
    while outgoing.check_send().map_err(failed)? == 0 {
        outgoing.subscribe().block();
    }
    let datagram =
        OutgoingDatagram { data: b"ping".to_vec(), remote_address: Some(socket_address(&to)) };
    outgoing.send(&[datagram]).map_err(failed)?;
    loop {
        let received = incoming.receive(1).map_err(failed)?;
        if let Some(datagram) = received.first() {
            return Ok(String::from_utf8_lossy(&datagram.data).into_owned());
        }
        incoming.subscribe().block();
    }
}

pub(crate) fn listen(at: &str) -> io::Result<String> {
    let at: SocketAddr = at.parse().map_err(io::Error::other)?;
    let socket = create_tcp_socket(family(&at)).map_err(failed)?;
    socket.start_bind(&instance_network(), socket_address(&at)).map_err(failed)?;
    socket.finish_bind().map_err(failed)?;
    socket.start_listen().map_err(failed)?;
    socket.finish_listen().map_err(failed)?;
    Ok("listening".into())
}
