//! The connection under a lane, as bytes.

use std::os::fd::AsFd;
use std::time::Instant;

use super::error::LaneError;

/// Carries bytes to the other end and back, in order.
pub(crate) trait Stream: AsFd {
    /// Sets the deadline of what follows.
    fn set_deadline(&mut self, deadline: Instant);

    /// The deadline, if there is one.
    fn deadline(&self) -> Option<Instant>;

    /// Writes a frame.
    fn write(&mut self, header: &[u8], meta: &[u8], body: &[u8]) -> Result<(), LaneError>;

    /// Appends exactly `size` bytes of a header or of metadata to `to`.
    fn read(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError>;

    /// Appends a body of exactly `size` bytes to `to`.
    fn read_body(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError>;
}
