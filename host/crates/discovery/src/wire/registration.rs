//! The request to register an endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::check::port;
use super::fields::{Fields, kind, string};
use super::health::HealthReport;
use super::{CheckSpec, EndpointId, Host, Invalid, ServiceName, bounds, seconds};

/// What a process asks for when it registers an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Registration {
    /// The service.
    #[serde(rename = "name")]
    pub service: ServiceName,
    /// Where the endpoint is reached.
    pub host: Host,
    /// At which port.
    #[cfg_attr(feature = "server", schema(value_type = u16, minimum = 1))]
    pub port: NonZeroU16,
    /// What to say about it: at most 64 entries.
    #[cfg_attr(feature = "server", schema(required = false))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Words to select by: at most 64.
    #[cfg_attr(feature = "server", schema(required = false))]
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Its share of the load, in relation to the others', from 1. Default 1.
    #[cfg_attr(feature = "server", schema(value_type = u16, minimum = 1, default = 1, required = false))]
    pub weight: NonZeroU16,
    /// How long the lease lasts after each heartbeat. Default 30 s.
    #[cfg_attr(feature = "server", schema(value_type = f64, default = 30, required = false))]
    #[serde(serialize_with = "seconds::serialize")]
    pub ttl: Duration,
    /// How the directory should check it; by default not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckSpec>,
    /// The identifier of an earlier registration, or one that the client made. With it, registering
    /// again is idempotent: it changes the fields and renews the lease. Without it, the directory
    /// makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EndpointId>,
}

impl Registration {
    /// The lease of a registration that names none.
    pub const DEFAULT_TTL: Duration = Duration::from_secs(30);

    /// A registration with the defaults.
    #[must_use]
    pub fn new(service: ServiceName, host: Host, port: NonZeroU16) -> Self {
        Self {
            service,
            host,
            port,
            metadata: BTreeMap::new(),
            tags: BTreeSet::new(),
            weight: NonZeroU16::MIN,
            ttl: Self::DEFAULT_TTL,
            check: None,
            id: None,
        }
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// One reason for each wrong field: missing, of a wrong type, out of bounds, or unknown.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Invalid> {
        let value = serde_json::from_slice(bytes)
            .map_err(|error| Invalid::of("", format!("expected JSON: {error}")))?;
        Self::from_value(value)
    }

    /// Reads a JSON value.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    pub fn from_value(value: Value) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        match Self::read(value, &mut invalid) {
            Some(registration) if invalid.0.is_empty() => Ok(registration),
            _ => Err(invalid),
        }
    }

    fn read(value: Value, invalid: &mut Invalid) -> Option<Self> {
        let is_object = value.is_object();
        let mut fields = Fields::of(value, "", invalid);
        if !is_object {
            return None;
        }
        let service = fields.need("name", |it| string(it)?.parse::<ServiceName>());
        let host = fields.need("host", |it| string(it)?.parse::<Host>());
        let port = fields.need("port", port);
        let metadata = fields.read("metadata", metadata);
        let tags = fields.read("tags", tags);
        let weight = fields.read("weight", super::check::port);
        let ttl = fields.read("ttl", |it| bounds::TTL.check(seconds::read(it)?));
        let id = fields.read("id", |it| string(it)?.parse::<EndpointId>());
        let check = fields.take("check");
        let at = host.as_ref().zip(port);
        // Without a good host, what the check says of it cannot be judged.
        let check = match check {
            Some(check) if at.is_some() => CheckSpec::read(check, at, fields.invalid()),
            _ => None,
        };
        fields.finish();
        let mut registration = Self::new(service?, host?, port?);
        registration.metadata = metadata.unwrap_or_default();
        registration.tags = tags.unwrap_or_default();
        registration.weight = weight.unwrap_or(registration.weight);
        registration.ttl = ttl.unwrap_or(registration.ttl);
        (registration.check, registration.id) = (check, id);
        Some(registration)
    }
}

impl<'de> Deserialize<'de> for Registration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl HealthReport {
    /// Reads the report of a heartbeat's body, `{"health": {"status": …, "output": …}}`; an empty
    /// body has none.
    ///
    /// # Errors
    ///
    /// One reason for each wrong field.
    pub fn from_heartbeat(bytes: &[u8]) -> Result<Option<Self>, Invalid> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_slice(bytes)
            .map_err(|error| Invalid::of("", format!("expected JSON: {error}")))?;
        let mut invalid = Invalid::default();
        let mut fields = Fields::of(value, "", &mut invalid);
        let report = fields.read("health", Self::read);
        fields.finish();
        if invalid.0.is_empty() { Ok(report) } else { Err(invalid) }
    }

    /// Reads a report. An output that is too long is shortened.
    fn read(value: &Value) -> Result<Self, String> {
        Self::deserialize(value).map(Self::shortened).map_err(|error| error.to_string())
    }

    /// The report, with an output that is not too long.
    pub(crate) fn shortened(mut self) -> Self {
        if let Some(output) = &mut self.output {
            output.truncate(output.floor_char_boundary(bounds::MAX_OUTPUT));
        }
        self
    }
}

fn metadata(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(entries) = value else {
        return Err(format!("expected an object of texts, found {}", kind(value)));
    };
    few(entries.len())?;
    let entry = |(key, value): (&String, &Value)| {
        bounds::word(key).map_err(|error| format!("in a key, {error}"))?;
        let text = string(value).and_then(|text| {
            bounds::text(text, bounds::MAX_VALUE)?;
            Ok(text.to_owned())
        });
        Ok((key.clone(), text.map_err(|error| format!("at {key}, {error}"))?))
    };
    entries.iter().map(entry).collect()
}

fn tags(value: &Value) -> Result<BTreeSet<String>, String> {
    let Value::Array(entries) = value else {
        return Err(format!("expected an array of texts, found {}", kind(value)));
    };
    few(entries.len())?;
    let tag = |value: &Value| {
        let tag = string(value)?;
        bounds::word(tag)?;
        Ok(tag.to_owned())
    };
    entries.iter().map(tag).collect()
}

fn few(entries: usize) -> Result<(), String> {
    let most = bounds::MAX_ENTRIES;
    if entries <= most {
        Ok(())
    } else {
        Err(format!("expected at most {most} entries, found {entries}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Probe;
    use super::*;

    fn errors(value: Value) -> Vec<(String, String)> {
        let invalid = Registration::from_value(value).unwrap_err();
        invalid.0.into_iter().map(|it| (it.field, it.detail)).collect()
    }

    #[test]
    fn the_smallest_registration_has_defaults() {
        let read = Registration::from_json(br#"{"name":"web","host":"h","port":80}"#).unwrap();
        assert_eq!(read.ttl, Duration::from_secs(30));
        assert_eq!((read.weight.get(), read.check, read.id), (1, None, None));
    }

    #[test]
    fn every_wrong_field_has_one_reason() {
        let found = errors(json!({
            "name": "Web", "host": "a b", "port": 65536, "metadata": {"a": 1}, "tags": "x",
            "weight": 0, "ttl": "soon", "id": "7", "color": "red"
        }));
        let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        let expected = ["name", "host", "port", "metadata", "tags", "weight", "ttl", "id", "color"];
        assert_eq!(fields, expected);
        let missing = errors(json!({}));
        assert_eq!(missing.len(), 3, "{missing:?}");
        assert!(missing.iter().all(|(_, detail)| detail == "this field is required"));
        assert_eq!(errors(json!([]))[0].1, "expected an object, found an array");
        assert!(Registration::from_json(b"{").unwrap_err().to_string().contains("expected JSON"));
    }

    #[test]
    fn sizes_are_bounded() {
        let with = |extra: Value| {
            let mut value = json!({"name": "a", "host": "h", "port": 1});
            value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            errors(value).remove(0)
        };
        let many: Vec<_> = (0..65).map(|it| it.to_string()).collect();
        assert_eq!(with(json!({ "tags": many })).0, "tags");
        assert_eq!(with(json!({"tags": ["a b"]})).0, "tags");
        assert_eq!(with(json!({"metadata": {"k": "v".repeat(513)}})).0, "metadata");
        assert_eq!(with(json!({"metadata": {"k": "a\nb"}})).0, "metadata");
        assert_eq!(with(json!({"metadata": {"": "v"}})).0, "metadata");
        assert_eq!(with(json!({"ttl": 0})).0, "ttl");
        assert_eq!(with(json!({"ttl": -1})).0, "ttl");
        assert_eq!(with(json!({"ttl": 1e300})).0, "ttl");
        assert_eq!(with(json!({"port": 0})).0, "port");
        assert_eq!(with(json!({"port": "80"})).0, "port");
        assert_eq!(with(json!({"port": 80.5})).0, "port");
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that tests read well")]
    fn check(check: Value) -> Result<CheckSpec, Vec<(String, String)>> {
        let value = json!({"name": "a", "host": "h.example", "port": 80, "check": check});
        match Registration::from_value(value.clone()) {
            Ok(read) => Ok(read.check.unwrap()),
            Err(_) => Err(errors(value)),
        }
    }

    #[test]
    fn a_check_goes_to_the_endpoints_own_host_only() {
        let http = |port: u16, path: &str| Probe::Http {
            port: port.try_into().unwrap(),
            path: path.into(),
        };
        for (text, probe) in [
            ("/health", http(80, "/health")),
            ("http://h.example:81/x?y=1", http(81, "/x?y=1")),
            ("http://H.example", http(80, "/")),
        ] {
            assert_eq!(check(json!({ "http": text })).unwrap().probe, probe);
            assert_eq!(check(json!(text)).unwrap().probe, probe);
        }
        for bad in [
            "http://169.254.169.254/",
            "http://h.example@evil/",
            "http://evil:80",
            "https://h.example/",
            "http://h.example:0/",
            "http://h.example:+1/",
            "health",
            "",
            "/a b",
            "/a#b",
            "/\r\nX: y",
        ] {
            let found = check(json!({ "http": bad })).unwrap_err();
            assert_eq!(found[0].0, "check.http", "{bad}: {found:?}");
        }
        let tcp = check(json!({"tcp": "h.example:90"})).unwrap();
        assert_eq!(tcp.probe, Probe::Tcp { port: 90.try_into().unwrap() });
        assert_eq!(check(json!({"tcp": "evil:90"})).unwrap_err()[0].0, "check.tcp");
        assert_eq!(check(json!({"tcp": true, "http": "/"})).unwrap_err()[0].0, "check");
        let times = check(json!({"tcp": true, "interval": 0, "fall": 0, "huh": 1})).unwrap_err();
        let fields: Vec<_> = times.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["check.interval", "check.fall", "check.huh"]);
    }

    #[test]
    fn a_registration_is_read_as_it_is_written() {
        let value = json!({
            "name": "a", "host": "::1", "port": 80, "metadata": {"k": "v"}, "tags": ["t"], "weight": 5,
            "ttl": "1m 500ms", "id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "check": {"grpc": "", "interval": "2s", "deregister_after": 60},
        });
        let read = Registration::from_value(value).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written["ttl"], 60.5);
        assert_eq!(Registration::from_value(written).unwrap(), read);
    }

    #[test]
    fn a_heartbeat_may_carry_a_report() {
        assert_eq!(HealthReport::from_heartbeat(b""), Ok(None));
        assert_eq!(HealthReport::from_heartbeat(b"{}"), Ok(None));
        let read = HealthReport::from_heartbeat(br#"{"health":{"status":"warning"}}"#).unwrap();
        assert_eq!(read.unwrap().status, super::super::HealthStatus::Warning);
        for bad in ["[]", "x", r#"{"healh":1}"#, r#"{"health":{"status":"fine"}}"#] {
            assert!(HealthReport::from_heartbeat(bad.as_bytes()).is_err(), "{bad}");
        }
        let long =
            format!(r#"{{"health":{{"status":"passing","output":"{}"}}}}"#, "é".repeat(2000));
        let read = HealthReport::from_heartbeat(long.as_bytes()).unwrap().unwrap();
        assert_eq!(read.output.unwrap().len(), 1024);
    }
}
