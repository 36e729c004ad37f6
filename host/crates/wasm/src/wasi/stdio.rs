//! `wasi:cli/stdout` and `stderr`: with the grant, lines of the log; without it, dropped.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use plugbay_core::{Grant, LogLevel};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdout};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::bytes::Bytes;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{DynOutputStream, OutputStream, StreamResult};

use super::Wasi;
use crate::sandbox::grants::Sandbox;
use crate::sandbox::state::State;

/// The longest line in bytes; a longer one is logged in pieces.
const MAX_LINE: usize = 8 * 1024;
/// The most bytes of one write.
const PERMIT: usize = 64 * 1024;

/// Splits the output of one instance into log lines. All of its streams share it.
pub(super) struct Printer {
    sandbox: Arc<Sandbox>,
    level: LogLevel,
    name: &'static str,
    /// The beginning of a line whose end was not printed yet.
    line: Mutex<Vec<u8>>,
}

impl Printer {
    pub(super) fn out(sandbox: Arc<Sandbox>) -> Self {
        Self::new(sandbox, LogLevel::Info, "stdout")
    }

    pub(super) fn err(sandbox: Arc<Sandbox>) -> Self {
        Self::new(sandbox, LogLevel::Warn, "stderr")
    }

    fn new(sandbox: Arc<Sandbox>, level: LogLevel, name: &'static str) -> Self {
        Self { sandbox, level, name, line: Mutex::default() }
    }

    fn print(&self, bytes: &[u8]) {
        if !self.sandbox.grants().stdio {
            if !bytes.is_empty() {
                self.sandbox.deny(Grant::Stdio, format_args!("print to {}", self.name));
            }
            return;
        }
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(MAX_LINE) {
                if line.len() + part.len() > MAX_LINE {
                    self.write(&mem::take(&mut *line));
                }
                line.extend_from_slice(part);
            }
            if line.ends_with(b"\n") {
                self.write(&mem::take(&mut *line));
            }
        }
    }

    /// Logs the line whose end was not printed yet.
    pub(super) fn flush(&self) {
        let line = mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
        if !line.is_empty() {
            self.write(&line);
        }
    }

    fn write(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            self.sandbox.write_output(self.level, text, self.name);
        }
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// One of the guest's handles on a printer.
struct Stream(Arc<Printer>);

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.print(&bytes);
        Ok(())
    }

    /// Does nothing: programs flush within a line, and only its end logs it.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

fn open(
    state: &mut State,
    printer: impl FnOnce(&Wasi) -> &Arc<Printer>,
) -> wasmtime::Result<Resource<DynOutputStream>> {
    state.host_call()?;
    let wasi = state.wasi();
    let stream: DynOutputStream = Box::new(Stream(Arc::clone(printer(wasi))));
    Ok(wasi.table.push(stream)?)
}

impl stdout::Host for State {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        open(self, |wasi| &wasi.out)
    }
}

impl stderr::Host for State {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        open(self, |wasi| &wasi.err)
    }
}
