//! The connection of a check.

use std::net::IpAddr;

use tokio::net::{TcpStream, lookup_host};

use super::address::refused;
use super::settings::CheckSettings;
use crate::wire::Host;

/// Connects to a port of an endpoint. A name is resolved at each check, and it is the address that is
/// judged, so that a name cannot lead elsewhere.
pub(super) async fn connect(
    host: &Host,
    port: u16,
    settings: CheckSettings,
) -> Result<TcpStream, String> {
    let addresses: Vec<IpAddr> = match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => {
            let found = lookup_host((&**name, port)).await;
            let found = found.map_err(|error| format!("cannot resolve {name}: {error}"))?;
            found.map(|address| address.ip()).collect()
        }
    };
    let mut last = format!("expected an address of {host}, found none");
    for address in addresses {
        if let Some(reason) = refused(address, settings) {
            last = format!("{address}: {reason}");
            continue;
        }
        match TcpStream::connect((address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("cannot connect to {}: {error}", host.authority(port)),
        }
    }
    Err(last)
}
