//! Log lines. The host writes them, and adds the plugin's name and version, the generation and the
//! request. The macros are in the style of `tracing`:
//!
//! ```
//! use plugbay_sdk::prelude::*;
//!
//! let (user, count) = ("ada", 3);
//! info!("started");
//! info!(user = %user, count = count, "served {count}");
//! debug!(user, parts = ?[1, 2], "details");
//! ```
//!
//! `key = value` and `key = %value` take a value that is `Display`, `key = ?value` one that is
//! `Debug`, and `key` alone is `key = key`. The values and the message are evaluated only if the
//! level is [`enabled`]. Outside of a call, as in a plugin's own tests, lines are dropped.

mod level;

pub use level::Level;

use crate::form;

/// Whether the host records lines of this level.
#[must_use]
pub fn enabled(level: Level) -> bool {
    form::log_enabled(level)
}

/// Writes one line with fields. The macros call it.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    form::log(level, message, fields);
}

/// Logs at the level error; see [`mod@log`](crate::log).
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::__log!(Error $($line)+) }; }

/// Logs at the level warn; see [`mod@log`](crate::log).
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::__log!(Warn $($line)+) }; }

/// Logs at the level info; see [`mod@log`](crate::log).
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::__log!(Info $($line)+) }; }

/// Logs at the level debug; see [`mod@log`](crate::log).
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::__log!(Debug $($line)+) }; }

/// Logs at the level trace; see [`mod@log`](crate::log).
#[macro_export]
macro_rules! trace { ($($line:tt)+) => { $crate::__log!(Trace $($line)+) }; }

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident $($line:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::__log_line!($level [] $($line)+)
        }
    };
}

/// Collects the fields; the rest is the message.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_line {
    ($l:ident [$($f:tt)*] $($k:ident).+ = % $v:expr $(, $($rest:tt)*)?) => {
        $crate::__log_line!($l [$($f)* ($($k).+, "{}", $v)] $($($rest)*)?)
    };
    ($l:ident [$($f:tt)*] $($k:ident).+ = ? $v:expr $(, $($rest:tt)*)?) => {
        $crate::__log_line!($l [$($f)* ($($k).+, "{:?}", $v)] $($($rest)*)?)
    };
    ($l:ident [$($f:tt)*] $($k:ident).+ = $v:expr $(, $($rest:tt)*)?) => {
        $crate::__log_line!($l [$($f)* ($($k).+, "{}", $v)] $($($rest)*)?)
    };
    ($l:ident [$($f:tt)*] % $k:ident $(, $($rest:tt)*)?) => {
        $crate::__log_line!($l [$($f)* ($k, "{}", $k)] $($($rest)*)?)
    };
    ($l:ident [$($f:tt)*] ? $k:ident $(, $($rest:tt)*)?) => {
        $crate::__log_line!($l [$($f)* ($k, "{:?}", $k)] $($($rest)*)?)
    };
    ($l:ident [$($f:tt)*] $k:ident $(, $($rest:tt)*)?) => {
        $crate::__log_line!($l [$($f)* ($k, "{}", $k)] $($($rest)*)?)
    };
    ($l:ident [$(($($k:ident).+, $format:literal, $v:expr))*] $($message:tt)*) => {
        $crate::log::write(
            $crate::log::Level::$l,
            $crate::__log_message!($($message)*),
            &[$((
                ::core::stringify!($($k).+),
                ::std::format!($format, $v).as_str(),
            )),*],
        )
    };
}

/// A line with fields alone has no message.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_message {
    () => { "" };
    ($($message:tt)+) => { ::std::format!($($message)+).as_str() };
}
