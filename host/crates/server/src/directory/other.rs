//! The client of another directory, by `[discovery] directory` of the configuration.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use plugbay::config::DiscoverySettings;
use plugbay_discovery::client::Client;
use plugbay_discovery::client::bootstrap::{Address, Bootstrap};

use crate::bind_error::BindError;
use crate::tls;

/// How long each address may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest file of a token, in bytes.
const MAX_TOKEN: u64 = 4096;

/// The client of the directory that the configuration names; `None` if it names none. `token` is used if it names no
/// file of a token.
pub(super) async fn client(
    settings: &DiscoverySettings,
    token: Option<&str>,
) -> Result<Option<Client>, BindError> {
    let DiscoverySettings { directory, token_file, ca, .. } = settings;
    if directory.is_empty() {
        return Ok(None);
    }
    let wrong = |problem: String| BindError::OtherDirectory(problem);
    let addresses: Result<Vec<Address>, _> = directory.iter().map(|it| it.parse()).collect();
    let addresses = addresses.map_err(|error| wrong(error.to_string()))?;
    let token = if token_file.as_os_str().is_empty() {
        token.map(|token| token.trim().to_owned())
    } else {
        let read = read_token(token_file);
        Some(read.map_err(|error| wrong(format!("cannot read {}: {error}", token_file.display())))?)
    };
    // A process that is replaced, or was killed, may still be registered at the address of this one.
    let mut builder = Client::builder().timeout(TIMEOUT).take_over_addresses();
    builder = builder.bootstrap(Bootstrap::default().explicit(&directory.join(",")));
    if let Some(token) = token {
        if let Some(open) = addresses.iter().find(|address| !address.is_tls() && !is_local(address))
        {
            return Err(wrong(format!(
                "expected https:// for {open}, found http://: the token could be read on its way"
            )));
        }
        builder = builder.token(&token);
    }
    if addresses.iter().any(Address::is_tls) {
        if ca.as_os_str().is_empty() {
            return Err(wrong("expected discovery.ca for https://, found none".to_owned()));
        }
        let roots = tls::trusting(ca);
        let roots = roots.map_err(|source| BindError::Tls { key: "discovery.ca", source })?;
        builder = builder.tls(roots);
    }
    builder.build().await.map(Some).map_err(|error| wrong(error.to_string()))
}

fn read_token(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_TOKEN).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Whether nobody beyond this machine can read what is sent there.
fn is_local(address: &Address) -> bool {
    let host = address.authority().rsplit_once(':').map_or(address.authority(), |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    let is_loopback =
        host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost")
}
