//! `[admin]`: the admin plane, and who may use it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::keys;
use super::places::{read_listen, read_optional_path};
use super::tls::{self, TlsSettings};
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::section::Section;
use crate::config::read::setting::{BadValue, Setting, text};
use crate::config::read::tree::{Node, Table};
use crate::config::value::duration::{self, DAY, SECOND};
use crate::config::value::listen::{self, ListenAddress};
use crate::config::value::rate::Rate;

/// What a token for the admin plane begins with.
pub(crate) const TOKEN_PREFIX: &str = "plugbay_";

/// `[admin]`: the admin plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdminSettings {
    /// Needs a restart.
    pub enabled: bool,
    /// Needs a restart. At least one address. Loopback addresses and Unix sockets, unless there are both tokens and
    /// TLS.
    #[serde(serialize_with = "listen::serialize")]
    pub listen: Vec<ListenAddress>,
    /// The file of the hashes of tokens; empty = none is needed. Another file needs a restart; changes of the file
    /// do not.
    pub tokens: PathBuf,
    /// Who may read the metrics, if tokens are needed.
    pub metrics: MetricsAccess,
    /// Needs a restart. The file of the audit log; empty = none.
    pub audit: PathBuf,
    /// Needs a restart. The most open connections.
    pub max_connections: u32,
    /// Needs a restart. How long a request may take to arrive, and a client not to read.
    #[serde(serialize_with = "duration::serialize")]
    pub timeout: Duration,
    /// Needs a restart. The most requests with one token.
    pub rate: Rate,
    /// Needs a restart. The most requests with one token that change something.
    pub change_rate: Rate,
    /// Needs a restart. The most wrong tokens of one client that are answered one by one.
    pub attempt_rate: Rate,
    /// Needs a restart. The certificate of the plane; changes of its files need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
}

impl Default for AdminSettings {
    fn default() -> AdminSettings {
        AdminSettings {
            enabled: true,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 7071)).into()],
            tokens: PathBuf::new(),
            metrics: MetricsAccess::Token,
            audit: PathBuf::new(),
            max_connections: 256,
            timeout: Duration::from_secs(30),
            rate: Rate::new(NonZeroU32::new(400).unwrap(), Duration::from_secs(2)),
            change_rate: Rate::new(NonZeroU32::new(30).unwrap(), Duration::from_secs(3)),
            attempt_rate: Rate::new(NonZeroU32::new(10).unwrap(), Duration::from_mins(1)),
            tls: None,
        }
    }
}

impl AdminSettings {
    /// The first address beyond this machine, if the plane is not for those alone who have a token, or if others could
    /// read it on its way.
    #[must_use]
    pub fn exposed(&self) -> Option<&ListenAddress> {
        let is_guarded = !self.enabled || (self.needs_token() && self.tls.is_some());
        self.listen.iter().find(|it| !is_guarded && !it.is_local())
    }

    /// Whether requests need a token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        !self.tokens.as_os_str().is_empty()
    }
}

/// Who may read `/metrics` of an admin plane that needs tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MetricsAccess {
    /// Whoever has a token.
    Token,
    /// Everyone who reaches the plane.
    Open,
}

impl Setting for MetricsAccess {
    const EXPECTED: &'static str = "\"token\" or \"open\"";

    fn from_node(node: &Node) -> Result<MetricsAccess, BadValue> {
        match text(node)? {
            "token" => Ok(MetricsAccess::Token),
            "open" => Ok(MetricsAccess::Open),
            other => Err(BadValue::Value {
                found: render::quoted(other),
                hint: Some(
                    "token: like all else, for whoever has a token; open: for everyone who reaches the admin plane"
                        .to_owned(),
                ),
            }),
        }
    }

    fn show(&self) -> String {
        render::quoted(match self {
            MetricsAccess::Token => "token",
            MetricsAccess::Open => "open",
        })
    }
}

pub(super) fn read(root: &Table, report: &mut Report<'_>) -> AdminSettings {
    let mut admin = AdminSettings::default();
    let section = &mut Section::open(root, "admin", keys::ADMIN, report);
    section.read("enabled", &mut admin.enabled);
    read_listen(section, &mut admin.listen);
    read_tokens(section, &mut admin.tokens);
    section.read("metrics", &mut admin.metrics);
    read_optional_path(section, "audit", &mut admin.audit);
    section.read_within("max_connections", &mut admin.max_connections, 8..=100_000);
    section.read_within("timeout", &mut admin.timeout, SECOND..=DAY);
    section.read("rate", &mut admin.rate);
    section.read("change_rate", &mut admin.change_rate);
    section.read("attempt_rate", &mut admin.attempt_rate);
    admin.tls = tls::read(section, tls::ADMIN_TLS);
    admin
}

/// The name of a file. A token in its place is refused, and not repeated.
fn read_tokens(section: &mut Section<'_, '_>, tokens: &mut PathBuf) {
    const KEY: &str = "tokens";
    let is_token = section.node(KEY).and_then(|node| text(node).ok());
    if is_token.is_some_and(|it| it.starts_with(TOKEN_PREFIX)) {
        let message = "expected the name of a file, found a token";
        let hint = "a token never stands in the configuration: revoke this one, make another by \
                    `plugbay token new NAME --role operator --file tokens`, and write tokens = \"tokens\"";
        section.refuse(KEY, message.to_owned(), Some(hint.to_owned()));
        return;
    }
    read_optional_path(section, KEY, tokens);
}
