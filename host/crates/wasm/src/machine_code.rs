//! The compiled code of started plugins, for profilers.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use plugbay_core::{MachineCode, MachineFunction, cut, escaped};
use wasmtime::component::Component;

/// The longest name of a function, in bytes; what is beyond is cut.
const MAX_NAME: usize = 256;

/// The code of one started plugin.
pub(crate) struct PluginCode {
    plugin: Arc<str>,
    /// Keeps the code in memory.
    component: Component,
}

/// The code of the plugins of an engine that are started.
#[derive(Default)]
pub(crate) struct StartedCode(Mutex<Vec<Weak<PluginCode>>>);

impl StartedCode {
    /// Adds a plugin, `name@version`, until the returned value is dropped.
    pub(crate) fn register(&self, plugin: &Arc<str>, component: &Component) -> Arc<PluginCode> {
        let (plugin, component) = (Arc::clone(plugin), component.clone());
        let code = Arc::new(PluginCode { plugin, component });
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|code| code.strong_count() > 0);
        started.push(Arc::downgrade(&code));
        code
    }

    /// All of it.
    pub(crate) fn machine_code(&self) -> Vec<Arc<dyn MachineCode>> {
        let started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let there = started.iter().filter_map(Weak::upgrade);
        there.map(|code| code as Arc<dyn MachineCode>).collect()
    }
}

impl MachineCode for PluginCode {
    fn plugin(&self) -> &Arc<str> {
        &self.plugin
    }

    fn addresses(&self) -> Range<usize> {
        let text = self.component.text().as_ptr_range();
        text.start.addr()..text.end.addr()
    }

    fn functions(&self) -> Vec<MachineFunction> {
        let start = self.addresses().start;
        let functions = self.component.functions().map(|function| {
            let name = match &function.name {
                Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
                None => format!("function {}", function.index.as_u32()),
            };
            let begins = start.saturating_add(function.offset);
            MachineFunction {
                addresses: begins..begins.saturating_add(function.len),
                name: escaped(cut(name, MAX_NAME)).into_owned(),
            }
        });
        functions.collect()
    }
}
