//! Checks, by a component's imports and exports, whether it is a plugin that this host can run.

use plugbay_core::{Reason, Refusal};

use super::scan::{Shape, version_of};

/// The versions of `plugbay:plugin` that this runtime serves.
pub const API_VERSIONS: &[&str] = &["1.0.0"];

pub(crate) const PACKAGE: &str = "plugbay:plugin";
pub(crate) const CALL: &str = "plugbay:plugin/call@1.0.0";
pub(crate) const CODECS: &str = "plugbay:plugin/codecs@1.0.0";
pub(crate) const LOG: &str = "plugbay:plugin/log@1.0.0";
pub(crate) const METRICS: &str = "plugbay:plugin/metrics@1.0.0";
pub(crate) const LIFECYCLE: &str = "plugbay:plugin/lifecycle@1.0.0";
pub(crate) const IMPORTS: [&str; 5] = ["plugbay:plugin/types@1.0.0", CALL, LOG, METRICS, CODECS];
pub(crate) const OTEL_TYPES: &str = "wasi:otel/types@0.2.0-rc.2";
pub(crate) const OTEL_TRACING: &str = "wasi:otel/tracing@0.2.0-rc.2";
pub(crate) const OTEL_LOGS: &str = "wasi:otel/logs@0.2.0-rc.2";
pub(crate) const OTEL_METRICS: &str = "wasi:otel/metrics@0.2.0-rc.2";
/// The interfaces of a draft, of which each version is another one, so that they are named in full.
const OTEL: [&str; 4] = [OTEL_TYPES, OTEL_TRACING, OTEL_LOGS, OTEL_METRICS];
/// The interfaces of `wasi:keyvalue` in the drafts that are in use.
pub(crate) const KEYVALUE: [&str; 6] = [
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
];
/// The packages of WASI 0.2 that are linked for components that import them.
const WASI: [&str; 6] =
    ["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// What a component imports that its instances and calls need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants {
    /// Whether it imports WASI.
    pub(crate) wasi: bool,
    /// Whether it imports `codecs`.
    pub(crate) services: bool,
    /// Whether it imports `call`, or an interface of the application, whose functions may ask the same, or
    /// `log` or `wasi:otel`, whose lines and spans are of the call.
    pub(crate) call: bool,
}

impl Wants {
    pub(crate) fn of(shape: &Shape) -> Self {
        let imports = |wanted: &str| shape.imports.iter().any(|name| name == wanted);
        Self {
            wasi: shape.imports.iter().any(|name| name.starts_with("wasi:")),
            services: imports(CODECS),
            call: imports(CALL)
                || imports(LOG)
                || imports(OTEL_TRACING)
                || imports(OTEL_LOGS)
                || shape.imports.iter().any(|name| is_of_application(name)),
        }
    }

    /// Whether a call may wait, and so needs a fiber.
    #[inline]
    pub(crate) fn may_wait(self) -> bool {
        self.wasi || self.services
    }
}

/// Whether an interface is neither ours nor WASI's.
fn is_of_application(name: &str) -> bool {
    !IMPORTS.contains(&name) && !name.starts_with("wasi:")
}

const WITH_WASI: bool = cfg!(feature = "wasi");
const WITH_STATE: bool = cfg!(feature = "state");

/// Checks that the host offers every import of the component. `offered` are interfaces that are
/// not WASI's.
pub(crate) fn check_imports(shape: &Shape, offered: &[String]) -> Result<(), Refusal> {
    let is_wasi = |name: &str| {
        let is_stable = WASI.iter().any(|package| name.starts_with(package));
        is_stable && name.contains("@0.2.") || OTEL.contains(&name)
    };
    let is_state = |name: &str| KEYVALUE.contains(&name);
    let known = |name: &String| {
        offered.contains(name) || WITH_WASI && is_wasi(name) || WITH_STATE && is_state(name)
    };
    let missing: Vec<&String> = shape.imports.iter().filter(|name| !known(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "expected imports that this host offers, found {}; it offers {}{}{}",
        list(&missing),
        list(offered),
        if WITH_WASI { ", WASI 0.2 and wasi:otel@0.2.0-rc.2" } else { "" },
        if WITH_STATE { ", wasi:keyvalue@0.2.0-draft and @0.2.0-draft2" } else { "" }
    );
    let hint = if missing.iter().any(|name| is_wasi(name)) {
        "this host is built without the feature `wasi`: build the host with it, or build the plugin \
         without WASI"
    } else if missing.iter().any(|name| is_state(name)) {
        "this host is built without the feature `state`: build the host with it, or build the plugin \
         without state"
    } else {
        "build the plugin without these imports, or run it on a host that offers them"
    };
    Err(Refusal::new(Reason::MissingImport, message).hint(hint))
}

/// Checks the version of every `plugbay:plugin` interface that the component names.
pub(crate) fn check_api_version(shape: &Shape) -> Result<(), Refusal> {
    let names = shape.exports.iter().chain(&shape.imports);
    let mut versions = names.filter_map(|name| version_of(name, PACKAGE));
    match versions.find(|version| !API_VERSIONS.contains(version)) {
        None => Ok(()),
        Some(found) => {
            let message = format!(
                "expected {PACKAGE} in version {}, found {found}",
                list(API_VERSIONS.iter().copied())
            );
            Err(Refusal::new(Reason::ApiVersion, message)
                .hint("rebuild the plugin with the plugbay-sdk of this host's release"))
        }
    }
}

/// Checks that the component exports the interface that every plugin has.
pub(crate) fn check_world(shape: &Shape) -> Result<(), Refusal> {
    if shape.exports.iter().any(|name| name == LIFECYCLE) {
        return Ok(());
    }
    let message =
        format!("expected a component that exports {LIFECYCLE}, found {}", list(&shape.exports));
    let command = shape.exports.iter().any(|name| name.starts_with("wasi:cli/run@"));
    let hint = if shape.exports.is_empty() {
        "with plugbay-sdk the line `export!(Type: codec)` or `export!(Type: handler)` makes a crate a \
         plugin"
    } else if command {
        "the component is a command (it exports wasi:cli/run); a plugin implements a world of the \
         WIT package plugbay:plugin; see plugbay-sdk"
    } else {
        "a plugin implements a world of the WIT package plugbay:plugin; see plugbay-sdk"
    };
    Err(Refusal::new(Reason::WrongWorld, message).hint(hint))
}

/// Names as a list in a message; of many only the first are shown.
pub(crate) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const MAX_SHOWN: usize = 16;
    let names: Vec<S> = names.into_iter().collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(MAX_SHOWN).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(MAX_SHOWN);
    let and_more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{and_more}", shown.join(", "))
}
