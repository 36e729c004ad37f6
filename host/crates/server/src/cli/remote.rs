//! Where a running host is asked, and by which name and token.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::uri::Authority;
use clap::Args;
use plugbay::Config;
use plugbay::config::ListenAddress;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::failure::Failure;
use super::trust;

/// The largest file of a token, in bytes.
const MAX_TOKEN: u64 = 4096;
/// The variable with a token.
const TOKEN: &str = "PLUGBAY_TOKEN";

/// How a running host is asked.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options for a running host")]
pub(super) struct RemoteArgs {
    /// The host that is asked: an address such as `https://plug1.example:7071` or `unix:/run/plugbay.sock`, or a name
    /// in the file of hosts (`PLUGBAY_HOSTS`, otherwise ~/.config/plugbay/hosts.toml) [default: admin.listen of the
    /// configuration]
    #[arg(long, global = true, value_name = "HOST", env = "PLUGBAY_HOST", hide_env_values = true)]
    pub(super) host: Option<String>,

    /// The file of the token for the host. `PLUGBAY_TOKEN` may hold the token itself
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,

    /// The authorities by which the host's certificate is checked, as PEM [default: it must be the one of the
    /// configuration]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,

    /// The certificate of this client and its key, as PEM, for a host with `admin.tls.client_ca`
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) identity: Option<PathBuf>,
}

/// By what a certificate is checked, and the name that it must have.
type Tls = (Arc<ClientConfig>, ServerName<'static>);

/// A running host, as it is asked.
#[derive(Clone)]
pub(super) struct Remote {
    address: Address,
    tls: Option<Tls>,
    /// `Authorization`.
    pub(super) token: Option<HeaderValue>,
}

/// The files by which a host and this client know each other.
#[derive(Clone, Copy, Default)]
pub(super) struct Files<'a> {
    pub(super) token: Option<&'a Path>,
    pub(super) ca: Option<&'a Path>,
    pub(super) identity: Option<&'a Path>,
}

/// By what the certificate of a data plane is checked.
#[derive(Clone, Copy, Default)]
pub(super) struct DataTls<'a> {
    pub(super) ca: Option<&'a Path>,
    pub(super) certificate: Option<&'a Path>,
}

#[derive(Clone)]
enum Address {
    Tcp(Authority, u16),
    #[cfg(unix)]
    Unix(PathBuf),
}

/// As the operator would write it.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, &self.tls) {
            (Address::Tcp(authority, _), Some(_)) => write!(f, "https://{authority}"),
            (Address::Tcp(authority, _), None) => authority.fmt(f),
            #[cfg(unix)]
            (Address::Unix(path), _) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Remote {
    /// The host at this address.
    pub(super) fn at(text: &str, files: Files<'_>) -> Result<Self, Failure> {
        let (address, scheme) = parse(text)?;
        Self::new(address, scheme, files, None)
    }

    /// The host of the configuration; `None` if it has no admin plane, or none with an address that is known.
    pub(super) fn of(config: &Config, files: Files<'_>) -> Result<Option<Self>, Failure> {
        let Some((address, scheme)) = configured(config) else { return Ok(None) };
        let pinned = config.admin.tls.as_ref().map(|tls| tls.certificate.as_path());
        Self::new(address, scheme, files, pinned).map(Some)
    }

    /// The data plane at this address of the machine of `admin`, which needs no token. With TLS its certificate is
    /// checked by the authorities in `ca`, or must be the one in `certificate`.
    pub(super) fn data_plane(
        address: &ListenAddress,
        admin: Option<&Self>,
        tls: Option<DataTls<'_>>,
    ) -> Result<Self, Failure> {
        let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
        let wrong = || Failure::usage(format!("expected a port or a Unix socket, found {address}"));
        let (address, scheme) = match (address.tcp(), admin.map(|admin| &admin.address)) {
            // It stands for all addresses of the machine.
            (Some(data), Some(Address::Tcp(authority, _))) if data.ip().is_unspecified() => {
                let authority = format!("{}:{}", authority.host(), data.port());
                (Address::Tcp(authority.parse().map_err(|_| wrong())?, data.port()), scheme)
            }
            _ => reached(address, scheme).ok_or_else(wrong)?,
        };
        let DataTls { ca, certificate } = tls.unwrap_or_default();
        let files = Files { ca, ..Files::default() };
        let tls = Self::tls(&address, scheme, files, certificate)?;
        Ok(Self { address, tls, token: None })
    }

    fn new(
        address: Address,
        scheme: Scheme,
        files: Files<'_>,
        pinned: Option<&Path>,
    ) -> Result<Self, Failure> {
        let tls = Self::tls(&address, scheme, files, pinned)?;
        let remote = Self { address, tls, token: token(files.token)? };
        if remote.token.is_some() && remote.is_exposed() {
            return Err(Failure::usage(format!(
                "expected https:// for another machine, found http:// at {remote}"
            ))
            .hint("the token could be read on its way"));
        }
        Ok(remote)
    }

    fn tls(
        address: &Address,
        scheme: Scheme,
        files: Files<'_>,
        pinned: Option<&Path>,
    ) -> Result<Option<Tls>, Failure> {
        match (address, scheme) {
            (Address::Tcp(authority, _), Scheme::Https) => {
                let trusted = trust::client(files.ca, pinned, files.identity)?;
                Ok(Some((trusted, server_name(authority)?)))
            }
            _ => Ok(None),
        }
    }

    /// Whether others could read what is sent.
    fn is_exposed(&self) -> bool {
        match &self.address {
            Address::Tcp(authority, _) if self.tls.is_none() => {
                let host = bare(authority);
                let ip = host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
                !ip && !host.eq_ignore_ascii_case("localhost")
            }
            _ => false,
        }
    }

    /// The value of `Host`.
    pub(super) fn host(&self) -> String {
        match &self.address {
            Address::Tcp(authority, _) => authority.to_string(),
            #[cfg(unix)]
            Address::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Connects; the outer error is that nobody listens there.
    pub(super) async fn connect(&self) -> io::Result<io::Result<Box<dyn Stream>>> {
        let (authority, port) = match &self.address {
            Address::Tcp(authority, port) => (authority, *port),
            #[cfg(unix)]
            Address::Unix(path) => {
                return Ok(Ok(Box::new(tokio::net::UnixStream::connect(path).await?)));
            }
        };
        let stream = TcpStream::connect((bare(authority), port)).await?;
        let Some((config, name)) = &self.tls else { return Ok(Ok(Box::new(stream))) };
        let connector = TlsConnector::from(Arc::clone(config));
        let secured = connector.connect(name.clone(), stream).await;
        Ok(secured.map(|stream| Box::new(stream) as Box<dyn Stream>))
    }
}

/// A stream to the admin plane.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// The host of an authority, without the brackets of an IPv6 address.
fn bare(authority: &Authority) -> &str {
    authority.host().trim_matches(['[', ']'])
}

fn server_name(authority: &Authority) -> Result<ServerName<'static>, Failure> {
    ServerName::try_from(bare(authority).to_owned())
        .map_err(|_| Failure::usage(format!("expected the name of a machine, found {authority}")))
}

/// The address at which the admin plane of the configuration is asked: the first one.
fn configured(config: &Config) -> Option<(Address, Scheme)> {
    let address = config.admin.listen.first()?;
    if !config.admin.enabled || address.is_any_port() {
        return None;
    }
    let scheme = if config.admin.tls.is_some() { Scheme::Https } else { Scheme::Http };
    reached(address, scheme)
}

/// Where a client reaches a plane that listens on this address.
fn reached(address: &ListenAddress, scheme: Scheme) -> Option<(Address, Scheme)> {
    match address {
        ListenAddress::Tcp(address) => {
            let mut address = *address;
            // Every address of this machine: one of them is enough.
            if address.ip().is_unspecified() {
                address.set_ip(match address.ip() {
                    IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                });
            }
            let authority = address.to_string().parse().ok()?;
            Some((Address::Tcp(authority, address.port()), scheme))
        }
        #[cfg(unix)]
        ListenAddress::Unix(path) => Some((Address::Unix(path.clone()), Scheme::Http)),
        _ => None,
    }
}

/// An address of the command line.
fn parse(text: &str) -> Result<(Address, Scheme), Failure> {
    #[cfg(unix)]
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok((Address::Unix(path.into()), Scheme::Http));
    }
    let wrong = || {
        // Not repeated: it may have a password.
        Failure::usage("expected the address of a host (--host), found another text")
            .hint("write https://NAME:PORT, http://127.0.0.1:PORT or unix:/PATH")
    };
    let (scheme, rest, default) = match text.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest, 443),
        Some(("http", rest)) => (Scheme::Http, rest, 80),
        Some(_) => return Err(wrong()),
        None => (Scheme::Http, text, 7071),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority: Authority = rest.parse().map_err(|_| wrong())?;
    if rest.contains('@') || authority.host().is_empty() {
        return Err(wrong());
    }
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => default,
        _ => authority.port_u16().ok_or_else(wrong)?,
    };
    Ok((Address::Tcp(authority, port), scheme))
}

/// The header field of the token in the file, or of the one in the environment.
fn token(file: Option<&Path>) -> Result<Option<HeaderValue>, Failure> {
    let (text, place) = match file {
        Some(file) => {
            let failed = |error| Failure::usage(format!("cannot read {}: {error}", file.display()));
            let mut text = String::new();
            let opened = File::open(file).map_err(failed)?;
            opened.take(MAX_TOKEN).read_to_string(&mut text).map_err(failed)?;
            (text, file.display().to_string())
        }
        None => match std::env::var(TOKEN) {
            Ok(text) => (text, TOKEN.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(_) => return Err(wrong_token(TOKEN)),
        },
    };
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong_token(&place));
    }
    let mut value =
        HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| wrong_token(&place))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn wrong_token(place: &str) -> Failure {
    Failure::usage(format!("expected one token in {place}, found something else"))
        .hint("`plugbay token new NAME --role viewer` makes one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts_are_read() {
        for (text, host, port, scheme) in [
            ("https://plug1.example", "plug1.example", 443, Scheme::Https),
            ("https://plug1.example:7071/", "plug1.example:7071", 7071, Scheme::Https),
            ("http://127.0.0.1:80", "127.0.0.1:80", 80, Scheme::Http),
            ("localhost", "localhost", 7071, Scheme::Http),
            ("https://[::1]:7071", "[::1]:7071", 7071, Scheme::Https),
            ("[::1]", "[::1]", 7071, Scheme::Http),
        ] {
            let (Address::Tcp(authority, found), as_found) = parse(text).unwrap() else {
                panic!("{text}");
            };
            assert!(as_found == scheme, "{text}");
            assert_eq!((authority.as_str(), found), (host, port), "{text}");
        }
        for bad in [
            "",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://me:hunter2@a",
            "a:b",
            "a:99999",
            "https:///",
        ] {
            let Err(failure) = parse(bad) else { panic!("{bad}") };
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_data_plane_on_all_interfaces_is_reached_at_the_admin_planes() {
        let at = |data: &str, admin: Option<&str>| {
            let admin = admin.map(|text| Remote::at(text, Files::default()).unwrap());
            let remote = Remote::data_plane(&data.parse().unwrap(), admin.as_ref(), None);
            remote.unwrap().to_string()
        };
        assert_eq!(at("0.0.0.0:7070", Some("10.1.2.3")), "10.1.2.3:7070");
        assert_eq!(at("0.0.0.0:7070", Some("http://a.example:1")), "a.example:7070");
        assert_eq!(at("[::]:7070", Some("[::1]:7071")), "[::1]:7070");
        assert_eq!(at("0.0.0.0:7070", None), "127.0.0.1:7070");
        assert_eq!(at("[::]:7070", None), "[::1]:7070");
        assert_eq!(at("127.0.0.1:7070", Some("10.1.2.3")), "127.0.0.1:7070");
    }

    #[test]
    fn a_token_is_not_sent_where_others_could_read_it() {
        let exposed = |text: &str| {
            let (address, _) = parse(text).unwrap();
            Remote { address, tls: None, token: None }.is_exposed()
        };
        for safe in ["http://127.0.0.1:1", "http://localhost", "http://[::1]:1", "unix:/a"] {
            assert!(!exposed(safe), "{safe}");
        }
        for other in ["http://10.0.0.1", "http://a.example", "http://localhost.example"] {
            assert!(exposed(other), "{other}");
        }
    }
}
