//! Where the host keeps the state of its plugins.

use plugbay_state::{MemoryStore, SqliteStore, States};

use crate::config::Config;

/// The states in the file that the configuration names, or in memory. The file is made when the first plugin uses its
/// state.
pub(super) fn of(config: &Config) -> States {
    let file = config.host.state.clone();
    if file.as_os_str().is_empty() {
        return States::of(MemoryStore::default());
    }
    States::opened_by(move || match SqliteStore::open(&file) {
        Ok(store) => Ok(Box::new(store)),
        Err(error) => {
            tracing::error!(reason = error.reason, "no plugin has its state: {error}");
            Err(error)
        }
    })
}
