//! The functions that a component exports in one interface.

use std::any::Any;
use std::sync::OnceLock;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc,
};
use wasmtime::{Result, Store, format_err};

use crate::sandbox::state::State;

/// An exported interface: the indices of its functions, found once per plugin version.
pub(crate) struct Interface {
    name: &'static str,
    component: InstancePre<State>,
    functions: Vec<(String, ComponentExportIndex)>,
    /// The cache of [`Exports::indices`].
    indices: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Interface {
    /// Finds the functions of the interface `name`.
    pub(crate) fn find(component: &InstancePre<State>, name: &'static str) -> Result<Self> {
        let code = component.component();
        let missing = || format_err!("expected the component to export {name}");
        let (item, interface) = code.get_export(None, name).ok_or_else(missing)?;
        let ComponentItem::ComponentInstance(item) = item else { return Err(missing()) };
        let functions = item.exports(component.engine()).filter_map(|(function, _)| {
            Some((function.to_owned(), code.get_export_index(Some(&interface), function)?))
        });
        let functions = functions.collect();
        Ok(Self { name, component: component.clone(), functions, indices: OnceLock::new() })
    }

    /// The functions of one instance.
    pub(crate) fn of<'a>(
        &'a self,
        store: &'a mut Store<State>,
        instance: &'a Instance,
    ) -> Exports<'a> {
        Exports { interface: self, store, instance }
    }
}

/// The functions that one instance exports in the interface of a kind; see
/// [`WasmKind::load`](crate::WasmKind::load).
pub struct Exports<'a> {
    interface: &'a Interface,
    store: &'a mut Store<State>,
    instance: &'a Instance,
}

impl Exports<'_> {
    /// The function of this name. `P` and `R` are tuples of its parameters and its result, for
    /// instance `(u32, String)` and `(String,)`.
    ///
    /// # Errors
    ///
    /// If the interface has no such function, or one of other types.
    pub fn function<P, R>(&mut self, name: &str) -> Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let index = self.index(name)?;
        self.instance.get_typed_func(&mut *self.store, index)
    }

    /// The index of the function of this name.
    pub(crate) fn index(&self, name: &str) -> Result<ComponentExportIndex> {
        let Interface { name: interface, functions, .. } = self.interface;
        let found = functions.iter().find(|(function, _)| function == name);
        let (_, index) =
            found.ok_or_else(|| format_err!("expected {interface} to have the function {name}"))?;
        Ok(*index)
    }

    /// The store, the instance, and the result of `make`, which is called for the component's first
    /// instance only.
    pub(crate) fn indices<I: Any + Send + Sync>(
        &mut self,
        make: impl FnOnce(&InstancePre<State>) -> Result<I>,
    ) -> Result<(&mut Store<State>, &Instance, &I)> {
        let Interface { component, indices, .. } = self.interface;
        let kept = if let Some(kept) = indices.get() {
            kept
        } else {
            let found = make(component)?;
            indices.get_or_init(|| Box::new(found))
        };
        let kept = kept.downcast_ref().ok_or_else(|| format_err!("indices of another kind"))?;
        Ok((self.store, self.instance, kept))
    }
}
