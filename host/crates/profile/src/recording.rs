//! What a profile found: stacks, and the names of their addresses.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A profile that was recorded.
pub struct Recording {
    pub(crate) began: SystemTime,
    pub(crate) took: Duration,
    /// The processor time for which one sample stands.
    pub(crate) period: Duration,
    pub(crate) stacks: Vec<Stack>,
    pub(crate) places: Vec<Place>,
    pub(crate) functions: Vec<Function>,
    pub(crate) regions: Vec<Region>,
    /// What is missing, for people.
    pub(crate) notes: Vec<String>,
}

/// A stack of a thread, and how often it was found.
pub(crate) struct Stack {
    /// Indices of places, that of the interrupted instruction first.
    pub(crate) places: Vec<usize>,
    /// The name of the thread.
    pub(crate) thread: Arc<str>,
    /// The plugin whose compiled code is on the stack, the innermost one.
    pub(crate) plugin: Option<Arc<str>>,
    pub(crate) samples: u64,
}

/// An instruction on a stack.
pub(crate) struct Place {
    pub(crate) address: u64,
    pub(crate) function: usize,
    pub(crate) region: Option<usize>,
}

/// A function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The name as it is in the file.
    pub(crate) symbol: String,
    /// The file, or the plugin.
    pub(crate) file: String,
}

/// Where a file, or the code of a plugin, is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) offset: u64,
    pub(crate) file: String,
    pub(crate) build_id: String,
}

impl Recording {
    /// How many samples there are.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.samples).sum()
    }

    /// How long it was recorded.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What is missing in it, and why: sentences for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Recording");
        debug.field("samples", &self.samples()).field("took", &self.took);
        debug.field("notes", &self.notes).finish_non_exhaustive()
    }
}
