use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::time::UNIX_EPOCH;

use super::*;
use crate::wire::{EndpointId, HealthStatus, Sequence};

/// Services of fixed endpoints.
struct Fixed(Vec<(&'static str, Vec<DnsEndpoint>)>);

impl DnsSource for Fixed {
    fn service(&self, name: &str, from: usize, most: usize) -> Option<Vec<DnsEndpoint>> {
        let (_, endpoints) = self.0.iter().find(|(service, _)| *service == name)?;
        let from = from % endpoints.len().max(1);
        Some(endpoints.iter().cycle().skip(from).take(most.min(endpoints.len())).cloned().collect())
    }

    fn endpoint(&self, service: &str, id: &str) -> Option<DnsEndpoint> {
        let endpoints = self.service(service, 0, usize::MAX)?;
        endpoints.into_iter().find(|it| it.endpoint.id.to_string() == id)
    }

    fn serial(&self) -> u64 {
        (1 << 32) + 7
    }
}

fn id(number: u32) -> EndpointId {
    EndpointId::new(UNIX_EPOCH + Duration::from_millis(number.into()), [7; 10])
}

fn endpoint(number: u32, host: Host, left: u64) -> DnsEndpoint {
    let endpoint = Endpoint {
        id: id(number),
        service: "web".parse().unwrap(),
        host,
        port: NonZeroU16::new(8080).unwrap(),
        metadata: BTreeMap::new(),
        tags: BTreeSet::new(),
        weight: NonZeroU16::new(3).unwrap(),
        health: HealthStatus::Passing,
        ttl: Duration::from_secs(30),
        check: None,
        owner: None,
        registered_at: UNIX_EPOCH,
        sequence: Sequence(0),
        retained: false,
    };
    DnsEndpoint { endpoint: Arc::new(endpoint), left: Duration::from_millis(left) }
}

fn v4(last: u32) -> Host {
    Host::Address(Ipv4Addr::from_bits(0x0a00_0000 + last).into())
}

fn responder(services: Vec<(&'static str, Vec<DnsEndpoint>)>) -> Responder<Fixed> {
    Responder::new(Zone::new("plugbay").unwrap(), Duration::from_secs(5), Fixed(services))
}

fn web(count: u32) -> Responder<Fixed> {
    responder(vec![("web", (1..=count).map(|id| endpoint(id, v4(id), 60_000)).collect())])
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn ask(responder: &Responder<Fixed>, message: &Message, transport: Transport) -> Message {
    let answer = responder.respond(&message.to_vec().unwrap(), transport).unwrap();
    let limit = if transport == Transport::Udp { 1232 } else { 65_535 };
    assert!(answer.len() <= limit, "{} bytes", answer.len());
    Message::from_vec(&answer).unwrap()
}

fn look_up(responder: &Responder<Fixed>, name: &str, kind: RecordType) -> Message {
    ask(responder, &question(name, kind), Transport::Udp)
}

fn addresses(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn addresses_are_answered_by_family_and_once() {
    let six = Host::Address(Ipv6Addr::LOCALHOST.into());
    let mapped = Host::Address(Ipv4Addr::new(10, 0, 0, 2).to_ipv6_mapped().into());
    let endpoints = vec![
        endpoint(1, v4(1), 60_000),
        endpoint(2, v4(1), 60_000),
        endpoint(3, six, 60_000),
        endpoint(4, mapped, 60_000),
        endpoint(5, Host::Name("db.example".into()), 60_000),
    ];
    let responder = responder(vec![("web", endpoints)]);
    let answer = look_up(&responder, "WEB.Service.plugbay.", RecordType::A);
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert!(answer.metadata.authoritative && !answer.metadata.recursion_available);
    let mut found = addresses(&answer);
    found.sort();
    assert_eq!(found, ["10.0.0.1", "10.0.0.2"]);
    // The name is repeated as it was asked, by which resolvers tell forged answers.
    assert_eq!(answer.queries[0].name.to_ascii(), "WEB.Service.plugbay.");
    assert_eq!(addresses(&look_up(&responder, "web.service.plugbay.", RecordType::AAAA)), ["::1"]);
}

#[test]
fn places_point_to_names_with_addresses() {
    let endpoints =
        vec![endpoint(1, v4(1), 60_000), endpoint(2, Host::Name("db.example".into()), 60_000)];
    let responder = responder(vec![("web", endpoints)]);
    for name in ["web.service.plugbay.", "_web._tcp.service.plugbay."] {
        let answer = look_up(&responder, name, RecordType::SRV);
        let mut found = addresses(&answer);
        found.sort();
        let target = format!("{}.web.service.plugbay.", id(1));
        assert_eq!(found, [format!("0 3 8080 {target}"), "0 3 8080 db.example.".to_owned()]);
        let target = Name::from_ascii(target).unwrap();
        assert_eq!(answer.additionals.len(), 1);
        assert_eq!(answer.additionals[0].name, target);
    }
    let answer = look_up(&responder, &format!("{}.web.service.plugbay.", id(1)), RecordType::A);
    assert_eq!(addresses(&answer), ["10.0.0.1"]);
    // The name of RFC 2782 has no addresses.
    let answer = look_up(&responder, "_web._tcp.service.plugbay.", RecordType::A);
    assert_eq!((answer.answers.len(), answer.authorities.len()), (0, 1));
}

#[test]
fn no_answer_outlives_a_lease_or_the_bound() {
    let ttl = |left: &[u64]| {
        let endpoints = (1..).zip(left).map(|(id, left)| endpoint(id, v4(id), *left)).collect();
        let answer =
            look_up(&responder(vec![("web", endpoints)]), "web.service.plugbay.", RecordType::A);
        let ttls: Vec<u32> = answer.answers.iter().map(|record| record.ttl).collect();
        assert!(ttls.iter().all(|ttl| *ttl == ttls[0]), "{ttls:?}");
        ttls[0]
    };
    assert_eq!(ttl(&[60_000]), 5);
    assert_eq!(ttl(&[60_000, 3_999]), 3);
    assert_eq!(ttl(&[60_000, 999]), 0);
}

#[test]
fn what_is_not_there_is_told_from_what_has_no_such_record() {
    let responder = responder(vec![("web", vec![endpoint(1, v4(1), 60_000)]), ("ill", vec![])]);
    for (name, kind, code) in [
        ("web.service.plugbay.", RecordType::AAAA, ResponseCode::NoError),
        ("web.service.plugbay.", RecordType::TXT, ResponseCode::NoError),
        ("ill.service.plugbay.", RecordType::A, ResponseCode::NoError),
        ("service.plugbay.", RecordType::A, ResponseCode::NoError),
        ("plugbay.", RecordType::A, ResponseCode::NoError),
        ("none.service.plugbay.", RecordType::A, ResponseCode::NXDomain),
        ("_none._tcp.service.plugbay.", RecordType::SRV, ResponseCode::NXDomain),
        (&format!("{}.web.service.plugbay.", id(2)), RecordType::A, ResponseCode::NXDomain),
        ("web.plugbay.", RecordType::A, ResponseCode::NXDomain),
    ] {
        let answer = look_up(&responder, name, kind);
        assert_eq!(answer.metadata.response_code, code, "{name}");
        assert!(answer.answers.is_empty(), "{name}");
        assert!(answer.metadata.authoritative, "{name}");
        let [soa] = &answer.authorities[..] else { panic!("{name}: {:?}", answer.authorities) };
        assert!(soa.ttl <= 1, "{name}");
        let RData::SOA(soa) = &soa.data else { panic!("{name}: {soa:?}") };
        assert_eq!((soa.serial, soa.minimum), (7, 1));
    }
    assert_eq!(look_up(&responder, "plugbay.", RecordType::SOA).answers.len(), 1);
}

#[test]
fn other_zones_classes_and_operations_are_refused() {
    let responder = web(1);
    let code = |message: &Message| ask(&responder, message, Transport::Tcp).metadata.response_code;
    assert_eq!(code(&question("example.com.", RecordType::A)), ResponseCode::Refused);
    assert_eq!(code(&question("plugbay.", RecordType::AXFR)), ResponseCode::Refused);
    let mut chaos = question("web.service.plugbay.", RecordType::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos), ResponseCode::Refused);
    let mut update = question("plugbay.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&update), ResponseCode::NotImp);
    let mut two = question("web.service.plugbay.", RecordType::A);
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&two), ResponseCode::FormErr);
    let mut version = question("web.service.plugbay.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    version.set_edns(edns);
    let answer = ask(&responder, &version, Transport::Udp);
    assert_eq!(u16::from(answer.metadata.response_code), 16, "BADVERS");
    assert_eq!(answer.edns.unwrap().version(), 0);
}

#[test]
fn an_answer_that_does_not_fit_sends_the_client_to_tcp() {
    let with_edns = |payload| {
        let mut message = question("web.service.plugbay.", RecordType::A);
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
        message
    };
    let plain = question("web.service.plugbay.", RecordType::A);
    let truncated = |count, message: &Message| {
        let answer = ask(&web(count), message, Transport::Udp);
        assert_eq!(answer.edns.is_some(), message.edns.is_some());
        assert_eq!(answer.answers.is_empty(), answer.metadata.truncation);
        answer.metadata.truncation
    };
    // 12 bytes of header, 26 of the question, and 16 for each address: 29 of them in 512 bytes.
    assert!(!truncated(29, &plain));
    assert!(truncated(30, &plain));
    assert!(!truncated(70, &with_edns(1232)));
    // More than 1,232 bytes are never sent, whatever the client offers.
    assert!(truncated(80, &with_edns(4096)));
    let answer = ask(&web(80), &plain, Transport::Tcp);
    assert_eq!((answer.answers.len(), answer.metadata.truncation), (80, false));
    // The addresses of places are left out first, without the flag.
    let answer = look_up(&web(3), "web.service.plugbay.", RecordType::SRV);
    assert_eq!((answer.answers.len(), answer.additionals.len()), (3, 3));
    let answer = look_up(&web(6), "web.service.plugbay.", RecordType::SRV);
    assert_eq!((answer.answers.len(), answer.additionals.len()), (6, 0));
    assert!(!answer.metadata.truncation);
}

#[test]
fn each_answer_begins_with_another_endpoint_and_is_bounded() {
    let responder = web(3);
    let first = || addresses(&look_up(&responder, "web.service.plugbay.", RecordType::A)).remove(0);
    let firsts = [first(), first(), first(), first()];
    assert_eq!(firsts, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    let many = question("web.service.plugbay.", RecordType::SRV);
    assert_eq!(ask(&web(1000), &many, Transport::Tcp).answers.len(), MAX_ENDPOINTS);
}

#[test]
fn what_is_no_request_gets_no_answer_or_an_error() {
    let responder = web(1);
    assert!(responder.respond(&[0; 11], Transport::Udp).is_none());
    let mut answer = question("web.service.plugbay.", RecordType::A);
    answer.metadata.message_type = MessageType::Response;
    assert!(responder.respond(&answer.to_vec().unwrap(), Transport::Udp).is_none());
    // A header that promises 65,535 questions.
    let mut promise = [0; 12];
    promise[4..6].copy_from_slice(&[255, 255]);
    let answer = responder.respond(&promise, Transport::Udp).unwrap();
    assert_eq!(Message::from_vec(&answer).unwrap().metadata.response_code, ResponseCode::FormErr);
    // A name that is a pointer to itself.
    let mut circle = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    circle.extend([0xc0, 12, 0, 1, 0, 1]);
    let answer = responder.respond(&circle, Transport::Udp).unwrap();
    assert_eq!(Message::from_vec(&answer).unwrap().metadata.response_code, ResponseCode::FormErr);
}
