//! Compiled code of a plugin in the memory of this process, for profilers.

use std::ops::Range;
use std::sync::Arc;

/// Compiled code of a started plugin. It stays where it is as long as this value.
pub trait MachineCode: Send + Sync {
    /// `name@version` of the plugin.
    fn plugin(&self) -> &Arc<str>;

    /// Its addresses.
    fn addresses(&self) -> Range<usize>;

    /// Its functions, in any order. Code between them was added by the compiler.
    fn functions(&self) -> Vec<MachineFunction>;
}

/// A function in compiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFunction {
    /// Its addresses.
    pub addresses: Range<usize>,
    /// Its name, which its author chose: printable, and short.
    pub name: String,
}
