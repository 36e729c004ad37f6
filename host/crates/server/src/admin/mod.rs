//! The admin plane: shows what runs, what was refused and why, and the latest events.
//!
//! | path | answers |
//! |---|---|
//! | `GET /v1/status` | everything below in one document |
//! | `GET /v1/plugins`, `/v1/plugins/{name}` | the plugins that serve; one by its name, or by a capability `KIND:NAME` that it offers |
//! | `GET /v1/generations` | the generation that serves, those to roll back to, retired versions, the latest events |
//! | `GET /v1/rejected` | what was refused, with reason and hint |
//! | `GET /v1/events` | a stream of server-sent events; supports `Last-Event-ID` |
//! | `GET /v1/figures` | the figures that change with every call, of each plugin that serves |
//! | `GET /v1/logs` | the latest lines of the log: `?plugin=NAME&after=NUMBER&limit=NUMBER` |
//! | `POST /v1/routes/test` | sends one request to the data plane, and shows the answer |
//! | `POST /v1/generations/{number}/rollback` | rolls back to that generation; changes are then held back |
//! | `POST /v1/resume` | applies changes again |
//! | `GET /v1/generations/{number}/diff` | what a rollback to it would change |
//! | `POST /v1/plugins/{name}/disable`, `enable`, `restart`, `drain`, `breaker` | acts on a plugin; see `actions` |
//! | `POST /v1/capabilities/{KIND:NAME}/weights` | sets the weights of its providers |
//! | `GET /v1/config` | the configuration in force, and where each value comes from |
//! | `GET /v1/services` | the endpoints in the directory of this host |
//! | `POST /v1/upgrade` | replaces the process by a new one of the program on disk, and says which one serves |
//! | `POST /v1/reload` | reads the folder and the configuration now; `Prefer: wait=SECONDS` bounds how long the answer waits |
//! | `GET /debug/registry`, `/debug/registry/{name}` | the names of a kind, or of `plugins` |
//! | `GET /debug/pprof/profile` | a profile of the processor time of this process; `?seconds=N` bounds it |
//! | `GET /metrics` | the metrics, for Prometheus |
//! | `GET /openapi.json` | the description of all these paths, as an `OpenAPI` document |
//! | `GET /v1/session` | who the client is, and what it may do |
//! | `GET /`, `/ui/…` | the dashboard |
//! | `GET /livez` | 200 unless the reconciler is stalled |
//! | `GET /readyz` | 200 between the first generation and the signal to stop; with `?verbose` all that this depends on |
//!
//! | file | idea |
//! |---|---|
//! | `router`, `plane` | the paths; the plane without a listener |
//! | `views`, `bodies` | status, generations, rejections; what is written |
//! | `actions` | what operators change |
//! | `openapi` | the description of the plane |
//! | `live` | what changes with every call: figures, lines of the log |
//! | `services` | the directory of this host |
//! | `upgrade` | asks the program to replace its process |
//! | `trial_request` | one request to the data plane from within |
//! | `reading` | reads parts of a request, and says which one is wrong |
//! | `ui` | the files of the dashboard |
//! | `access_log` | the line of each request |
//! | `guard` | protects the plane from web pages in a browser on the same machine |
//! | `authenticate`, `session`, `limits` | who makes a request, and how many a token may make |
//! | `audited`, `idempotent` | what is kept of requests that change something |
//!
//! Without tokens the plane listens on loopback addresses and Unix sockets only, and everyone who reaches it may use
//! it. With `admin.tokens` every request needs one, except the probes `/livez` and `/readyz` and the files of the
//! dashboard, which hold no data.

mod access_log;
mod actions;
mod audited;
mod authenticate;
mod bodies;
mod client;
mod events;
pub(crate) mod guard;
mod idempotent;
mod limits;
mod live;
mod metrics;
mod openapi;
mod plane;
mod plugin;
mod prefer;
mod probes;
mod profile;
mod reading;
mod registry;
mod router;
mod services;
mod session;
mod trial_request;
mod ui;
mod upgrade;
mod views;

pub use self::actions::{Accepted, Diff, Preparing};
pub use self::bodies::{Check, Generations, Names, Plugins, Readiness, RejectedList, Versions};
pub(crate) use self::idempotent::Idempotent;
pub(crate) use self::limits::Rates;
pub use self::live::{Figures, Logs};
pub use self::plane::AdminPlane;
pub use self::plugin::plugin;
pub use self::registry::{Entry, Registry, State, names, registry};
pub use self::services::{ServiceEndpoint, Services};
pub use self::session::Session;
pub use self::trial_request::{HeaderField, TrialAnswer, TrialRequest};
pub use self::upgrade::Upgraded;
