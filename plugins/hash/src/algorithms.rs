//! The digest algorithms.

use std::fmt;

use data_encoding::HEXLOWER;
use plugbay_sdk::{Error, Result};
use sha2::Digest;

/// A digest algorithm.
#[derive(Clone, Copy)]
pub struct Algorithm {
    /// The name that requests use.
    pub name: &'static str,
    /// Computes the digest of some bytes, in hexadecimal.
    pub digest: fn(&[u8]) -> String,
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All algorithms, sorted by name.
pub const ALGORITHMS: &[Algorithm] = &[
    Algorithm { name: "blake2b", digest: hex::<blake2::Blake2b512> },
    Algorithm { name: "blake2s", digest: hex::<blake2::Blake2s256> },
    Algorithm { name: "blake3", digest: |bytes| HEXLOWER.encode(blake3::hash(bytes).as_bytes()) },
    Algorithm { name: "crc32", digest: |bytes| format!("{:08x}", crc32fast::hash(bytes)) },
    Algorithm { name: "sha1", digest: hex::<sha1::Sha1> },
    Algorithm { name: "sha224", digest: hex::<sha2::Sha224> },
    Algorithm { name: "sha256", digest: hex::<sha2::Sha256> },
    Algorithm { name: "sha3-256", digest: hex::<sha3::Sha3_256> },
    Algorithm { name: "sha3-512", digest: hex::<sha3::Sha3_512> },
    Algorithm { name: "sha384", digest: hex::<sha2::Sha384> },
    Algorithm { name: "sha512", digest: hex::<sha2::Sha512> },
];

fn hex<D: Digest>(bytes: &[u8]) -> String {
    HEXLOWER.encode(&D::digest(bytes))
}

/// Parses a list of algorithms that is separated by commas. The error for an unknown one lists all.
pub(crate) fn parse(names: &str) -> Result<Vec<Algorithm>> {
    let one = |name: &str| {
        let name = name.trim();
        let known = ALGORITHMS.iter().find(|algorithm| algorithm.name.eq_ignore_ascii_case(name));
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = ALGORITHMS.iter().map(|algorithm| algorithm.name).collect();
            Error::invalid_input(format_args!(
                "expected one of the algorithms {}, found {name:?}",
                names.join(", ")
            ))
        })
    };
    names.split(',').map(one).collect()
}
