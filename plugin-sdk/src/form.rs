//! The forms that a plugin can have. Each has the same functions for calls to the host (`log`,
//! `codecs`, …), and a type that carries a plugin behind the interface of the form.

#[cfg(any(target_family = "wasm", test))]
mod advice;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub use native::*;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
pub use component::*;
