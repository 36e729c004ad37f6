//! The log as an operator reads it: one event is one line, as text or as JSON.
//!
//! [`LogLayer`] writes the events of `tracing`. Each line has the fields of its event and of all spans around
//! it, flat and with stable names: `docs/logs.md` lists them. If several have one name, the event's counts, and
//! then that of the innermost span. So each line of a request has the request's id and generation, and names the
//! plugin that wrote it, also where one plugin calls another.
//!
//! What plugins, files and clients wrote cannot begin another line, control a terminal, or make a line longer than
//! some hundred kilobytes; and a plugin's own fields lie in one field, `fields`, where they cannot be mistaken for
//! the host's.
//!
//! | file | idea |
//! |---|---|
//! | `layer` | keeps the fields of spans, and writes a line for each event |
//! | `recorded` | the fields of one span or event, as they are written |
//! | `format` | text and JSON |
//! | `tail` | the latest lines, by the plugin that they are about |

mod format;
mod layer;
mod recorded;
mod tail;

pub use self::format::LogFormat;
pub use self::layer::LogLayer;
pub use self::tail::{LogLine, LogTail};
