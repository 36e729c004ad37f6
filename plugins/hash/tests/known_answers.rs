//! Known answers from the standards: FIPS 180-4 and FIPS 202 (their "abc" examples), RFC 7693
//! appendices A and B, the BLAKE3 paper's test vectors, and the check value of CRC-32/ISO-HDLC.

use plugbay_plugin_hash::{ALGORITHMS, Config, Hash};
use plugbay_sdk::{ErrorKind, Handler as _, Plugin as _, Request, Response, Result};

fn post(query: Option<&str>, body: &[u8]) -> Result<Response> {
    let request = Request {
        query: query.map(str::to_owned),
        body: body.to_vec(),
        ..Request::new("POST", "/hash")
    };
    Hash::new(Config::default())?.handle(request)
}

fn digest(name: &str, body: &[u8]) -> String {
    let algorithm =
        ALGORITHMS.iter().find(|algorithm| algorithm.name == name).expect("an algorithm");
    (algorithm.digest)(body)
}

#[test]
fn the_examples_of_the_standards() {
    let known = [
        ("sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("sha224", "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        ("sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sha256", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "sha256",
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            "sha384",
            "abc",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            "sha512",
            "abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        ("sha3-256", "abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        (
            "sha3-512",
            "abc",
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
             10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ),
        (
            "blake2b",
            "abc",
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
        ("blake2s", "abc", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
        ("blake3", "", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        ("blake3", "abc", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        ("crc32", "123456789", "cbf43926"),
        ("crc32", "", "00000000"),
    ];
    for (name, input, expected) in known {
        assert_eq!(digest(name, input.as_bytes()), expected, "{name} of {input:?}");
    }
    for algorithm in ALGORITHMS {
        assert!(
            known.iter().any(|known| known.0 == algorithm.name),
            "{algorithm:?} has no example"
        );
    }
}

/// The long example of FIPS 180-4.
#[test]
fn a_million_letters_are_digested() {
    let million = vec![b'a'; 1_000_000];
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(digest("sha256", &million), expected);
}

#[test]
fn several_algorithms_are_computed_in_one_request() {
    let response = post(Some("alg=crc32,SHA256,%20sha1"), b"").expect("an answer");
    assert_eq!(
        String::from_utf8(response.body).expect("utf-8"),
        r#"{"bytes":0,"digests":{"crc32":"00000000","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}"#
    );
}

#[test]
fn the_default_is_configurable() {
    let body = String::from_utf8(post(None, b"abc").expect("an answer").body).expect("utf-8");
    assert!(body.contains(r#""sha256":"ba7816bf"#) && !body.contains("sha1"), "{body}");
    assert!(Hash::new(Config { default: "md5".to_owned() }).is_err());
}

#[test]
fn the_error_for_an_unknown_algorithm_lists_all() {
    for query in ["alg=md5", "alg=sha256,md5", "alg=", "alg=sha256,"] {
        let error = post(Some(query), b"").expect_err(query);
        assert_eq!(error.kind(), Some(ErrorKind::InvalidInput));
        assert!(
            error.message().contains("blake2b, blake2s, blake3, crc32, sha1, sha224"),
            "{error}"
        );
    }
}
