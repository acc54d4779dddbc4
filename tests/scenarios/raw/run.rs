//! Runs cases: with both proxies, many at a time, and with ours in pieces as well.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, task::AbortHandle, time::sleep};

use super::{
    answers,
    case::{Case, Sends, Way},
    client::{self, AFTER},
    frames, http2,
    judge::{self, Run},
    mesh, outcome,
    server::{Script, Server},
};
use crate::{case::Kind, log, objects::Cluster, pod::Pod, programs::Programs, run::Group};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often Envoy is asked again, alone, where it differs: whether it uses a server's connection again depends on
/// whether it has sent the end of the request before the response is there.
const AGAIN: usize = 3;
/// Cases that are longer are not sent byte by byte.
const LONG: usize = 600;

/// Runs cases, and returns what is wrong.
pub async fn all(cases: Vec<Case>, programs: &Programs) -> Vec<String> {
    let mut faults = Faults::new();
    for kind in [Kind::Sidecar, Kind::Gateway] {
        let scenario = mesh::scenario(kind);
        let mut group = Group::start(&scenario.client, programs).await;
        let cluster = Cluster::of(&scenario);
        if let Err(error) = group.configure(0, &scenario, &cluster).await {
            faults.insert((format!("{kind:?}"), error), Vec::new());
            continue;
        }
        for way in mesh::ways(kind) {
            let chosen = cases.iter().filter(|case| case.on.contains(way));
            let chosen: Arc<[Case]> = chosen.cloned().collect();
            let [ours, envoys] = &group.pods;
            let (mut ours_runs, envoys_runs) = tokio::join!(
                run(ours, *way, Arc::clone(&chosen), true),
                run(envoys, *way, Arc::clone(&chosen), false),
            );
            read_details(ours, &chosen, &mut ours_runs).await;
            for (index, case) in chosen.iter().enumerate() {
                let ours = &ours_runs[&index];
                let mut fault = judge::check(case, ours, &envoys_runs[&index]);
                for _ in 0..AGAIN {
                    if fault.is_none() {
                        break;
                    }
                    let alone = run(envoys, *way, Arc::from([case.clone()]), false).await;
                    fault = judge::check(case, ours, &alone[&0]);
                }
                if let Some(fault) = fault {
                    let same = faults.entry((case.name.clone(), fault)).or_default();
                    same.push(*way);
                }
            }
        }
    }
    let faults = faults.into_iter();
    faults
        .map(|((name, fault), ways)| format!("{name} {ways:?}\n{fault}"))
        .collect()
}

/// By case and text, by which ways it happens.
type Faults = BTreeMap<(String, String), Vec<Way>>;

type Runs = HashMap<usize, Run>;

/// Runs cases with one of the proxies.
async fn run(pod: &Pod, way: Way, cases: Arc<[Case]>, in_pieces: bool) -> Runs {
    let places = [&pod.outside, &pod.inside];
    let (clients, servers) = (
        places[usize::from(way.is_from_inside())],
        places[usize::from(way.is_to_inside())],
    );
    let queue: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new((0..cases.len()).collect()));
    let mut lanes = Vec::new();
    let mut serving = Vec::new();
    for lane in 0..mesh::LANES {
        let server = Server::default();
        for is_http2 in [false, true] {
            let address = way.server(mesh::port(lane, is_http2));
            let listener = servers.run(TcpListener::bind(address)).await;
            let served = server.clone().serve(listener.unwrap(), is_http2);
            serving.push(servers.handle().spawn(served).abort_handle());
        }
        let (cases, queue) = (Arc::clone(&cases), Arc::clone(&queue));
        lanes.push(clients.handle().spawn(async move {
            let mut runs = Vec::new();
            let next = || queue.lock().unwrap().pop_front();
            while let Some(index) = next() {
                let place = (way, lane, &server);
                runs.push((index, run_case(place, &cases[index], in_pieces).await));
            }
            runs
        }));
    }
    let mut runs = Runs::new();
    for lane in lanes {
        runs.extend(lane.await.unwrap());
    }
    serving.iter().for_each(AbortHandle::abort);
    runs
}

async fn run_case(place: (Way, u16, &Server), case: &Case, in_pieces: bool) -> Run {
    let mut run = attempt(place, case, &[]).await;
    // One way is enough for that.
    if !in_pieces || case.is_whole || case.on.first() != Some(&place.0) {
        return run;
    }
    for (how, cuts) in cuts(case) {
        let again = attempt(place, case, &cuts).await;
        if again.whole != run.whole {
            run.in_pieces.push((how, again.whole));
        }
    }
    run
}

/// Sends a case once, in pieces whose lengths are given, over and over again.
async fn attempt((way, lane, server): (Way, u16, &Server), case: &Case, lengths: &[usize]) -> Run {
    let cut = |bytes: &[u8]| client::cut(bytes, lengths);
    server.begin(Script::of(case, lengths));
    let to = way.entrance(mesh::port(lane, case.is_answered_by_http2()));
    match &case.sends {
        Sends::Http1(parts) => {
            let mut parts: Vec<_> = parts.iter().map(|part| cut(part)).collect();
            let method = answers::method(&parts.concat().concat());
            if !case.half_closes
                && let Some(last) = parts.last_mut()
            {
                *last = cut(&[last.concat(), AFTER.to_vec()].concat());
            }
            let script = client::Script {
                parts,
                half_closes: case.half_closes,
                method,
            };
            let got = client::exchange(to, script).await;
            let last = got.answers.list.last();
            Run {
                whole: outcome::of_http1(&got, &server.received()),
                port: got.port,
                is_refused: last.is_some_and(outcome::is_own_failure),
                ..Run::default()
            }
        }
        Sends::Http2(sent) => {
            let bytes = [frames::hello(), frames::message(1, sent)].concat();
            let got = http2::exchange(to, cut(&bytes)).await;
            Run {
                whole: outcome::of_http2(&got, &server.received()),
                port: got.port,
                ..Run::default()
            }
        }
    }
}

/// How a case is cut, each with a name.
fn cuts(case: &Case) -> Vec<(String, Vec<usize>)> {
    let length = match &case.sends {
        Sends::Http1(parts) => parts.concat().len(),
        Sends::Http2(frames) => frames::message(1, frames).len(),
    };
    let answer = case.answer.as_ref().map(|answer| answer.bytes(1));
    let length = length + answer.map_or(0, |answer| answer.len());
    let mut all = vec![
        vec![length / 2 + 1],
        vec![length / 3 + 1],
        vec![7, 1, 16, 2],
        vec![1],
    ];
    all.truncate(if length > LONG { 2 } else { 4 });
    let name = |lengths: Vec<usize>| (format!("in pieces of {lengths:?} bytes"), lengths);
    all.into_iter().map(name).collect()
}

/// Adds what the access log says of the last answers. It is written with a delay.
async fn read_details(pod: &Pod, cases: &[Case], runs: &mut Runs) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = log::read(&pod.access_log());
        let mut are_there = true;
        for (index, run) in runs.iter_mut() {
            if let Some(line) = lines.get(&run.port) {
                run.details = line.details.clone();
            }
            let expected = cases[*index].ours.as_ref();
            let expected = expected.and_then(|ours| ours.details.as_ref());
            are_there &= expected.is_none_or(|expected| *expected == run.details);
            are_there &= !run.is_refused || !run.details.is_empty();
        }
        if are_there || Instant::now() > deadline {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
