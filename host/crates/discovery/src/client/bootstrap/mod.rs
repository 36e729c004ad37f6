//! How a client finds the directory.
//!
//! There are four ways. **The first that is set wins**, in this order:
//!
//! 1. an explicit value, as of a flag: [`Bootstrap::explicit`];
//! 2. the environment variable `PLUGBAY_DIRECTORY`: [`Bootstrap::environment`];
//! 3. a file: [`Bootstrap::file`];
//! 4. SRV records of the DNS (RFC 2782): [`Bootstrap::dns`].
//!
//! An explicit value or a variable that is empty, and a file that does not exist, are not set. A way that is
//! set and wrong is an error, and is not skipped: a typing mistake must not send a program to another
//! directory.
//!
//! The addresses are found again whenever none of those at hand answers. So a file or the DNS may change
//! while the program runs.
//!
//! ```
//! use plugbay_discovery::client::bootstrap::{Bootstrap, Source};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let file = std::env::temp_dir().join("plugbay-bootstrap-example");
//! std::fs::write(&file, "# our directories\nhttp://10.0.0.5:8500\n10.0.0.6:8500\n")?;
//!
//! let bootstrap = Bootstrap::default().explicit("").file(&file).dns("_directory._tcp.example");
//! let found = bootstrap.find().await?;
//! assert_eq!(found.source, Source::File(file));
//! let addresses: Vec<_> = found.addresses.iter().map(ToString::to_string).collect();
//! assert_eq!(addresses, ["http://10.0.0.5:8500", "http://10.0.0.6:8500"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod dns;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use address::{Address, InvalidAddress};

/// The environment variable that [`Bootstrap::environment`] reads.
pub const VARIABLE: &str = "PLUGBAY_DIRECTORY";

/// The largest file of addresses, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The ways that are set. The module's page says which wins.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    explicit: Option<String>,
    environment: Option<String>,
    file: Option<PathBuf>,
    dns: Option<String>,
    dns_server: Option<SocketAddr>,
}

/// Where addresses came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An explicit value, as of a flag.
    Explicit,
    /// The environment variable [`VARIABLE`].
    Environment,
    /// This file.
    File(PathBuf),
    /// The SRV records of this name.
    Dns(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("the explicit value"),
            Self::Environment => write!(f, "the environment variable {VARIABLE}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Dns(name) => write!(f, "the SRV records of {name}"),
        }
    }
}

/// The addresses that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// By which way.
    pub source: Source,
    /// At least one, in the order in which to try them.
    pub addresses: Vec<Address>,
}

/// Why no address was found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// No way is set.
    #[error(
        "expected an address of a directory: none was given, {VARIABLE} is not set, there is no file of \
         addresses and no name to ask the DNS for"
    )]
    NotSet,
    /// A way that is set has no address.
    #[error("expected an address of a directory in {0}, found none")]
    Empty(Source),
    /// A way that is set has something else than an address.
    #[error("{source} in {place}")]
    Invalid {
        /// Where it is.
        place: Source,
        /// What it is.
        source: InvalidAddress,
    },
    /// The file of addresses cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token for the directory is not one that HTTP can carry.
    #[error("expected a token of visible ASCII characters, found others")]
    Token,
    /// The DNS did not answer.
    #[error("cannot ask the DNS for the SRV records of {name}: {problem}")]
    Dns {
        /// The name.
        name: String,
        /// Why.
        problem: String,
    },
}

impl BootstrapError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSet => "no-directory",
            Self::Empty(_) => "no-address",
            Self::Invalid { .. } => "invalid-address",
            Self::File { .. } => "unreadable-file",
            Self::Token => "invalid-token",
            Self::Dns { .. } => "dns",
        }
    }
}

impl Bootstrap {
    /// Addresses that were given to the program: URLs, or `host:port`, with commas between them.
    #[must_use]
    pub fn explicit(mut self, addresses: &str) -> Self {
        self.explicit = Some(addresses.into());
        self
    }

    /// Reads the environment variable [`VARIABLE`] now: URLs, or `host:port`, with commas between them.
    #[must_use]
    pub fn environment(self) -> Self {
        self.environment_value(std::env::var(VARIABLE).ok())
    }

    /// As [`environment`](Self::environment), with the variable's value.
    #[must_use]
    pub fn environment_value(mut self, value: Option<String>) -> Self {
        self.environment = value;
        self
    }

    /// A text file: a URL, or `host:port`, in each line; what follows a `#` is a comment.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// A name with SRV records, such as `_plugbay-directory._tcp.example.com`.
    #[must_use]
    pub fn dns(mut self, name: &str) -> Self {
        self.dns = Some(name.into());
        self
    }

    /// The DNS server to ask, instead of those of the system.
    #[must_use]
    pub fn dns_server(mut self, server: SocketAddr) -> Self {
        self.dns_server = Some(server);
        self
    }

    /// Finds the addresses by the first way that is set.
    ///
    /// # Errors
    ///
    /// [`BootstrapError`] if no way is set, or the first that is set is wrong.
    pub async fn find(&self) -> Result<Found, BootstrapError> {
        let given = |text: &Option<String>| {
            text.clone().filter(|text| text.split(',').any(|part| !part.trim().is_empty()))
        };
        if let Some(text) = given(&self.explicit) {
            return parse(Source::Explicit, text.split(','));
        }
        if let Some(text) = given(&self.environment) {
            return parse(Source::Environment, text.split(','));
        }
        if let Some(path) = &self.file
            && let Some(text) = read(path).await?
        {
            let uncommented = text.lines().map(|line| line.split('#').next().unwrap_or(""));
            return parse(Source::File(path.clone()), uncommented);
        }
        if let Some(name) = &self.dns {
            let addresses = dns::addresses(name, self.dns_server).await?;
            return Ok(Found { source: Source::Dns(name.clone()), addresses });
        }
        Err(BootstrapError::NotSet)
    }
}

/// The file's text; `None` if there is no file.
async fn read(path: &Path) -> Result<Option<String>, BootstrapError> {
    let failed = |source| BootstrapError::File { path: path.into(), source };
    let size = match tokio::fs::metadata(path).await {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if size > MAX_FILE {
        let problem = format!("expected at most {MAX_FILE} bytes, found {size}");
        return Err(failed(io::Error::other(problem)));
    }
    tokio::fs::read_to_string(path).await.map(Some).map_err(failed)
}

fn parse<'a>(
    source: Source,
    texts: impl Iterator<Item = &'a str>,
) -> Result<Found, BootstrapError> {
    let addresses: Result<Vec<Address>, _> =
        texts.map(str::trim).filter(|text| !text.is_empty()).map(str::parse).collect();
    match addresses {
        Ok(addresses) if addresses.is_empty() => Err(BootstrapError::Empty(source)),
        Ok(addresses) => Ok(Found { source, addresses }),
        Err(invalid) => Err(BootstrapError::Invalid { place: source, source: invalid }),
    }
}
