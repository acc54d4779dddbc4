//! Servers that speak when they like.

use pillion_cost::uncounted;
use pillion_proxy::test_util::{Fate, Play};

use crate::{
    cursor::pieces,
    messages::{Framing, Message},
    script::{Cut, Script, setting},
    talk::{check_request, methods, requests, requests_without_tunnels, responses},
};

/// Plays a script, and checks what comes out.
pub(crate) fn play(script: &Script<'_>, cut: Cut<'_>) {
    let mut play = Play::new(setting(script, cut));
    let client = pieces(script.client, cut.client);
    let said: Vec<u8> = script.answers.concat();
    let servers = pieces(&said, cut.servers);
    let (mut client, mut servers) = (client.into_iter(), servers.into_iter());
    // What servers have to say waits for a connection.
    let mut seen = Vec::new();
    loop {
        let piece = client.next();
        if let Some(piece) = piece {
            watch(&mut play, &mut seen, |play| play.client_sends(piece));
        }
        let last = (0..)
            .take_while(|number| play.bytes_to_server(*number).is_some())
            .last();
        let spoken = last.and_then(|last| Some((last, servers.next()?)));
        if let Some((last, piece)) = spoken {
            watch(&mut play, &mut seen, |play| play.server_sends(last, piece));
            if script.servers_end {
                watch(&mut play, &mut seen, |play| play.server_ends(last));
            }
        }
        if piece.is_none() && spoken.is_none() {
            break;
        }
    }
    if script.client_ends {
        play.client_ends();
    }
    check(&play, script);
}

/// What a server had, and had said, when it was looked at last.
#[derive(Default)]
struct Seen {
    bytes: usize,
    requests: usize,
    unread: usize,
}

/// Does something, and sees to it that no request goes out on a connection on which a
/// server has said what nobody has read.
fn watch(play: &mut Play, seen: &mut Vec<Seen>, act: impl FnOnce(&mut Play)) {
    act(play);
    // Only the proxy's memory counts.
    uncounted(|| look(play, seen));
}

fn look(play: &Play, seen: &mut Vec<Seen>) {
    for number in 0.. {
        let Some(bytes) = play.bytes_to_server(number) else {
            return;
        };
        let is_new = seen.len() == number;
        if is_new {
            seen.push(Seen::default());
        }
        let before = &mut seen[number];
        if bytes > before.bytes {
            let received = play.to_server(number).unwrap_or_default();
            let requests = requests(&received).len();
            assert!(
                is_new || requests <= before.requests || before.unread == 0,
                "used with something unread"
            );
            (before.bytes, before.requests) = (bytes, requests);
        }
        before.unread = play.unread_of_server(number);
    }
}

fn check(play: &Play, script: &Script<'_>) {
    // The proxy may see no tunnel where one is asked for.
    let asked = requests_without_tunnels(script.client);
    for number in 0.. {
        let Some(bytes) = play.to_server(number) else {
            break;
        };
        for request in requests(&bytes) {
            check_request(&request);
            let is_same =
                |asked: &&Message| asked.method() == request.method() && asked.body == request.body;
            let found = asked.iter().find(is_same);
            assert!(found.is_some(), "nobody has asked {request:#?}");
        }
    }
    let to_client = play.to_client();
    let answers = responses(&to_client, &methods(script.client));
    let answers = answers.unwrap_or_else(|why| panic!("to the client: {why}"));
    let finals = answers.iter().filter(|answer| !answer.is_interim()).count();
    assert!(
        finals <= asked.len() + 1,
        "{finals} answers to {}",
        asked.len()
    );
    let Some((last, before)) = answers.split_last() else {
        return;
    };
    for answer in before {
        assert!(answer.is_complete, "{answer:#?}");
        assert!(!answer.lists("connection", "close"), "{answer:#?}");
    }
    let has_end = matches!(last.framing, Framing::End | Framing::Tunnel);
    let is_cut = !last.is_complete && !has_end;
    assert!(!is_cut || play.client_fate() != Fate::Ended, "{last:#?}");
}
