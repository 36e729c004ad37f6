//! The names of a zone.

use std::fmt;

use hickory_proto::ProtoError;
use hickory_proto::rr::Name;

/// The label under which the services are.
const SERVICE: &str = "service";

/// The longest name of a zone, in bytes of its labels with their lengths. It leaves room in the 255
/// bytes of a name (RFC 1035 section 2.3.4) for the root, and for the longest name in front of the zone,
/// that of one endpoint: a UUID (37), a service (64) and the label `service` (8).
const LONGEST: usize = 255 - 1 - 37 - 64 - 8;

/// The apex of the directory's zone, for example `plugbay.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    apex: Name,
    services: Name,
}

/// A name cannot be the name of a zone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// The name is not a domain name.
    #[error("the DNS zone {name:?} is not a domain name: {source}")]
    Malformed {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: ProtoError,
    },
    /// The name is that of the root, or leaves no room for names in front of it.
    #[error(
        "the DNS zone {name:?} must have from 1 to {LONGEST} bytes, so that there is room for the names of services"
    )]
    Length {
        /// The name.
        name: String,
    },
}

impl ZoneError {
    /// The stable word for this kind of error.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "zone-malformed",
            Self::Length { .. } => "zone-length",
        }
    }
}

/// What a question asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A name that is not in the zone.
    Foreign,
    /// The zone itself.
    Apex,
    /// A name that exists only because longer ones do (RFC 8020).
    Between,
    /// A service by its own name, which has addresses and places.
    Service(String),
    /// A service by its name of RFC 2782, which has places only.
    Places(String),
    /// One endpoint of a service.
    Endpoint { service: String, id: String },
    /// A name of the zone that cannot exist.
    Nothing,
}

impl Zone {
    /// The zone of a name, which may end with a dot.
    ///
    /// # Errors
    ///
    /// If the name is not a domain name, is the root, or is too long.
    pub fn new(name: &str) -> Result<Self, ZoneError> {
        let malformed = |source| ZoneError::Malformed { name: name.to_owned(), source };
        let mut apex = Name::from_ascii(name).map_err(malformed)?.to_lowercase();
        apex.set_fqdn(true);
        if apex.is_root() || apex.len() > LONGEST {
            return Err(ZoneError::Length { name: name.to_owned() });
        }
        let services = apex.prepend_label(SERVICE).map_err(malformed)?;
        Ok(Self { apex, services })
    }

    pub(super) fn apex(&self) -> &Name {
        &self.apex
    }

    /// The name of a machine or a person of the zone, for its SOA record.
    pub(super) fn host(&self, label: &str) -> Name {
        self.apex.prepend_label(label).unwrap_or_else(|_| self.apex.clone())
    }

    /// The name of one endpoint. `None` if it is not a domain name.
    pub(super) fn endpoint(&self, service: &str, id: &str) -> Option<Name> {
        self.services.prepend_label(service).and_then(|name| name.prepend_label(id)).ok()
    }

    /// What a name is in this zone. Upper and lower case are the same.
    pub(super) fn asked(&self, name: &Name) -> Asked {
        if !self.apex.zone_of(name) {
            return Asked::Foreign;
        }
        let front = name.iter().len() - self.apex.iter().len();
        let labels: Option<Vec<String>> = name.iter().take(front).map(lower).collect();
        let Some(labels) = labels else { return Asked::Nothing };
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        match *labels {
            [] => Asked::Apex,
            [SERVICE] | ["_tcp", SERVICE] => Asked::Between,
            [service, "_tcp", SERVICE] => match service.strip_prefix('_') {
                Some(service) => Asked::Places(service.to_owned()),
                None => Asked::Nothing,
            },
            [service, SERVICE] => Asked::Service(service.to_owned()),
            [id, service, SERVICE] => {
                Asked::Endpoint { service: service.to_owned(), id: id.to_owned() }
            }
            _ => Asked::Nothing,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.apex.fmt(f)
    }
}

/// A label in lower case, if it is text.
fn lower(label: &[u8]) -> Option<String> {
    std::str::from_utf8(label).ok().map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> Asked {
        Zone::new("Plugbay").unwrap().asked(&Name::from_ascii(name).unwrap())
    }

    #[test]
    fn names_are_told_apart_without_regard_to_case() {
        assert_eq!(asked("PLUGBAY."), Asked::Apex);
        assert_eq!(asked("service.plugbay."), Asked::Between);
        assert_eq!(asked("_tcp.service.plugbay."), Asked::Between);
        assert_eq!(asked("Web.Service.plugbay."), Asked::Service("web".into()));
        assert_eq!(asked("_web._TCP.service.plugbay."), Asked::Places("web".into()));
        let endpoint = Asked::Endpoint { service: "web".into(), id: "one".into() };
        assert_eq!(asked("one.web.service.plugbay."), endpoint);
    }

    #[test]
    fn other_names_are_foreign_or_nothing() {
        for foreign in [".", "example.com.", "plugbay.com.", "xplugbay."] {
            assert_eq!(asked(foreign), Asked::Foreign, "{foreign}");
        }
        for nothing in ["web.plugbay.", "web._tcp.service.plugbay.", "a.b.c.service.plugbay."] {
            assert_eq!(asked(nothing), Asked::Nothing, "{nothing}");
        }
    }

    #[test]
    fn a_zone_needs_a_name_with_room_in_front_of_it() {
        assert_eq!(Zone::new("").unwrap_err().reason(), "zone-length");
        assert_eq!(Zone::new(".").unwrap_err().reason(), "zone-length");
        assert_eq!(Zone::new("a..b").unwrap_err().reason(), "zone-malformed");
        let label = "l".repeat(47);
        let long = [label.as_str(); 3].join(".");
        assert_eq!(Zone::new(&long).unwrap().apex().len(), 144);
        let zone = Zone::new(&format!("{long}x")).unwrap();
        let name = zone.endpoint(&"s".repeat(63), &"i".repeat(36)).unwrap();
        assert_eq!(name.len(), 254);
        assert_eq!(Zone::new(&format!("{long}xx")).unwrap_err().reason(), "zone-length");
    }
}
