//! The format of raw cases: text files by topic, several cases in each.
//!
//! ```text
//! # A comment. The first lines of a file, before any case, hold for all of its cases.
//! on: outbound gateway
//!
//! == The name of a case
//! > POST /a HTTP/1.1
//! > Host: web
//! > Content-Length: 3
//! >
//! > abc\
//! < HTTP/1.1 200 OK
//! < Content-Length: 0
//! <
//! ours: 400 invalid_content_length
//! envoy: 200 200
//! stricter: Why.
//! ```
//!
//! `>` is what the client sends, and `<` what the server answers to the first request (default: 200
//! with `ok`). A line ends with CR LF, unless a backslash stands at its end; `text.rs` has the other
//! escapes. Without `>` the client sends a GET. `>>` begins a line of a request of HTTP/2, which is a
//! frame (`HEADERS`, `DATA TEXT`, `TRAILERS`) or a field of the frame above it. `HEADERS N` and `TRAILERS N` come in
//! frames of N bytes at most, `PADDED N TEXT` is a frame of data with so many bytes of padding, `RESET CODE` ends the
//! stream, and `OPEN` leaves it open. `<<` begins a line of an answer of HTTP/2 in the same form: its server speaks HTTP/2.
//!
//! Behind what a case sends, the client sends a request for `/after` on the same connection, and asks
//! for its end, so that what becomes of the connection is seen.
//!
//! | line | meaning |
//! |---|---|
//! | `on: PLACE…` | by way of a sidecar to other pods (`outbound`), of a gateway, or of a sidecar to its application (`inbound`). Default: all, but `outbound` if the case has an answer |
//! | `wait` | between lines of `>`: the client waits for a response first |
//! | `client: half-closes` | instead of asking for `/after` |
//! | `server: closes`, `early`, `continues` | it closes after the answer; it answers before it has read the body; it asks for the body by 100 |
//! | `whole: WHY` | it is not sent in pieces as well |
//! | `ours: STATUS… [DETAILS]` | what the client gets from our proxy (`refused`: a request of HTTP/2, without a response; or `nothing`: no answer, which is no refusal unless the case says so); the details are those in the access log for the last answer. Required where ours refuses |
//! | `envoy: STATUS…` | what it gets from Envoy, if that is something else |
//! | `stricter: WHY` | ours refuses what Envoy takes, or refuses it with another status |
//! | `takes: WHY` | ours takes what Envoy refuses |
//! | `lives: WHY` | both refuse in the same way, but with ours the connection lives on |
//! | `differs: WHY` | the outcomes differ in another way |
//! | `+ NAME: VALUE`, `- NAME: VALUE` | behind `differs`: what ours has, and what Envoy has, by the names of `outcome.rs` |

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    frames::{self, Frame, MOST},
    text,
};

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of its file, and its own.
    pub name: String,
    pub on: Vec<Way>,
    pub sends: Sends,
    /// What the server answers to the first request.
    pub answer: Option<Answer>,
    pub closes: bool,
    pub early: bool,
    pub continues: bool,
    pub half_closes: bool,
    pub ours: Option<Expected>,
    pub envoy: Option<Vec<String>>,
    pub differs: Option<Difference>,
    /// It is not sent in pieces.
    pub is_whole: bool,
}

/// By which way requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Outbound,
    Inbound,
    Gateway,
}

/// What a client sends.
#[derive(Debug, Clone)]
pub enum Sends {
    /// Parts, between which it waits for a response.
    Http1(Vec<Vec<u8>>),
    Http2(Vec<Frame>),
}

/// What a server answers.
#[derive(Debug, Clone)]
pub enum Answer {
    Http1(Vec<u8>),
    Http2(Vec<Frame>),
}

/// What a client gets.
#[derive(Debug, Clone)]
pub struct Expected {
    pub answers: Vec<String>,
    /// Of the last one, by the access log.
    pub details: Option<String>,
}

/// How the outcomes differ.
#[derive(Debug, Clone)]
pub struct Difference {
    pub why: String,
    pub kind: Kind,
}

/// In which way they do.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Ours refuses.
    Stricter,
    /// Envoy refuses.
    Takes,
    /// Both refuse, but with ours the connection lives on.
    Lives,
    /// In values, by name: what ours has, and what Envoy has.
    Values(BTreeMap<String, String>, BTreeMap<String, String>),
}

/// Reads the cases whose names have a part.
pub fn all(part: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/raw/cases");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let topic = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let mut parts = text.split("\n== ");
        let common = parts.next().unwrap_or_default();
        for part in parts {
            let (name, lines) = part.split_once('\n').unwrap_or((part, ""));
            cases.push(case(&format!("{topic}: {name}"), common, lines));
        }
    }
    let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "two cases have one name");
    cases.retain(|case| case.name.contains(part));
    cases
}

fn case(name: &str, common: &str, lines: &str) -> Case {
    let mut case = Case {
        name: name.to_owned(),
        on: Vec::new(),
        sends: Sends::Http1(vec![Vec::new()]),
        answer: None,
        closes: false,
        early: false,
        continues: false,
        half_closes: false,
        ours: None,
        envoy: None,
        differs: None,
        is_whole: false,
    };
    for line in common.lines().chain(lines.lines()) {
        assert!(case.read(line).is_some(), "{name}: {line:?} says nothing");
    }
    if let Sends::Http1(parts) = &mut case.sends
        && parts.concat().is_empty()
    {
        parts[0] = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n".to_vec();
    }
    if case.on.is_empty() {
        case.on = match case.answer {
            None => vec![Way::Outbound, Way::Inbound, Way::Gateway],
            Some(_) => vec![Way::Outbound],
        };
    }
    if let Some(difference) = &case.differs {
        let is_said = matches!(difference.kind, Kind::Values(..)) || case.ours.is_some();
        assert!(is_said, "{name}: what does ours answer?");
        assert!(!difference.why.is_empty(), "{name}: why?");
    }
    case
}

impl Case {
    /// Reads a line; `None` if it is none of the format.
    fn read(&mut self, line: &str) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        if line == "wait" {
            self.parts().push(Vec::new());
            return Some(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest) {
            (">", _) => self.parts().last_mut()?.extend(bytes(rest)),
            (">>", _) => add_frame(self.sent_frames(), rest),
            ("<", _) => self.answered_bytes().extend(bytes(rest)),
            ("<<", _) => add_frame(self.answered_frames(), rest),
            ("on:", _) => self.on = rest.split(' ').map(way).collect::<Option<_>>()?,
            ("client:", "half-closes") => self.half_closes = true,
            ("server:", "closes") => self.closes = true,
            ("server:", "early") => self.early = true,
            ("server:", "continues") => self.continues = true,
            ("whole:", _) => self.is_whole = !rest.is_empty(),
            ("ours:", _) => self.ours = Some(expected(rest)),
            ("envoy:", _) => self.envoy = Some(expected(rest).answers),
            ("stricter:", _) => self.differ(rest, Kind::Stricter),
            ("takes:", _) => self.differ(rest, Kind::Takes),
            ("lives:", _) => self.differ(rest, Kind::Lives),
            ("differs:", _) => self.differ(rest, Kind::Values(BTreeMap::new(), BTreeMap::new())),
            ("+" | "-", _) => {
                let (name, value) = rest.split_once(": ")?;
                let (name, value) = (name.to_owned(), value.to_owned());
                let Kind::Values(ours, envoys) = &mut self.differs.as_mut()?.kind else {
                    return None;
                };
                let side = match word {
                    "+" => ours,
                    _ => envoys,
                };
                side.insert(name, value);
            }
            _ => return None,
        }
        Some(())
    }

    fn differ(&mut self, why: &str, kind: Kind) {
        let why = why.to_owned();
        self.differs = Some(Difference { why, kind });
    }

    fn parts(&mut self) -> &mut Vec<Vec<u8>> {
        match &mut self.sends {
            Sends::Http1(parts) => parts,
            Sends::Http2(_) => panic!("{}: HTTP/1 and HTTP/2", self.name),
        }
    }

    fn sent_frames(&mut self) -> &mut Vec<Frame> {
        if let Sends::Http1(parts) = &self.sends
            && parts.concat().is_empty()
        {
            self.sends = Sends::Http2(Vec::new());
        }
        match &mut self.sends {
            Sends::Http2(frames) => frames,
            Sends::Http1(_) => panic!("{}: HTTP/1 and HTTP/2", self.name),
        }
    }

    fn answered_bytes(&mut self) -> &mut Vec<u8> {
        let answer = self.answer.get_or_insert(Answer::Http1(Vec::new()));
        match answer {
            Answer::Http1(bytes) => bytes,
            Answer::Http2(_) => panic!("{}: HTTP/1 and HTTP/2", self.name),
        }
    }

    fn answered_frames(&mut self) -> &mut Vec<Frame> {
        let answer = self.answer.get_or_insert(Answer::Http2(Vec::new()));
        match answer {
            Answer::Http2(frames) => frames,
            Answer::Http1(_) => panic!("{}: HTTP/1 and HTTP/2", self.name),
        }
    }

    /// Whether its server speaks HTTP/2.
    pub fn is_answered_by_http2(&self) -> bool {
        matches!(self.answer, Some(Answer::Http2(_)))
    }
}

impl Answer {
    /// What goes over the connection, of HTTP/2 on that stream.
    pub fn bytes(&self, stream: u32) -> Vec<u8> {
        match self {
            Self::Http1(bytes) => bytes.clone(),
            Self::Http2(frames) => frames::message(stream, frames),
        }
    }
}

/// Adds a frame, or a field of the last one.
fn add_frame(frames: &mut Vec<Frame>, line: &str) {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("HEADERS" | "TRAILERS", most) => {
            let most = match most {
                "" => MOST,
                most => most.parse().expect("a number of bytes"),
            };
            frames.push(Frame::Headers(Vec::new(), most));
        }
        ("DATA", data) => frames.push(Frame::Data(text::bytes(data), None)),
        ("PADDED", padded) => {
            let (padding, data) = padded.split_once(' ').unwrap_or((padded, ""));
            let padding = padding.parse().expect("at most 255 bytes");
            frames.push(Frame::Data(text::bytes(data), Some(padding)));
        }
        ("OPEN", _) => frames.push(Frame::Open),
        ("RESET", code) => frames.push(Frame::Reset(code.parse().expect("a code"))),
        _ => {
            let Some(Frame::Headers(fields, _)) = frames.last_mut() else {
                panic!("{line:?}: a field of what?");
            };
            // A pseudo-field begins with a colon.
            let end = match line.starts_with(": ") {
                true => 0,
                false => 1 + line[1..].find(':').expect("a colon behind a name"),
            };
            let value = &line[end + 1..];
            let value = value.strip_prefix(' ').unwrap_or(value);
            fields.push((text::bytes(&line[..end]), text::bytes(value)));
        }
    }
}

/// A line with its end, unless a backslash stands there.
fn bytes(line: &str) -> Vec<u8> {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    match line.strip_suffix('\\').filter(|_| backslashes % 2 == 1) {
        Some(line) => text::bytes(line),
        None => [&text::bytes(line)[..], b"\r\n"].concat(),
    }
}

fn way(name: &str) -> Option<Way> {
    match name {
        "outbound" => Some(Way::Outbound),
        "inbound" => Some(Way::Inbound),
        "gateway" => Some(Way::Gateway),
        _ => None,
    }
}

fn expected(text: &str) -> Expected {
    let mut answers: Vec<_> = text.split(' ').map(str::to_owned).collect();
    let is_details = |word: &String| word.starts_with(|first: char| first.is_ascii_lowercase());
    let details = answers.pop_if(|word| is_details(word) && word != "nothing" && word != "refused");
    Expected { answers, details }
}
