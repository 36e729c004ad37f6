//! Every family of the host. A name is stable: dashboards and alerts use it.

use plugbay_telemetry::Family;

/// The labels of a plugin version.
const VERSION: &[&str] = &["plugin", "version"];

macro_rules! families {
    ($($(#[$note:meta])* $name:ident: $family:expr;)*) => {
        $($(#[$note])* pub(super) static $name: Family = $family;)*
        /// All of them.
        pub(super) static ALL: &[&Family] = &[$(&$name),*];
    };
}

families! {
    SIZE: Family::gauge(
        "registry_size",
        "Capabilities that can be called. It is 0 after a deployment without plugins.",
    );
    REGISTER: Family::counter(
        "registry_register_total",
        "Registrations by outcome: success (a plugin was started and serves), duplicate (a name, \
         capability or route is taken), invalid (refused for any other reason).",
    ).labels(&["outcome"]);
    LOOKUP: Family::counter(
        "registry_lookup_total",
        "Searches for a capability by its name, by outcome: hit or miss. A call by a handle searches \
         only once in each generation.",
    ).labels(&["outcome"]);
    RELOAD: Family::counter(
        "registry_reload_total",
        "Reconciliations by outcome: published (a new generation serves), refused (nothing was \
         published, and something is refused), preparing (artifacts are being prepared), unchanged.",
    ).labels(&["outcome"]);
    RELOAD_DURATION: Family::histogram(
        "registry_reload_duration_seconds",
        "How long reconciliations took, those that changed nothing included.",
    ).unit("seconds");

    GENERATION: Family::gauge("plugbay_generation", "The number of the generation that serves.");
    PLUGINS: Family::gauge("plugbay_plugins", "Plugins that serve.");
    PINNED: Family::gauge(
        "plugbay_pinned",
        "1 while an operator's rollback holds changes back, otherwise 0.",
    );
    REJECTED: Family::gauge(
        "plugbay_rejected",
        "Files, plugins and configurations that are refused now.",
    );
    REJECTIONS: Family::counter(
        "plugbay_rejections_total",
        "New rejections by reason. A reason appears when it first happens.",
    ).labels(&["reason"]);
    PREPARATIONS: Family::counter(
        "plugbay_preparations_total",
        "Preparations of artifacts, such as compiling a component or loading it from the cache, by outcome: \
         prepared, refused, changed (the file changed meanwhile), shared (none was necessary: a plugin was \
         started from what another start had prepared).",
    ).labels(&["outcome"]);
    PREPARING: Family::gauge(
        "plugbay_preparing",
        "Artifacts that are being prepared, such as compiled.",
    );
    DRAINING: Family::gauge(
        "plugbay_draining",
        "Retired plugin versions that still have calls in flight.",
    );
    PENDING_RESTART: Family::gauge(
        "plugbay_pending_restart",
        "Settings that changed and that only a restart applies.",
    );
    WARNINGS: Family::gauge(
        "plugbay_config_warnings",
        "Parts of the configuration that have no effect.",
    );
    WATCHER_LOST: Family::gauge(
        "plugbay_watcher_lost",
        "1 while changes of files are seen only every host.rescan, otherwise 0.",
    );
    STALLED: Family::gauge(
        "plugbay_reconcile_step_seconds",
        "How long the current step of a reconciliation has been running; 0 while none runs.",
    ).unit("seconds");
    EVENTS: Family::counter(
        "plugbay_events_total",
        "Events by reason: the words of the log and of /v1/events. A reason appears when it first \
         happens.",
    ).labels(&["reason"]);
    FAILED_OVER: Family::counter(
        "plugbay_failovers_total",
        "Calls that went to the next provider because one did nothing.",
    );
    RETRIED: Family::counter(
        "plugbay_retries_total",
        "Calls that were repeated with the next provider after one had failed half-way.",
    );
    BUDGET_EXHAUSTED: Family::counter(
        "plugbay_retry_budget_exhausted_total",
        "Calls that were not repeated because the budget of retries was used up.",
    );

    INFO: Family::info(
        "plugbay_plugin_info",
        "The plugins that serve: joins the digest and the form (wasm, linked, native) to other series.",
    ).labels(&["plugin", "version", "digest", "form"]);
    STATE: Family::gauge(
        "plugbay_plugin_state",
        "1 for the state of the plugin, 0 for all other states.",
    ).labels(&["plugin", "version", "state"]);
    START_TIME: Family::gauge(
        "plugbay_plugin_start_time_seconds",
        "When the version was started, in seconds since 1970.",
    ).labels(VERSION).unit("seconds");
    CALLS: Family::counter(
        "plugbay_calls_total",
        "Calls by outcome: answered, cancelled (the caller went away), or the reason of the failure. \
         Calls that are shed have the outcomes overloaded, breaker-open and unhealthy.",
    ).labels(&["plugin", "version", "outcome"]);
    DURATION: Family::histogram(
        "plugbay_call_duration_seconds",
        "How long calls took, with any outcome but those of calls that are shed; the wait for an instance is \
         included. Of calls that block their thread, as those of codecs through the library, one in 17 of \
         each thread is timed, and counts for all.",
    ).labels(VERSION).unit("seconds");
    WAITED: Family::histogram(
        "plugbay_call_queue_seconds",
        "How long calls waited for an instance, of those that had to wait. It appears with the first one.",
    ).labels(VERSION).unit("seconds");
    CPU: Family::counter(
        "plugbay_plugin_cpu_seconds_total",
        "CPU time of the calls of a component, of which those that take less than a millisecond are \
         estimated, or of the processes of a worker. Native plugins in the host's process have none: \
         plugbay_call_duration_seconds_sum comes near it.",
    ).labels(VERSION).unit("seconds");
    IN_FLIGHT: Family::gauge("plugbay_calls_in_flight", "Calls in flight.").labels(VERSION);
    WAITING: Family::gauge(
        "plugbay_calls_waiting",
        "Calls that wait for an instance.",
    ).labels(VERSION);
    INSTANCES: Family::gauge(
        "plugbay_plugin_instances",
        "Instances, idle or in a call.",
    ).labels(VERSION);
    INSTANTIATIONS: Family::counter(
        "plugbay_plugin_instantiations_total",
        "Instances that were made.",
    ).labels(VERSION);
    DISCARDED: Family::counter(
        "plugbay_plugin_instances_discarded_total",
        "Instances that were discarded after a trap or an exceeded limit.",
    ).labels(VERSION);
    MEMORY: Family::gauge(
        "plugbay_plugin_memory_bytes",
        "Linear memory of all instances; of a worker process, its memory.",
    ).labels(VERSION).unit("bytes");
    PEAK_MEMORY: Family::gauge(
        "plugbay_plugin_memory_peak_bytes",
        "The most that plugbay_plugin_memory_bytes has been since the version was started.",
    ).labels(VERSION).unit("bytes");
    MEMORY_LIMIT: Family::gauge(
        "plugbay_plugin_memory_limit_bytes",
        "The most that all instances together may have.",
    ).labels(VERSION).unit("bytes");
    CODE: Family::gauge(
        "plugbay_plugin_code_bytes",
        "Compiled code; 0 if nothing is compiled.",
    ).labels(VERSION).unit("bytes");
    RESTARTS: Family::counter(
        "plugbay_plugin_restarts_total",
        "Restarts because of failed health checks.",
    ).labels(VERSION);
    TRANSITIONS: Family::counter(
        "plugbay_plugin_transitions_total",
        "Changes of the circuit breaker and of the health, by what the plugin changed to.",
    ).labels(&["plugin", "version", "to"]);
    DENIED: Family::counter(
        "plugbay_plugin_denied_total",
        "Attempts to use something that is not granted, by grant. A grant appears when it is first \
         denied.",
    ).labels(&["plugin", "version", "grant"]);
    LIMITED: Family::counter(
        "plugbay_plugin_limited_total",
        "How often a limit was exceeded, by the limit's key; `spans` counts a plugin's own spans that \
         were not taken. A limit appears when it is first exceeded.",
    ).labels(&["plugin", "version", "limit"]);
}
