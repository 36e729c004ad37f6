//! The service that a URL names.

use std::fmt::Display;

use super::CallError;
use crate::ServiceName;

/// The service that a URL with this authority names: the authority is the name of a service, and nothing else.
pub(super) fn named_by(
    url: &dyn Display,
    authority: Option<&str>,
) -> Result<ServiceName, CallError> {
    let problem = |problem: String| CallError::Url { found: url.to_string(), problem };
    let authority = authority.filter(|authority| !authority.is_empty());
    let authority = authority.ok_or_else(|| problem("it has no host".into()))?;
    if authority.contains([':', '@']) {
        return Err(problem("a service is a name alone, without a port or a user".into()));
    }
    authority.parse().map_err(problem)
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use reqwest::Url;

    use super::*;

    #[test]
    fn a_url_names_a_service_and_nothing_else() {
        let of_tower = |text: &str| {
            let uri: Uri = text.parse().unwrap();
            named_by(&uri, uri.authority().map(http::uri::Authority::as_str))
        };
        let of_reqwest = |text: &str| {
            let url: Url = text.parse().unwrap();
            named_by(&url, Some(url.authority()))
        };
        assert_eq!(of_tower("http://orders/a?b").unwrap().as_str(), "orders");
        assert_eq!(of_reqwest("http://orders/a?b").unwrap().as_str(), "orders");
        let bad =
            ["http://orders:81/", "http://me@orders/", "http://me:a@orders/", "http://or_ders/"];
        for bad in bad {
            assert_eq!(of_tower(bad).unwrap_err().reason(), "url", "{bad}");
            assert_eq!(of_reqwest(bad).unwrap_err().reason(), "url", "{bad}");
        }
        assert_eq!(of_tower("/path").unwrap_err().reason(), "url");
        assert_eq!(of_reqwest("data:,").unwrap_err().reason(), "url");
    }
}
