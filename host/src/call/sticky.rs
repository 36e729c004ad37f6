//! The key that makes requests stick to one of several providers.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use plugbay_core::handler::Request;

use crate::config::RequestKey;

/// The value of a request's sticky key, if the request has it: requests with the same value go to
/// the same provider.
pub(crate) fn key_of<'a>(key: &RequestKey, request: &'a Request) -> Option<Cow<'a, [u8]>> {
    match key {
        RequestKey::Header(name) => {
            let mut fields = request.headers.iter().filter(|(it, _)| it == name);
            fields.next().map(|(_, value)| Cow::Borrowed(&**value))
        }
        RequestKey::Query(name) => {
            let pairs = request.query.as_deref()?.split('&');
            let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let (_, value) = pairs.find(|(it, _)| percent_decode_str(it).eq(name.bytes()))?;
            Some(percent_decode_str(value).into())
        }
        RequestKey::Param(name) => {
            let (_, value) = request.params.iter().find(|(it, _)| it == name)?;
            Some(Cow::Borrowed(value.as_bytes()))
        }
        RequestKey::Path => Some(Cow::Borrowed(request.path.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_found() {
        let request = Request {
            path: "/a/b".into(),
            query: Some("x=1&us%65r=J%C3%BCrgen&user=no".into()),
            params: vec![("id".into(), "7".into())],
            headers: vec![("x-user".into(), b"ada".to_vec())],
            ..Request::default()
        };
        let of = |key: RequestKey| {
            key_of(&key, &request).map(|it| String::from_utf8_lossy(&it).into_owned())
        };
        assert_eq!(of(RequestKey::Header("x-user".into())).as_deref(), Some("ada"));
        assert_eq!(of(RequestKey::Query("user".into())).as_deref(), Some("J\u{fc}rgen"));
        assert_eq!(of(RequestKey::Param("id".into())).as_deref(), Some("7"));
        assert_eq!(of(RequestKey::Path).as_deref(), Some("/a/b"));
        assert_eq!(of(RequestKey::Header("x-other".into())), None);
    }
}
