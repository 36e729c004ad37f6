//! How the directory checks an endpoint.

use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::fields::{Fields, integer, kind, string};
use super::{Host, Invalid, bounds, seconds};

/// What a check does. It has no host of its own: the directory checks an endpoint at the endpoint's
/// host only, so that nobody can make it send requests elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `GET` of a path by HTTP/1.1: 2xx passes, 429 is a warning, all else fails. Redirects are not
    /// followed.
    Http {
        /// At which port.
        port: NonZeroU16,
        /// The path, with the query if there is one.
        path: String,
    },
    /// A connection by TCP passes.
    Tcp {
        /// At which port.
        port: NonZeroU16,
    },
    /// `grpc.health.v1.Health/Check` by HTTP/2 without TLS: `SERVING` passes.
    Grpc {
        /// At which port.
        port: NonZeroU16,
        /// The name of the gRPC service; empty for the whole server.
        service: String,
    },
}

/// A check: what it does, how often, and how many results it takes for a change of the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Written")]
pub struct CheckSpec {
    /// What it does.
    pub probe: Probe,
    /// The time from the end of one check to the beginning of the next, ±10 %. Default 10 s.
    pub interval: Duration,
    /// After which time a check has failed. Default 5 s.
    pub timeout: Duration,
    /// Checks in a row that must fail before the endpoint is critical. Default 3.
    pub fall: u32,
    /// Checks in a row that must pass before a critical endpoint is passing again. Default 2.
    pub rise: u32,
    /// After how much time in a row as critical the endpoint is deregistered; by default never.
    pub deregister_after: Option<Duration>,
}

impl CheckSpec {
    /// A check with the default times and numbers.
    #[must_use]
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            fall: 3,
            rise: 2,
            deregister_after: None,
        }
    }

    /// Reads a check of the endpoint at `at`. Without it, as in what a directory wrote, the check
    /// names its port itself.
    pub(super) fn read(
        value: Value,
        at: Option<(&Host, NonZeroU16)>,
        invalid: &mut Invalid,
    ) -> Option<Self> {
        let value = match value {
            Value::String(url) => serde_json::json!({ "http": url }),
            other => other,
        };
        let mut fields = Fields::of(value, "check.", invalid);
        let port = fields.read("port", port).or(at.map(|(_, port)| port));
        let http = fields.take("http");
        let tcp = fields.take("tcp");
        let grpc = fields.take("grpc");
        let probe = match (http, tcp, grpc) {
            (Some(http), None, None) => {
                let read = string(&http).and_then(|text| read_http(text, at, port));
                fields.invalid().keep("check.http", read)
            }
            (None, Some(tcp), None) => {
                let read = read_tcp(&tcp, at, port);
                fields.invalid().keep("check.tcp", read)
            }
            (None, None, Some(grpc)) => {
                let read = string(&grpc).and_then(|service| {
                    bounds::text(service, bounds::MAX_PATH)?;
                    let port = port.ok_or_else(no_port)?;
                    Ok(Probe::Grpc { port, service: service.into() })
                });
                fields.invalid().keep("check.grpc", read)
            }
            (http, tcp, grpc) => {
                let found = [http, tcp, grpc].iter().flatten().count();
                let detail = format!("expected one of http, tcp and grpc, found {found} of them");
                fields.invalid().add("check", detail);
                None
            }
        };
        let time = |bounds: bounds::Bounds| move |it: &Value| bounds.check(seconds::read(it)?);
        let number = |it: &Value| integer(it, 1, bounds::MAX_STREAK);
        let interval = fields.read("interval", time(bounds::INTERVAL));
        let timeout = fields.read("timeout", time(bounds::TIMEOUT));
        let fall = fields.read("fall", number);
        let rise = fields.read("rise", number);
        let deregister_after = fields.read("deregister_after", time(bounds::DEREGISTER_AFTER));
        fields.finish();
        let default = Self::new(probe?);
        let small = |number: Option<u64>| number.and_then(|it| u32::try_from(it).ok());
        Some(Self {
            interval: interval.unwrap_or(default.interval),
            timeout: timeout.unwrap_or(default.timeout),
            fall: small(fall).unwrap_or(default.fall),
            rise: small(rise).unwrap_or(default.rise),
            deregister_after,
            ..default
        })
    }
}

pub(super) fn port(value: &Value) -> Result<NonZeroU16, String> {
    let number = integer(value, 1, u64::from(u16::MAX))?;
    u16::try_from(number).ok().and_then(NonZeroU16::new).ok_or_else(no_port)
}

fn no_port() -> String {
    "expected a port".into()
}

/// A path, or the URL of a path at the endpoint's own host.
fn read_http(
    text: &str,
    at: Option<(&Host, NonZeroU16)>,
    port: Option<NonZeroU16>,
) -> Result<Probe, String> {
    let (port, path) = match text.strip_prefix("http://") {
        None => (port.ok_or_else(no_port)?, text),
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let path = if path.is_empty() { "/" } else { path };
            (own_port(authority, 80, at)?, path)
        }
    };
    if !path.starts_with('/') {
        let found = super::invalid::shortened(text);
        return Err(format!(
            "expected a path that begins with /, or a URL with http://; found {found}"
        ));
    }
    let good = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if path.len() > bounds::MAX_PATH || !path.bytes().all(good) {
        let most = bounds::MAX_PATH;
        return Err(format!(
            "expected a path of at most {most} printable ASCII characters without # and spaces"
        ));
    }
    Ok(Probe::Http { port, path: path.into() })
}

/// `true` for the endpoint's own port, or its host with another port.
fn read_tcp(
    value: &Value,
    at: Option<(&Host, NonZeroU16)>,
    port: Option<NonZeroU16>,
) -> Result<Probe, String> {
    let port = match value {
        Value::Bool(true) => port.ok_or_else(no_port)?,
        Value::String(authority) => own_port(authority, 0, at)?,
        other => return Err(format!("expected true or HOST:PORT, found {}", kind(other))),
    };
    Ok(Probe::Tcp { port })
}

/// The port of an authority whose host is the endpoint's own.
fn own_port(
    authority: &str,
    default: u16,
    at: Option<(&Host, NonZeroU16)>,
) -> Result<NonZeroU16, String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            (host, port.parse().ok().filter(|_| digits))
        }
        _ => (authority, Some(default)),
    };
    let port =
        port.and_then(NonZeroU16::new).ok_or("expected a port from 1 to 65535 after the host")?;
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    match (bare.parse::<Host>(), at) {
        (Ok(host), Some((own, _))) if host == *own => Ok(port),
        (_, own) => {
            let own = own.map_or_else(|| "itself".into(), |(own, _)| format!("{own}"));
            let found = super::invalid::shortened(bare);
            Err(format!(
                "expected the endpoint's own host, {own}, because the directory checks no other; found {found}"
            ))
        }
    }
}

/// How the directory checks an endpoint: one of `http`, `tcp` and `grpc`. Times are in seconds.
#[derive(Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub(super) struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<String>,
    #[cfg_attr(feature = "server", schema(value_type = u16, minimum = 1, required = false))]
    port: NonZeroU16,
    #[serde(serialize_with = "seconds::serialize")]
    #[cfg_attr(feature = "server", schema(value_type = f64, default = 10, required = false))]
    interval: Duration,
    #[serde(serialize_with = "seconds::serialize")]
    #[cfg_attr(feature = "server", schema(value_type = f64, default = 5, required = false))]
    timeout: Duration,
    #[cfg_attr(feature = "server", schema(default = 3, required = false))]
    fall: u32,
    #[cfg_attr(feature = "server", schema(default = 2, required = false))]
    rise: u32,
    #[serde(
        serialize_with = "seconds::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "server", schema(value_type = Option<f64>))]
    deregister_after: Option<Duration>,
}

impl From<CheckSpec> for Written {
    fn from(check: CheckSpec) -> Self {
        let (mut http, mut tcp, mut grpc) = (None, None, None);
        let port = match check.probe {
            Probe::Http { port, path } => {
                http = Some(path);
                port
            }
            Probe::Tcp { port } => {
                tcp = Some(true);
                port
            }
            Probe::Grpc { port, service } => {
                grpc = Some(service);
                port
            }
        };
        let CheckSpec { interval, timeout, fall, rise, deregister_after, .. } = check;
        Self { http, tcp, grpc, port, interval, timeout, fall, rise, deregister_after }
    }
}

impl<'de> Deserialize<'de> for CheckSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut invalid = Invalid::default();
        let read = Self::read(Value::deserialize(from)?, None, &mut invalid);
        match read {
            Some(check) if invalid.0.is_empty() => Ok(check),
            _ => Err(de::Error::custom(invalid)),
        }
    }
}
