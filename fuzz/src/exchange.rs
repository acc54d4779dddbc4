//! The fuzz target for whole exchanges: a client, the proxy, and servers.

use pillion_cost::{Bound, Linear, uncounted};
use pillion_proxy::test_util::{Fate, Play};

use crate::{
    cursor::{Cursor, pieces},
    free,
    messages::{Framing, Kind, Message, read},
    script::{Cut, Script, setting},
    talk::{asks_for_tunnel, check_request, methods, responses},
    units::{KIB, MILLISECOND},
};

/// The proxy of a play takes some 200 KiB, and each connection of it two buffers of 16 KiB and
/// one of 64 KiB where a head is long. A byte by itself costs a turn.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(768 * KIB, 512),
    total: Linear::new(1024 * KIB, 8 * KIB),
    time: Linear::new(10 * MILLISECOND, 20_000),
};

/// What a server says of which the input says nothing.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Ends what a server says to one request.
const END_OF_ANSWER: u8 = 0xff;

/// Plays a script: the first byte says how it goes, then come lengths of the pieces of what
/// client and servers say, then what the client says, and behind 0xfe what servers say.
///
/// Either servers answer requests that have come to their end: then the outcome is the same
/// whatever is cut where. Or they speak when they like: then what comes out is well-formed,
/// and belongs to what was asked.
///
/// # Panics
///
/// Panics if a check fails.
pub fn exchange(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let (mode, lengths, taken) = (cursor.byte(), cursor.byte(), cursor.byte());
    let cut = Cut {
        client: cursor.take(usize::from(lengths & 15)),
        servers: cursor.take(usize::from(lengths >> 4)),
        taken,
    };
    let client = cursor.until(0xfe);
    let script = Script {
        gateway: mode & 1 != 0,
        servers_end: mode & 2 != 0,
        client_ends: mode & 4 != 0,
        client,
        answers: cursor.rest().split(|byte| *byte == END_OF_ANSWER).collect(),
    };
    if mode & 8 != 0 {
        BOUND.hold("speaking when they like", data.len(), || {
            free::play(&script, cut);
        });
        return;
    }
    let in_pieces = BOUND.hold("in pieces", data.len(), || Causal::play(&script, cut));
    let whole = Causal::play(&script, Cut::default());
    in_pieces.compare(&whole, cut.taken != 0, script.servers_end);
}

/// What came out.
#[derive(Debug)]
struct Outcome {
    /// What each connection to a server has carried: requests that are complete, or a tunnel.
    servers: Vec<Vec<Message>>,
    client: Vec<Message>,
    fate: Fate,
    is_over: bool,
}

impl Outcome {
    fn compare(&self, other: &Self, hesitated: bool, servers_end: bool) {
        if servers_end {
            // Which connection the next request takes depends on whether the last one had ended by then.
            let all = |one: &Self| one.servers.concat();
            assert_eq!(all(self), all(other), "what servers get");
        } else {
            assert_eq!(self.servers, other.servers, "what servers get");
        }
        assert_eq!(self.fate, other.fate, "the client's connection");
        assert_eq!(self.is_over, other.is_over, "the client's connection");
        if self.client == other.client {
            return;
        }
        // What was broken off may have come further where the client took it at once.
        assert!(
            hesitated && self.fate == Fate::Reset,
            "{self:#?}\n\n{other:#?}"
        );
        let complete = |one: &Self| {
            let complete = one.client.iter().filter(|message| message.is_complete);
            complete.cloned().collect::<Vec<_>>()
        };
        assert_eq!(complete(self), complete(other));
    }
}

/// Servers that answer what has come to its end.
struct Causal<'a> {
    play: Play,
    script: &'a Script<'a>,
    /// What has been read of each connection.
    connections: Vec<Carried>,
    answered: usize,
}

#[derive(Default)]
struct Carried {
    read: usize,
    /// How much there was when no request had come to its end.
    looked_at: usize,
    requests: Vec<Message>,
    is_tunnel: bool,
    /// The server has said its last: what comes now has to come again by another connection.
    has_ended: bool,
}

impl<'a> Causal<'a> {
    fn play(script: &'a Script<'a>, cut: Cut<'_>) -> Outcome {
        let mut causal = Self {
            play: Play::new(setting(script, cut)),
            script,
            connections: Vec::new(),
            answered: 0,
        };
        let pieces = pieces(script.client, cut.client);
        let mut pieces = pieces.into_iter();
        while let Some(piece) = pieces.next() {
            causal.play.client_sends(piece);
            causal.answer(cut, &mut pieces);
        }
        if script.client_ends {
            causal.play.client_ends();
            causal.answer(cut, &mut pieces);
        }
        causal.outcome()
    }

    /// Answers requests. In between, the client goes on with the next ones.
    fn answer(&mut self, cut: Cut<'_>, client: &mut std::vec::IntoIter<&[u8]>) {
        while let Some(number) = self.asked() {
            let answer = self.script.answers.get(self.answered).copied();
            let answer = answer.filter(|answer| !answer.is_empty()).unwrap_or(ANSWER);
            let answer = self.without_surplus(number, answer);
            self.answered += 1;
            self.connections[number].is_tunnel = self.accepts_tunnel(number, answer);
            for piece in pieces(answer, cut.servers) {
                self.play.server_sends(number, piece);
                if let Some(piece) = client.next() {
                    self.play.client_sends(piece);
                }
            }
            // One that has received more does not end before it has answered.
            if self.script.servers_end && self.has_read_all(number) {
                self.connections[number].has_ended = true;
                self.play.server_ends(number);
            }
        }
    }

    fn has_read_all(&self, number: usize) -> bool {
        self.play.bytes_to_server(number) == Some(self.connections[number].read)
    }

    /// A connection by which another request has come. Only the proxy's memory counts.
    fn asked(&mut self) -> Option<usize> {
        uncounted(|| self.find_asked())
    }

    fn find_asked(&mut self) -> Option<usize> {
        for number in 0.. {
            let received = self.play.bytes_to_server(number)?;
            if self.connections.len() == number {
                self.connections.push(Carried::default());
            }
            let carried = &mut self.connections[number];
            if carried.is_tunnel || carried.has_ended || carried.looked_at == received {
                continue;
            }
            let bytes = self.play.to_server(number)?;
            let request = read(&bytes[carried.read..], Kind::Request);
            let request = request.unwrap_or_else(|why| panic!("to a server: {why}"));
            if let Some(request) = request.filter(|request| request.is_complete) {
                check_request(&request);
                carried.read += request.len;
                carried.requests.push(request);
                return Some(number);
            }
            carried.looked_at = received;
        }
        None
    }

    /// An answer without what stands behind it: whether that comes before or after the next
    /// request makes a difference.
    fn without_surplus<'b>(&self, number: usize, answer: &'b [u8]) -> &'b [u8] {
        let asked = self.connections[number].requests.last();
        let method = asked.map_or("", Message::method);
        let mut len = 0;
        while let Ok(Some(response)) = read(&answer[len..], Kind::Response(method)) {
            len += response.len;
            if !response.is_interim() {
                return if response.is_complete {
                    &answer[..len]
                } else {
                    answer
                };
            }
        }
        answer
    }

    /// Whether bytes follow what was asked last.
    fn accepts_tunnel(&self, number: usize, answer: &[u8]) -> bool {
        let asked = self.connections[number].requests.last();
        let asked = asked.filter(|asked| asks_for_tunnel(asked));
        let Some(asked) = asked else {
            return false;
        };
        let answers = responses(answer, &[asked.method().to_owned()]);
        answers.is_ok_and(|answers| {
            let tunnel = |answer: &Message| answer.framing == Framing::Tunnel;
            answers.iter().any(tunnel)
        })
    }

    fn outcome(mut self) -> Outcome {
        while self.asked().is_some() {}
        let methods = methods(self.script.client);
        let to_client = self.play.to_client();
        let client = responses(&to_client, &methods);
        let client = client.unwrap_or_else(|why| panic!("to the client: {why}"));
        let mut servers = Vec::new();
        for (number, carried) in self.connections.into_iter().enumerate() {
            let mut requests = carried.requests;
            if let Some(last) = requests.last_mut().filter(|_| carried.is_tunnel) {
                let bytes = self.play.to_server(number).unwrap_or_default();
                last.body = bytes[carried.read..].to_vec();
            }
            servers.push(requests.into_iter().map(comparable).collect());
        }
        Outcome {
            servers,
            client: client.into_iter().map(comparable).collect(),
            fate: self.play.client_fate(),
            is_over: self.play.is_over(),
        }
    }
}

/// Without the time, and without the places where chunks are cut.
fn comparable(mut message: Message) -> Message {
    message.fields.retain(|(name, _)| name != "date");
    message.len = 0;
    message
}
