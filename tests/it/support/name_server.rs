//! A name server on loopback whose answers change while a test runs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// A running name server (UDP). It ends when dropped.
pub(crate) struct NameServer {
    pub(crate) addr: SocketAddr,
    state: Arc<Mutex<State>>,
    running: JoinHandle<()>,
}

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers; names that it does not know are none.
    Answering,
    /// It says nothing.
    Silent,
    /// It says that it cannot say (SERVFAIL).
    Failing,
}

struct State {
    mood: Mood,
    names: HashMap<String, (u32, Vec<IpAddr>)>,
    asked: Vec<(String, RecordType)>,
}

impl NameServer {
    /// Starts one on a free port of 127.0.0.1 that knows no name.
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let names = HashMap::new();
        let state = State { mood: Mood::Answering, names, asked: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let running = tokio::spawn(run(socket, Arc::clone(&state)));
        Self { addr, state, running }
    }

    /// What a name stands for from now on, for so many seconds when it was asked for.
    pub(crate) fn set(&self, name: &str, ttl: u32, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.state().names.insert(format!("{name}."), (ttl, addresses));
    }

    /// The name is gone.
    pub(crate) fn remove(&self, name: &str) {
        self.state().names.remove(&format!("{name}."));
    }

    /// Changes how it behaves.
    pub(crate) fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// How often it was asked for this.
    pub(crate) fn asked(&self, name: &str, kind: RecordType) -> usize {
        let wanted = (format!("{name}."), kind);
        self.state().asked.iter().filter(|asked| **asked == wanted).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn run(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buf = [0; 4096];
    loop {
        let (length, peer) = socket.recv_from(&mut buf).await.unwrap();
        let Ok(query) = Message::from_vec(&buf[..length]) else { continue };
        let answer = state.lock().unwrap().answer(&query);
        if let Some(answer) = answer {
            socket.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
        }
    }
}

impl State {
    fn answer(&mut self, query: &Message) -> Option<Message> {
        let question = query.queries.first()?.clone();
        let kind = question.query_type();
        let name = question.name().to_ascii().to_lowercase();
        self.asked.push((name.clone(), kind));
        let mut answer = Message::response(query.id, query.op_code);
        answer.metadata.recursion_available = true;
        answer.metadata.response_code = match (self.mood, self.names.get(&name)) {
            (Mood::Silent, _) => return None,
            (Mood::Failing, _) => ResponseCode::ServFail,
            (Mood::Answering, None) => ResponseCode::NXDomain,
            (Mood::Answering, Some((ttl, addresses))) => {
                let of_kind = addresses.iter().filter(|ip| ip.is_ipv4() == (kind == RecordType::A));
                answer.add_answers(
                    of_kind.map(|ip| {
                        Record::from_rdata(question.name().clone(), *ttl, RData::from(*ip))
                    }),
                );
                ResponseCode::NoError
            }
        };
        answer.add_query(question);
        Some(answer)
    }
}
