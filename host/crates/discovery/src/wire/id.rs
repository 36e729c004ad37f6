//! Identifiers of endpoints.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid, Version};

/// The identifier of a registered endpoint: a UUID of version 7 (RFC 9562), which begins with the
/// time, so that identifiers sort by registration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct EndpointId(Uuid);

impl EndpointId {
    /// A new identifier from the wall clock and 10 random bytes, of which 74 bits are used.
    #[must_use]
    pub fn new(at: SystemTime, random: [u8; 10]) -> Self {
        let millis = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl TryFrom<Uuid> for EndpointId {
    type Error = String;

    fn try_from(id: Uuid) -> Result<Self, String> {
        match id.get_version() {
            Some(Version::SortRand) => Ok(Self(id)),
            _ => Err(format!("expected a UUID of version 7, found {id}")),
        }
    }
}

impl From<EndpointId> for Uuid {
    fn from(id: EndpointId) -> Self {
        id.0
    }
}

impl FromStr for EndpointId {
    type Err = String;

    /// # Errors
    ///
    /// What is expected and what was found, as text.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = || format!("expected a UUID, found {}", super::invalid::shortened(text));
        // One form only: an identifier is a part of paths, and two paths would name one endpoint.
        let id = Uuid::try_parse(text).ok().filter(|id| id.to_string() == text);
        id.ok_or_else(found)?.try_into()
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn identifiers_sort_by_time_and_are_read_in_one_form() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let [early, late] = [EndpointId::new(at(1), [255; 10]), EndpointId::new(at(2), [0; 10])];
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        for bad in ["", "x", &early.to_string().to_uppercase(), &early.0.simple().to_string()] {
            assert!(bad.parse::<EndpointId>().is_err(), "{bad}");
        }
        let four = "936da01f-9abd-4d9d-80c7-02af85c822a8";
        assert!(four.parse::<EndpointId>().unwrap_err().contains("version 7"));
    }
}
