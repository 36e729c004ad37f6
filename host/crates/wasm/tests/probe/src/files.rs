//! Files, by WASI itself: uses that the standard library does not allow.

use std::io;
use std::sync::{Mutex, PoisonError};

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DirectoryEntryStream, ErrorCode, OpenFlags, PathFlags,
};
use wasip2::io::streams::InputStream;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

/// A resource that stays open after the call.
enum Held {
    File { _file: Descriptor },
    Stream { _stream: InputStream },
    Listing { _listing: DirectoryEntryStream },
    Socket { _socket: TcpSocket },
}

static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

fn failed(code: ErrorCode) -> io::Error {
    io::Error::other(format!("{code:?}"))
}

/// The granted folder at this path.
fn folder(at: &str) -> io::Result<Descriptor> {
    let found = get_directories().into_iter().find(|(_, path)| path == at);
    found.map(|(folder, _)| folder).ok_or_else(|| io::Error::other("no such folder"))
}

fn open(folder: &Descriptor, path: &str, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    folder.open_at(PathFlags::empty(), path, OpenFlags::empty(), flags)
}

/// Opens a resource up to `times` times and keeps all of them open. Returns how many, and the error
/// of the first that failed.
fn hold<E: std::fmt::Debug>(
    times: &str,
    mut open: impl FnMut() -> Result<Held, E>,
) -> io::Result<String> {
    let times: usize = times.parse().map_err(io::Error::other)?;
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    for opened in 0..times {
        match open() {
            Ok(it) => held.push(it),
            Err(code) => return Ok(format!("{opened}: {code:?}")),
        }
    }
    Ok(times.to_string())
}

pub(crate) fn hold_files(at: &str, path: &str, times: &str) -> io::Result<String> {
    let folder = folder(at)?;
    hold(times, || {
        open(&folder, path, DescriptorFlags::READ).map(|file| Held::File { _file: file })
    })
}

pub(crate) fn hold_streams(at: &str, path: &str, times: &str) -> io::Result<String> {
    let file = open(&folder(at)?, path, DescriptorFlags::READ).map_err(failed)?;
    hold(times, || file.read_via_stream(0).map(|stream| Held::Stream { _stream: stream }))
}

/// Reads one entry of each listing.
pub(crate) fn hold_listings(at: &str, times: &str) -> io::Result<String> {
    let folder = folder(at)?;
    hold(times, || {
        let listing = folder.read_directory()?;
        listing.read_directory_entry()?;
        Ok::<_, ErrorCode>(Held::Listing { _listing: listing })
    })
}

pub(crate) fn hold_sockets(times: &str) -> io::Result<String> {
    hold(times, || {
        create_tcp_socket(IpAddressFamily::Ipv4).map(|socket| Held::Socket { _socket: socket })
    })
}

pub(crate) fn release() -> String {
    let held = std::mem::take(&mut *HELD.lock().unwrap_or_else(PoisonError::into_inner));
    held.len().to_string()
}

/// The number of entries in the folder, and of distinct names among them.
pub(crate) fn count(at: &str) -> io::Result<String> {
    let listing = folder(at)?.read_directory().map_err(failed)?;
    let (mut entries, mut names) = (0, std::collections::BTreeSet::new());
    while let Some(entry) = listing.read_directory_entry().map_err(failed)? {
        entries += 1;
        names.insert(entry.name);
    }
    Ok(format!("{entries} {}", names.len()))
}

/// Writes this many bytes in one call, without asking for a permit.
pub(crate) fn overwrite(at: &str, path: &str, bytes: &str) -> io::Result<String> {
    let bytes = bytes.parse().map_err(io::Error::other)?;
    let file = open(&folder(at)?, path, DescriptorFlags::WRITE).map_err(failed)?;
    let stream = file.write_via_stream(0).map_err(failed)?;
    stream.write(&vec![b'x'; bytes]).map_err(|error| io::Error::other(format!("{error:?}")))?;
    stream.blocking_flush().map_err(|error| io::Error::other(format!("{error:?}")))?;
    Ok("written".into())
}
