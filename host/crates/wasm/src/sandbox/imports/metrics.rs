//! The import `metrics`: the plugin's own metrics.

use plugbay_core::{CallError, MAX_BUCKETS, MAX_METRIC_HELP, MetricDescription, MetricKind};
use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::{MAX_NAME, start, to_guest};
use crate::bindings::plugbay::plugin::{metrics, types};
use crate::load::world::METRICS;
use crate::sandbox::state::State;

/// The arguments of `describe`: name, kind, help, unit and buckets.
type Description = (WasmStr, metrics::Kind, WasmStr, WasmStr, WasmList<f64>);

/// Defines the functions of the import.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    let mut metrics = linker.instance(METRICS)?;
    metrics.func_wrap("describe", describe)?;
    metrics.func_wrap("add", |mut store, (name, delta): (WasmStr, u64)| {
        let name = counted_name(&mut store, &name)?;
        store.data().metrics.add(&name, delta);
        Ok(())
    })?;
    metrics.func_wrap("set", |mut store, (name, value): (WasmStr, f64)| {
        let name = counted_name(&mut store, &name)?;
        store.data().metrics.set(&name, value);
        Ok(())
    })?;
    metrics.func_wrap("observe", |mut store, (name, value): (WasmStr, f64)| {
        let name = counted_name(&mut store, &name)?;
        store.data().metrics.observe(&name, value);
        Ok(())
    })?;
    Ok(())
}

/// Describes a metric. What exceeds a bound is read no further than needed to see that.
fn describe(
    mut store: StoreContextMut<'_, State>,
    (name, kind, help, unit, buckets): Description,
) -> Result<(Result<(), types::Error>,)> {
    let name = counted_name(&mut store, &name)?;
    let help = start(&store, &help, MAX_METRIC_HELP)?;
    let unit = start(&store, &unit, MAX_NAME)?;
    let buckets: Vec<f64> =
        buckets.iter(&mut store)?.take(MAX_BUCKETS + 1).collect::<Result<_>>()?;
    let kind = match kind {
        metrics::Kind::Counter => MetricKind::Counter,
        metrics::Kind::Gauge => MetricKind::Gauge,
        metrics::Kind::Histogram => MetricKind::Histogram,
    };
    let description = MetricDescription { kind, help: &help, unit: &unit, buckets: &buckets };
    let described = store.data().metrics.describe(&name, &description);
    Ok((described.map_err(|error| to_guest(&CallError::from(error))),))
}

/// Counts a call of the host, and returns the name that it is about.
fn counted_name(store: &mut StoreContextMut<'_, State>, name: &WasmStr) -> Result<String> {
    store.data_mut().host_call()?;
    start(&*store, name, MAX_NAME)
}
