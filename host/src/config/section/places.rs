//! Addresses and paths that several sections have.

use std::path::PathBuf;

use crate::config::read::section::{Section, in_folder_of_file};
use crate::config::read::tree::Value;
use crate::config::value::listen::ListenAddress;

/// A folder, joined to that of the file unless a variable or flag names it.
pub(super) fn read_folder(section: &mut Section<'_, '_>, key: &str, folder: &mut PathBuf) {
    section.read(key, folder);
    *folder = in_folder_of_file(folder, section.node(key), section.report);
}

/// As [`read_folder`], for a folder or a file; an empty path means none.
pub(super) fn read_optional_path(section: &mut Section<'_, '_>, key: &str, folder: &mut PathBuf) {
    let mut path = folder.to_string_lossy().into_owned();
    section.read(key, &mut path);
    *folder = path.into();
    if !folder.as_os_str().is_empty() {
        *folder = in_folder_of_file(folder, section.node(key), section.report);
    }
}

/// The most addresses of one plane.
const MAX_LISTEN: usize = 16;

/// One address, or a list of them. A variable or flag writes the list as in the file.
pub(super) fn read_listen(section: &mut Section<'_, '_>, listen: &mut Vec<ListenAddress>) {
    const KEY: &str = "listen";
    let is_list = match section.node(KEY).map(|node| &node.value) {
        Some(Value::Array(_)) => true,
        // An IPv6 address begins with a bracket, too.
        Some(Value::Text(text)) => {
            let items = text.trim().strip_prefix('[').map(str::trim_start);
            items.is_some_and(|items| items.starts_with(['"', '\'', ']']))
        }
        _ => false,
    };
    if !is_list {
        if let Some(address) = section.get(KEY) {
            *listen = vec![address];
        }
        return;
    }
    if let Some(list) = section.list(KEY, "a list of addresses", |_| Ok(())) {
        if (1..=MAX_LISTEN).contains(&list.len()) {
            *listen = list;
        } else {
            let message = format!("expected 1 to {MAX_LISTEN} addresses, found {}", list.len());
            section.refuse(KEY, message, None);
        }
    }
}
