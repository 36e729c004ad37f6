//! `tls = { certificate = "…", key = "…" }`: the files of a plane's certificate.

use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::de::DeValue;

use crate::config::problem::render;
use crate::config::read::section::{Section, in_folder_of_file};
use crate::config::read::tree::{self, Table, Value};

/// The TLS of a plane: the names of files, whose contents may change at any time. A relative name is joined to the
/// folder of the file that it is written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsSettings {
    /// The certificate, and those between it and a root, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// The authorities of which clients need a certificate, as PEM; empty = clients need none. Of the admin plane
    /// only.
    #[serde(skip_serializing_if = "no_path")]
    pub client_ca: PathBuf,
}

fn no_path(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// The keys of `[server] tls`.
pub(crate) const SERVER_TLS: &[&str] = &["certificate", "key"];
/// The keys of `[admin] tls`.
pub(crate) const ADMIN_TLS: &[&str] = &["certificate", "key", "client_ca"];

const KEY: &str = "tls";
const EXAMPLE: &str = "write tls = { certificate = \"tls.pem\", key = \"tls.key\" }";

/// The table `tls` of a section. A variable or a flag writes it as in the file.
pub(super) fn read(section: &mut Section<'_, '_>, known: &[&str]) -> Option<TlsSettings> {
    let path = section.key(KEY);
    let node = section.node(KEY)?;
    if let Value::Text(text) = &node.value
        && let Ok(value) = DeValue::parse(text)
        && let DeValue::Table(_) = value.get_ref()
    {
        let Value::Table(table) =
            tree::value_at(value.into_inner(), &node.at, &path, section.report)?
        else {
            return None;
        };
        return read_table(section, &table, known);
    }
    let table = section.table(KEY)?;
    read_table(section, table, known)
}

fn read_table(section: &mut Section<'_, '_>, table: &Table, known: &[&str]) -> Option<TlsSettings> {
    let path = section.key(KEY);
    let mut inner = Section::over(Some(table), path.clone(), known, section.report);
    let mut file = |key: &str| {
        let name: PathBuf = inner.get(key)?;
        Some(in_folder_of_file(&name, inner.node(key), inner.report))
    };
    let (certificate, key, client_ca) = (file("certificate"), file("key"), file("client_ca"));
    let missing = ["certificate", "key"].into_iter().find(|it| !table.contains_key(*it));
    if let Some(missing) = missing {
        let message = format!("expected `certificate` and `key`, found no `{missing}`");
        section.refuse(KEY, message, Some(EXAMPLE.to_owned()));
    }
    Some(TlsSettings {
        certificate: certificate?,
        key: key?,
        client_ca: client_ca.unwrap_or_default(),
    })
}

/// The settings as they are written, for people.
pub(crate) fn show(tls: Option<&TlsSettings>) -> String {
    let Some(tls) = tls else { return "none".to_owned() };
    let file = |path: &Path| render::quoted(&path.to_string_lossy());
    let pair = format!("certificate = {}, key = {}", file(&tls.certificate), file(&tls.key));
    if no_path(&tls.client_ca) {
        return pair;
    }
    format!("{pair}, client_ca = {}", file(&tls.client_ca))
}
