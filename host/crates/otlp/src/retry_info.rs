//! How long a collector asks to wait, in the details of a gRPC status: a message `google.rpc.Status`, among whose
//! details may be a `google.rpc.RetryInfo`.

use std::time::Duration;

use prost::Message;

const RETRY_INFO: &str = "google.rpc.RetryInfo";

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Any {
    /// A host's name, a slash, and the name of the message.
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The time of a `RetryInfo` in the details of a status; `None` if there is no valid one. One without a time, or with a
/// negative one, asks for no wait.
pub(crate) fn read(details: &[u8]) -> Option<Duration> {
    let status = Status::decode(details).ok()?;
    let is_it = |any: &&Any| any.type_url.rsplit('/').next() == Some(RETRY_INFO);
    let any = status.details.iter().find(is_it)?;
    let delay = RetryInfo::decode(&any.value[..]).ok()?.delay.unwrap_or_default();
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(delay.seconds), u32::try_from(delay.nanos))
    else {
        return Some(Duration::ZERO);
    };
    // A message may have more nanoseconds than a second has.
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(name: &str, delay: Option<(i64, i32)>) -> Vec<u8> {
        let delay = delay.map(|(seconds, nanos)| Delay { seconds, nanos });
        let value = RetryInfo { delay }.encode_to_vec();
        let other = Any { type_url: "type.googleapis.com/google.rpc.Help".into(), value: vec![7] };
        let any = Any { type_url: name.into(), value };
        Status { details: vec![other, any] }.encode_to_vec()
    }

    #[test]
    fn the_time_of_a_retry_info_is_read() {
        let read = |delay| read(&details("type.googleapis.com/google.rpc.RetryInfo", delay));
        assert_eq!(read(Some((2, 500_000_000))), Some(Duration::from_millis(2500)));
        assert_eq!(read(None), Some(Duration::ZERO));
        assert_eq!(read(Some((-1, 0))), Some(Duration::ZERO));
        assert_eq!(read(Some((0, -1))), Some(Duration::ZERO));
        assert_eq!(read(Some((i64::MAX, i32::MAX))).map(|it| it.as_secs() > 1 << 60), Some(true));
    }

    #[test]
    fn other_details_are_none() {
        for name in ["", "google.rpc.Help", "x/google.rpc.RetryInfo2"] {
            assert_eq!(read(&details(name, Some((1, 0)))), None, "{name}");
        }
        for bytes in [&b""[..], b"\x1a\x7f", b"\xff\xff\xff\xff", &[0x1a; 1000]] {
            assert_eq!(read(bytes), None);
        }
    }
}
