//! The interface `metrics`, which takes nothing.

#![expect(dead_code, reason = "the types are needed to link the function, which reads none of it")]

use wasmtime::component::{ComponentType, Lift, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::types::{Datetime, KeyValue, Resource, Scope};
use crate::load::world::METRICS;
use crate::sandbox::state::State;

/// Refuses the metrics.
pub(super) fn export(
    mut store: StoreContextMut<'_, State>,
    (_,): (ResourceMetrics,),
) -> Result<(Result<(), String>,)> {
    store.data_mut().host_call()?;
    let message =
        format!("this host takes no metrics by wasi:otel; report them by the import {METRICS}");
    Ok((Err(message),))
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ResourceMetrics {
    resource: Resource,
    #[component(name = "scope-metrics")]
    scope_metrics: WasmList<ScopeMetrics>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ScopeMetrics {
    scope: Scope,
    metrics: WasmList<Metric>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Metric {
    name: WasmStr,
    description: WasmStr,
    unit: WasmStr,
    data: Data,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Data {
    #[component(name = "f64-gauge")]
    F64Gauge(Gauge),
    #[component(name = "f64-sum")]
    F64Sum(Sum),
    #[component(name = "f64-histogram")]
    F64Histogram(Histogram),
    #[component(name = "f64-exponential-histogram")]
    F64ExponentialHistogram(ExponentialHistogram),
    #[component(name = "u64-gauge")]
    U64Gauge(Gauge),
    #[component(name = "u64-sum")]
    U64Sum(Sum),
    #[component(name = "u64-histogram")]
    U64Histogram(Histogram),
    #[component(name = "u64-exponential-histogram")]
    U64ExponentialHistogram(ExponentialHistogram),
    #[component(name = "s64-gauge")]
    S64Gauge(Gauge),
    #[component(name = "s64-sum")]
    S64Sum(Sum),
    #[component(name = "s64-histogram")]
    S64Histogram(Histogram),
    #[component(name = "s64-exponential-histogram")]
    S64ExponentialHistogram(ExponentialHistogram),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Gauge {
    #[component(name = "data-points")]
    data_points: WasmList<GaugePoint>,
    #[component(name = "start-time")]
    start_time: Option<Datetime>,
    time: Datetime,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct GaugePoint {
    attributes: WasmList<KeyValue>,
    value: Number,
    exemplars: WasmList<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Sum {
    #[component(name = "data-points")]
    data_points: WasmList<SumPoint>,
    #[component(name = "start-time")]
    start_time: Datetime,
    time: Datetime,
    temporality: Temporality,
    #[component(name = "is-monotonic")]
    is_monotonic: bool,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SumPoint {
    attributes: WasmList<KeyValue>,
    value: Number,
    exemplars: WasmList<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Histogram {
    #[component(name = "data-points")]
    data_points: WasmList<HistogramPoint>,
    #[component(name = "start-time")]
    start_time: Datetime,
    time: Datetime,
    temporality: Temporality,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct HistogramPoint {
    attributes: WasmList<KeyValue>,
    count: u64,
    bounds: WasmList<f64>,
    #[component(name = "bucket-counts")]
    bucket_counts: WasmList<u64>,
    min: Option<Number>,
    max: Option<Number>,
    sum: Number,
    exemplars: WasmList<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ExponentialHistogram {
    #[component(name = "data-points")]
    data_points: WasmList<ExponentialPoint>,
    #[component(name = "start-time")]
    start_time: Datetime,
    time: Datetime,
    temporality: Temporality,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ExponentialPoint {
    attributes: WasmList<KeyValue>,
    count: u64,
    min: Option<Number>,
    max: Option<Number>,
    sum: Number,
    scale: i8,
    #[component(name = "zero-count")]
    zero_count: u64,
    #[component(name = "positive-bucket")]
    positive_bucket: Buckets,
    #[component(name = "negative-bucket")]
    negative_bucket: Buckets,
    #[component(name = "zero-threshold")]
    zero_threshold: f64,
    exemplars: WasmList<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Buckets {
    offset: i32,
    counts: WasmList<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Exemplar {
    #[component(name = "filtered-attributes")]
    filtered_attributes: WasmList<KeyValue>,
    time: Datetime,
    value: Number,
    #[component(name = "span-id")]
    span_id: WasmStr,
    #[component(name = "trace-id")]
    trace_id: WasmStr,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Temporality {
    #[component(name = "cumulative")]
    Cumulative,
    #[component(name = "delta")]
    Delta,
    #[component(name = "low-memory")]
    LowMemory,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Number {
    #[component(name = "f64")]
    F64(f64),
    #[component(name = "s64")]
    S64(i64),
    #[component(name = "u64")]
    U64(u64),
}
