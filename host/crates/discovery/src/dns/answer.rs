//! From the bytes of a request to the bytes of its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::rr::rdata::{A, AAAA, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

use super::zone::{Asked, Zone};
use crate::wire::{Endpoint, Host};

/// The most endpoints in one answer. More would help no client, and 256 SRV records with their
/// addresses are below the 64 KiB of a message.
const MAX_ENDPOINTS: usize = 256;
/// The longest answer over UDP, whatever more the client offers: it passes every link without being
/// fragmented (RFC 9715).
const MAX_DATAGRAM: u16 = 1232;
/// The longest answer over UDP to a client that offers nothing (RFC 1035 section 4.2.1).
const MIN_DATAGRAM: u16 = 512;
/// The most records behind the question: OPT, and a signature that is not read.
const MAX_ADDITIONALS: u16 = 2;
/// For how many seconds "there is nothing" may be remembered: a service that was just registered
/// should be found soon.
const NEGATIVE_TTL: u32 = 1;

/// The endpoints behind a zone: those that are not critical, and whose lease holds.
pub trait DnsSource: Send + Sync + 'static {
    /// At most `most` endpoints of a service, from the one with this number on, in a circle: none if
    /// all are critical, and `None` if the service is unknown.
    fn service(&self, name: &str, from: usize, most: usize) -> Option<Vec<DnsEndpoint>>;

    /// One endpoint of a service.
    fn endpoint(&self, service: &str, id: &str) -> Option<DnsEndpoint>;

    /// A number that grows with each change: the serial number of the zone.
    fn serial(&self) -> u64;
}

/// An endpoint of a service.
#[derive(Clone, Debug)]
pub struct DnsEndpoint {
    /// The endpoint. If its host is a name, which another server resolves, it is in SRV records only.
    pub endpoint: Arc<Endpoint>,
    /// What is left of its lease.
    pub left: Duration,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram: a long answer is cut off, and the client asks again over TCP.
    Udp,
    /// In a stream.
    Tcp,
}

/// Answers requests for one zone.
#[derive(Debug)]
pub struct Responder<S> {
    zone: Zone,
    max_ttl: Duration,
    source: S,
    /// Counts answers, so that each begins with another endpoint.
    turn: AtomicUsize,
}

impl<S: DnsSource> Responder<S> {
    /// Answers for a zone. No answer may be remembered for longer than `max_ttl`, because an endpoint
    /// can fail long before its lease ends.
    pub fn new(zone: Zone, max_ttl: Duration, source: S) -> Self {
        Self { zone, max_ttl, source, turn: AtomicUsize::new(0) }
    }

    /// The answer to one request. `None` if there is nobody to answer: the bytes are not a request.
    pub fn respond(&self, request: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let mut decoder = BinDecoder::new(request);
        let header = Header::read(&mut decoder).ok()?;
        // To answer an answer would let two servers talk to each other for ever.
        if header.metadata.message_type == MessageType::Response {
            return None;
        }
        let mut reply = Message::response(header.metadata.id, header.metadata.op_code);
        reply.metadata = Metadata::response_from_request(&header.metadata);
        let mut limit = match transport {
            Transport::Udp => MIN_DATAGRAM,
            Transport::Tcp => u16::MAX,
        };
        match read(&mut decoder, &header) {
            Ok((query, edns)) => {
                if let (Some(edns), Transport::Udp) = (&edns, transport) {
                    limit = edns.max_payload().clamp(MIN_DATAGRAM, MAX_DATAGRAM);
                }
                if edns.is_some() {
                    let mut own = Edns::new();
                    own.set_max_payload(MAX_DATAGRAM);
                    reply.set_edns(own);
                }
                if edns.is_some_and(|edns| edns.version() > 0) {
                    reply.metadata.response_code = ResponseCode::BADVERS;
                } else {
                    self.answer(&query, &mut reply);
                }
                reply.add_query(query);
            }
            Err(code) => reply.metadata.response_code = code,
        }
        encode(reply, limit)
    }

    fn answer(&self, query: &Query, reply: &mut Message) {
        let transfer = [RecordType::AXFR, RecordType::IXFR].contains(&query.query_type);
        let asked = self.zone.asked(&query.name);
        if asked == Asked::Foreign || query.query_class != DNSClass::IN || transfer {
            reply.metadata.response_code = ResponseCode::Refused;
            return;
        }
        reply.metadata.authoritative = true;
        let answered = match asked {
            Asked::Apex => {
                if matches!(query.query_type, RecordType::SOA | RecordType::ANY) {
                    reply.add_answer(self.soa());
                }
                true
            }
            Asked::Between => true,
            Asked::Service(service) => self.endpoints(&service, query, Kinds::All, reply),
            Asked::Places(service) => self.endpoints(&service, query, Kinds::Srv, reply),
            Asked::Endpoint { service, id } => {
                let endpoint = self.source.endpoint(&service, &id).map(|endpoint| vec![endpoint]);
                self.add(&service, endpoint, query, Kinds::All, reply)
            }
            Asked::Nothing | Asked::Foreign => false,
        };
        if !answered {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if reply.answers.is_empty() {
            reply.add_authority(self.soa());
        }
    }

    /// Adds the endpoints of a service, each time from another one on. False if there is no such service.
    fn endpoints(&self, service: &str, query: &Query, kinds: Kinds, reply: &mut Message) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let endpoints = self.source.service(service, turn, MAX_ENDPOINTS);
        self.add(service, endpoints, query, kinds, reply)
    }

    /// Adds records for endpoints. False if there are no endpoints to be asked for.
    fn add(
        &self,
        service: &str,
        endpoints: Option<Vec<DnsEndpoint>>,
        query: &Query,
        kinds: Kinds,
        reply: &mut Message,
    ) -> bool {
        let Some(endpoints) = endpoints else { return false };
        // The records of one type have one TTL (RFC 2181 section 5.2).
        let ttl = endpoints.iter().map(|endpoint| endpoint.left).min().unwrap_or_default();
        let ttl = u32::try_from(ttl.min(self.max_ttl).as_secs()).unwrap_or(u32::MAX);
        let record = |data| Record::from_rdata(query.name.clone(), ttl, data);
        match query.query_type {
            wanted @ (RecordType::A | RecordType::AAAA) if kinds == Kinds::All => {
                for address in endpoints.iter().filter_map(DnsEndpoint::address) {
                    // Two endpoints of one machine differ in their ports only.
                    if address.record_type() == wanted
                        && reply.answers.iter().all(|answer| answer.data != address)
                    {
                        reply.add_answer(record(address));
                    }
                }
            }
            // To a client that asks for all types one is enough (RFC 8482).
            RecordType::SRV | RecordType::ANY => {
                for endpoint in &endpoints {
                    let Some(target) = self.target(service, endpoint) else { continue };
                    if let Some(address) = endpoint.address() {
                        reply.add_additional(Record::from_rdata(target.clone(), ttl, address));
                    }
                    let Endpoint { weight, port, .. } = &*endpoint.endpoint;
                    let srv = SRV::new(0, weight.get(), port.get(), target);
                    reply.add_answer(record(RData::SRV(srv)));
                }
            }
            _ => {}
        }
        true
    }

    /// The name that an SRV record points to.
    fn target(&self, service: &str, endpoint: &DnsEndpoint) -> Option<Name> {
        match &endpoint.endpoint.host {
            Host::Address(_) => self.zone.endpoint(service, &endpoint.endpoint.id.to_string()),
            Host::Name(name) => {
                let mut name = Name::from_ascii(name).ok()?;
                name.set_fqdn(true);
                Some(name)
            }
        }
    }

    fn soa(&self) -> Record {
        // A serial number counts in a circle (RFC 1982).
        #[expect(clippy::cast_possible_truncation, reason = "the number is meant to wrap")]
        let serial = self.source.serial() as u32;
        let (ns, mail) = (self.zone.host("ns"), self.zone.host("hostmaster"));
        let soa = SOA::new(ns, mail, serial, 3600, 600, 86_400, NEGATIVE_TTL);
        Record::from_rdata(self.zone.apex().clone(), NEGATIVE_TTL, RData::SOA(soa))
    }
}

impl DnsEndpoint {
    /// The data of its A or AAAA record.
    fn address(&self) -> Option<RData> {
        match &self.endpoint.host {
            Host::Address(address) => Some(match address.to_canonical() {
                IpAddr::V4(address) => RData::A(A(address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(address)),
            }),
            Host::Name(_) => None,
        }
    }
}

/// The types that a name has.
#[derive(Clone, Copy, PartialEq)]
enum Kinds {
    /// A, AAAA and SRV.
    All,
    /// SRV.
    Srv,
}

/// Reads the question of a request. What a question does not have is refused by the counts in the
/// header, before anything is allocated for it.
fn read(
    decoder: &mut BinDecoder<'_>,
    header: &Header,
) -> Result<(Query, Option<Edns>), ResponseCode> {
    if header.metadata.op_code != OpCode::Query {
        return Err(ResponseCode::NotImp);
    }
    let counts = header.counts;
    if (counts.queries, counts.answers, counts.authorities) != (1, 0, 0)
        || counts.additionals > MAX_ADDITIONALS
    {
        return Err(ResponseCode::FormErr);
    }
    let malformed = |_| ResponseCode::FormErr;
    let query = Query::read(decoder).map_err(malformed)?;
    let count = counts.additionals.into();
    let (_, edns, _) =
        Message::read_records(decoder, count, true, OpCode::Query).map_err(malformed)?;
    Ok((query, edns))
}

/// Writes an answer. If it is too long, it is written without the addresses of the SRV records, which
/// clients ask for if they are missing (RFC 2181 section 9), and then without any record, but with the
/// flag that sends the client to TCP.
fn encode(mut reply: Message, limit: u16) -> Option<Vec<u8>> {
    let whole = write(&reply, limit);
    if whole.is_some() || reply.additionals.is_empty() {
        return whole.or_else(|| write(&reply.truncate(), limit));
    }
    reply.additionals.clear();
    write(&reply, limit).or_else(|| write(&reply.truncate(), limit))
}

/// The bytes of a message, if they are no more than `limit`.
fn write(message: &Message, limit: u16) -> Option<Vec<u8>> {
    /// Where the flag TC is in a message.
    const TRUNCATION: (usize, u8) = (2, 0b10);
    let mut bytes = Vec::with_capacity(MIN_DATAGRAM.into());
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit);
    message.emit(&mut encoder).ok()?;
    let cut = bytes.get(TRUNCATION.0).is_none_or(|flags| flags & TRUNCATION.1 != 0);
    (!cut || message.metadata.truncation).then_some(bytes)
}

#[cfg(test)]
mod tests;
