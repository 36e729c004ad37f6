//! Which plugin an address belongs to.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use plugbay_core::{MachineCode, MachineFunction};

/// The compiled code of guests that ran during a profile. It is kept until the end, so that no other code gets the
/// addresses of a version that was retired meanwhile.
#[derive(Default)]
pub(super) struct Guests(BTreeMap<usize, Guest>);

/// One piece of code.
pub(super) struct Guest {
    code: Arc<dyn MachineCode>,
    addresses: Range<usize>,
    /// More than one, if several plugins were started from one artifact.
    plugins: Vec<Arc<str>>,
}

impl Guests {
    /// Adds the code that is there now.
    pub(super) fn add(&mut self, code: Vec<Arc<dyn MachineCode>>) {
        for code in code {
            let addresses = code.addresses();
            if addresses.is_empty() {
                continue;
            }
            let plugin = Arc::clone(code.plugin());
            let guest = self.0.entry(addresses.start);
            let guest = guest.or_insert_with(|| Guest { code, addresses, plugins: Vec::new() });
            if !guest.plugins.contains(&plugin) {
                guest.plugins.push(plugin);
            }
        }
    }

    /// The guest whose code is at this address.
    pub(super) fn at(&self, address: usize) -> Option<&Guest> {
        let (_, guest) = self.0.range(..=address).next_back()?;
        guest.addresses.contains(&address).then_some(guest)
    }
}

impl Guest {
    /// `name@version` of the plugin, or of all of them.
    pub(super) fn label(&self) -> Arc<str> {
        match &self.plugins[..] {
            [plugin] => Arc::clone(plugin),
            plugins => plugins.join(" or ").into(),
        }
    }

    pub(super) fn addresses(&self) -> Range<usize> {
        self.addresses.clone()
    }

    /// Its functions, by their addresses.
    pub(super) fn functions(&self) -> Vec<MachineFunction> {
        let mut functions = self.code.functions();
        functions.sort_by_key(|function| function.addresses.start);
        functions
    }
}
