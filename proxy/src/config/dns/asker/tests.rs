use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use hickory_resolver::{
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    proto::{
        op::{Message, OpCode, ResponseCode},
        rr::{RData, Record, RecordType},
    },
};
use tokio::net::UdpSocket;

use super::*;
use crate::config::compile::Family;

/// A server of DNS, whose only name is `known.example.`, in both families.
struct Dns {
    servers: Servers,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    fails: bool,
}

impl Dns {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::<Mutex<Zone>>::default();
        let shared = Arc::clone(&zone);
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut bytes).await {
                let answer = shared.lock().unwrap().answer(&bytes[..length]);
                socket.send_to(&answer, peer).await.unwrap();
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![connection]);
        Self {
            servers: Servers::These(ResolverConfig::from_parts(None, Vec::new(), vec![server])),
            zone,
        }
    }

    fn set(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Zone {
    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let question = Message::from_vec(question).unwrap();
        let query = question.queries[0].clone();
        let id = question.metadata.id;
        if self.fails {
            let failure = Message::error_msg(id, OpCode::Query, ResponseCode::ServFail);
            return failure.to_vec().unwrap();
        }
        let mut answer = Message::response(id, OpCode::Query);
        let is_known = query.name().to_string() == "known.example.";
        if !is_known {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        let records: Vec<_> = match query.query_type() {
            RecordType::A => self.v4.iter().map(|ip| RData::A((*ip).into())).collect(),
            RecordType::AAAA => self.v6.iter().map(|ip| RData::AAAA((*ip).into())).collect(),
            _ => Vec::new(),
        };
        if is_known {
            answer.add_answers(
                records
                    .into_iter()
                    .map(|data| Record::from_rdata(query.name().clone(), 1, data)),
            );
        }
        answer.add_query(query);
        answer.to_vec().unwrap()
    }
}

fn question(name: &str, family: Family) -> Question {
    Question {
        name: Arc::from(name),
        family,
        refresh: None,
    }
}

/// Asks, until the value is dropped.
fn ask(dns: &Dns, question: &Question) -> (Asker, mpsc::Receiver<Answer>) {
    let (sender, answers) = mpsc::channel(8);
    let mut asker = Asker::new(dns.servers.clone(), sender);
    asker.want(&BTreeSet::from([question.clone()]));
    (asker, answers)
}

async fn next(answers: &mut mpsc::Receiver<Answer>) -> Vec<String> {
    // Generous: nothing is measured.
    let answer = timeout(Duration::from_secs(60), answers.recv())
        .await
        .unwrap()
        .unwrap();
    answer.addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_name_has_all_its_addresses_and_their_changes() {
    let dns = Dns::start().await;
    dns.set(|zone| zone.v4 = vec![[10, 0, 0, 2].into(), [10, 0, 0, 1].into()]);
    let (_asker, mut answers) = ask(&dns, &question("known.example", Family::V4));
    assert_eq!(next(&mut answers).await, ["10.0.0.1", "10.0.0.2"]);
    dns.set(|zone| zone.v4 = vec![[10, 0, 0, 3].into()]);
    assert_eq!(next(&mut answers).await, ["10.0.0.3"]);
}

#[tokio::test]
async fn families_are_chosen() {
    let dns = Dns::start().await;
    dns.set(|zone| zone.v6 = vec!["fd00::1".parse().unwrap()]);
    for (family, expected) in [
        (Family::V6, &["fd00::1"][..]),
        (Family::V4First, &["fd00::1"]),
        (Family::V4, &[]),
    ] {
        let (_asker, mut answers) = ask(&dns, &question("known.example", family));
        assert_eq!(next(&mut answers).await, expected, "{family:?}");
    }
}

#[tokio::test]
async fn the_last_good_answer_stays_when_there_is_none() {
    let dns = Dns::start().await;
    dns.set(|zone| zone.v4 = vec![[10, 0, 0, 1].into()]);
    let (_asker, mut answers) = ask(&dns, &question("known.example", Family::V4));
    assert_eq!(next(&mut answers).await, ["10.0.0.1"]);
    dns.set(|zone| (zone.fails, zone.v4) = (true, Vec::new()));
    // Long enough for the name to be asked for again.
    sleep(Duration::from_millis(1500)).await;
    dns.set(|zone| (zone.fails, zone.v4) = (false, vec![[10, 0, 0, 2].into()]));
    assert_eq!(next(&mut answers).await, ["10.0.0.2"]);
}

#[tokio::test]
async fn a_name_that_is_not_known_has_no_addresses() {
    let dns = Dns::start().await;
    let (mut asker, mut answers) = ask(&dns, &question("unknown.example", Family::V4));
    assert_eq!(next(&mut answers).await, [""; 0]);
    asker.want(&BTreeSet::new());
    assert!(asker.tasks.is_empty());
}
