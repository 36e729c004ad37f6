//! The directory's zone: every request gets no answer, or one that can be read, that is for it, and that
//! is not longer than its way allows; and nothing panics.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType};
use libfuzzer_sys::fuzz_target;
use plugbay_discovery::Endpoint;
use plugbay_discovery::dns::{DnsEndpoint, DnsSource, Responder, Transport, Zone};

/// Every name is a service with endpoints, so that no request ends early.
struct Everywhere(Vec<DnsEndpoint>);

impl DnsSource for Everywhere {
    fn service(&self, _: &str, from: usize, most: usize) -> Option<Vec<DnsEndpoint>> {
        let from = from % self.0.len();
        Some(self.0.iter().cycle().skip(from).take(most.min(self.0.len())).cloned().collect())
    }

    fn endpoint(&self, _: &str, _: &str) -> Option<DnsEndpoint> {
        self.0.first().cloned()
    }

    fn serial(&self) -> u64 {
        1
    }
}

static RESPONDER: LazyLock<Responder<Everywhere>> = LazyLock::new(|| {
    let hosts = ["10.0.0.1", "2001:db8::1", "db.example"];
    let endpoint = |number: u16| {
        let id = format!("01890000-0000-7000-8000-00000000{number:04x}");
        let host = hosts[usize::from(number) % hosts.len()];
        let json = serde_json::json!({
            "id": id, "name": "web", "host": host, "port": 1 + number, "metadata": {}, "tags": [],
            "weight": 1, "health": "passing", "ttl": 30, "registered_at": "2026-01-01T00:00:00Z",
            "sequence": 1,
        });
        let endpoint: Endpoint = serde_json::from_value(json).expect("an endpoint");
        DnsEndpoint { endpoint: Arc::new(endpoint), left: Duration::from_secs(30) }
    };
    let zone = Zone::new("plugbay").expect("a zone");
    Responder::new(zone, Duration::from_secs(5), Everywhere((0..40).map(endpoint).collect()))
});

fuzz_target!(|request: &[u8]| {
    for (transport, limit) in [(Transport::Udp, 1232), (Transport::Tcp, 65_535)] {
        let Some(answer) = RESPONDER.respond(request, transport) else { continue };
        assert!(answer.len() <= limit, "{} bytes", answer.len());
        let answer = Message::from_vec(&answer).expect("an answer can be read");
        assert_eq!(answer.metadata.message_type, MessageType::Response);
        assert_eq!(answer.metadata.id.to_be_bytes(), request[..2]);
    }
});
