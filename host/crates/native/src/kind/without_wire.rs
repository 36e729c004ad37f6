//! Stands in for the frames on systems that do not support workers.

use super::call::KindCall;

/// Any call: no frame has to carry it.
pub(crate) trait WireCall: KindCall {}

impl<C: KindCall> WireCall for C {}
