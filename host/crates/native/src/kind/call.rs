//! A call of one function of a kind.

use std::sync::Arc;

use plugbay_abi::Error;
use plugbay_abi::host::{HostCalls, Instance};
use plugbay_core::CallError;

/// A call of one function of a kind: its arguments, and how an instance in this process is called with
/// them.
pub(crate) trait KindCall {
    /// The answer as the plugin hands it out.
    type Answer;
    /// What the caller gets.
    type Output: Send + 'static;

    /// Calls the capability `index` of an instance.
    fn call(
        &self,
        instance: &Instance,
        host: &dyn HostCalls,
        index: u32,
    ) -> Result<Self::Answer, Error>;

    /// How many bytes of the policy's `output` an answer takes.
    fn size(answer: &Self::Answer) -> usize;

    /// Takes over what the plugin `label` answered.
    ///
    /// # Errors
    ///
    /// `contract`, or a kind that says more, for an answer that no plugin may give.
    fn take(answer: Self::Answer, label: &Arc<str>) -> Result<Self::Output, CallError>;
}
