//! Addresses from SRV records.

use std::net::SocketAddr;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::{Resolver, TokioResolver};

use super::{Address, BootstrapError, InvalidAddress, Source};

/// The targets of the SRV records of `name`, in the order in which to try them.
pub(super) async fn addresses(
    name: &str,
    server: Option<SocketAddr>,
) -> Result<Vec<Address>, BootstrapError> {
    let failed =
        |error: NetError| BootstrapError::Dns { name: name.into(), problem: error.to_string() };
    let resolver = resolver(server).map_err(failed)?;
    let answer = resolver.srv_lookup(name).await.map_err(failed)?;
    let records = answer.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(srv.clone()),
        _ => None,
    });
    let mut random = fastrand::Rng::new();
    let ordered = ordered(records.collect(), |end| random.u32(..=end));
    // The target `.` says that there is no such service (RFC 2782).
    let targets = ordered.iter().filter(|record| !record.target.is_root());
    let addresses: Result<Vec<_>, InvalidAddress> = targets
        .map(|record| {
            let host = record.target.to_ascii();
            Address::plain(host.trim_end_matches('.'), record.port)
        })
        .collect();
    let source = Source::Dns(name.into());
    match addresses {
        Ok(addresses) if addresses.is_empty() => Err(BootstrapError::Empty(source)),
        Ok(addresses) => Ok(addresses),
        Err(invalid) => Err(BootstrapError::Invalid { place: source, source: invalid }),
    }
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let Some(server) = server else { return Resolver::builder_tokio()?.build() };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    let config = ResolverConfig::from_name_servers(vec![server]);
    Resolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}

/// By priority; within one priority by chance, those with more weight sooner (RFC 2782, "Usage rules").
/// `random` returns a number from 0 to its argument, both included.
fn ordered(mut records: Vec<SRV>, mut random: impl FnMut(u32) -> u32) -> Vec<SRV> {
    // Those without weight first, as the RFC has it: they are then chosen only if the number is 0.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let group = records.iter().take_while(|record| record.priority == priority);
        let all = group.clone().map(|record| u32::from(record.weight)).sum();
        let number = random(all);
        let mut sum = 0;
        let chosen = group.map(|record| {
            sum += u32::from(record.weight);
            sum
        });
        let at = chosen.take_while(|sum| *sum < number).count();
        ordered.push(records.remove(at));
    }
    ordered
}

#[cfg(test)]
pub(super) mod testing {
    use std::net::SocketAddr;

    use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
    use hickory_resolver::proto::rr::rdata::SRV;
    use hickory_resolver::proto::rr::{Name, RData, Record};
    use tokio::net::UdpSocket;
    use tokio::task::JoinHandle;

    /// A DNS server that answers each question with the same SRV records.
    pub(in super::super) struct Server {
        address: SocketAddr,
        task: JoinHandle<()>,
    }

    impl Server {
        /// Each record is its priority, weight, port and target.
        pub(in super::super) async fn start(records: &[(u16, u16, u16, &str)]) -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let records: Vec<_> = records
                .iter()
                .map(|(priority, weight, port, target)| {
                    RData::SRV(SRV::new(
                        *priority,
                        *weight,
                        *port,
                        Name::from_ascii(target).unwrap(),
                    ))
                })
                .collect();
            let task = tokio::spawn(async move {
                let mut buffer = [0; 1_500];
                loop {
                    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                    let question = Message::from_vec(&buffer[..length]).unwrap();
                    let mut answer = question.clone();
                    answer.metadata.message_type = MessageType::Response;
                    if records.is_empty() {
                        answer.metadata.response_code = ResponseCode::NXDomain;
                    }
                    let name = question.queries[0].name().clone();
                    answer.add_answers(
                        records.iter().map(|it| Record::from_rdata(name.clone(), 60, it.clone())),
                    );
                    socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                }
            });
            Self { address, task }
        }

        pub(in super::super) fn address(&self) -> SocketAddr {
            self.address
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }
}
