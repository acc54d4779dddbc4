//! The servers of a scenario, and what they received.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::sleep,
};

use crate::{
    case::{Answer, Server},
    place::Place,
    spans::{self, Span},
};

/// A request as a server received it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The server.
    pub server: String,
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// `Host`, or `:authority`.
    pub host: String,
    /// All other headers, in their order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What servers have received since the last time somebody looked.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    spans: Vec<Span>,
    /// The traces of the scenario's requests, and those of the scenarios before it.
    traces: BTreeSet<String>,
    earlier: BTreeSet<String>,
    /// How many tries each server has had.
    tries: HashMap<String, usize>,
}

impl Recorder {
    /// Takes what was received, and begins anew with everybody's first answer.
    pub fn take(&self) -> Vec<Received> {
        let mut state = self.0.lock().unwrap();
        state.tries.clear();
        std::mem::take(&mut state.received)
    }

    /// Takes the spans of a trace.
    pub fn take_spans(&self, trace: &str) -> Vec<Span> {
        let mut state = self.0.lock().unwrap();
        let spans = std::mem::take(&mut state.spans);
        let (taken, others) = spans.into_iter().partition(|span| span.trace == trace);
        state.spans = others;
        taken
    }

    /// Remembers the trace of a request, whether or not its spans are wanted.
    pub fn remember_trace(&self, trace: String) {
        self.0.lock().unwrap().traces.insert(trace);
    }

    /// Ends a scenario, and takes the spans that it wants of none of its requests. Those of earlier
    /// scenarios' requests may come late: their collector was not there.
    pub fn take_unwanted_spans(&self) -> Vec<Span> {
        let mut state = self.0.lock().unwrap();
        let spans = std::mem::take(&mut state.spans);
        let traces = std::mem::take(&mut state.traces);
        let is_late =
            |span: &Span| state.earlier.contains(&span.trace) && !traces.contains(&span.trace);
        let unwanted = spans.into_iter().filter(|span| !is_late(span)).collect();
        state.earlier.extend(traces);
        unwanted
    }

    /// Records a request, and returns which try it is for its server.
    fn record(&self, received: Received) -> usize {
        let mut state = self.0.lock().unwrap();
        let tries = state.tries.entry(received.server.clone()).or_default();
        *tries += 1;
        let number = *tries - 1;
        state.received.push(received);
        number
    }
}

/// The servers of a scenario. They end with the value.
pub struct Servers {
    tasks: Vec<AbortHandle>,
}

impl Servers {
    /// Starts a server at each of these addresses.
    pub async fn start(
        servers: &[(Server, SocketAddr)],
        place: &Place,
        recorder: &Recorder,
    ) -> Self {
        let mut tasks = Vec::new();
        for (server, address) in servers.iter().filter(|(server, _)| !server.down) {
            let address = *address;
            let listener = place.run(TcpListener::bind(address)).await;
            let listener =
                listener.unwrap_or_else(|error| panic!("{}: {address}: {error}", server.name));
            let serving = serve(listener, Arc::new(server.clone()), recorder.clone());
            tasks.push(place.handle().spawn(serving).abort_handle());
        }
        Self { tasks }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn serve(listener: TcpListener, server: Arc<Server>, recorder: Recorder) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (server, recorder) = (Arc::clone(&server), recorder.clone());
        // They end with the listener.
        connections.spawn(async move {
            if server.tcp {
                let _ = speak(stream, &server, &recorder).await;
            } else {
                answer_all(stream, server, recorder).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers a line by the server's name and the line, and closes.
async fn speak(stream: TcpStream, server: &Server, recorder: &Recorder) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        // A proxy may connect before it knows its client.
        return Ok(());
    }
    recorder.record(Received {
        server: server.name.clone(),
        method: String::new(),
        path: String::new(),
        host: String::new(),
        headers: Vec::new(),
        body: line.trim_end().to_owned(),
    });
    let answer = format!("{}: {line}", server.name);
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn answer_all(stream: TcpStream, server: Arc<Server>, recorder: Recorder) {
    let service = service_fn(move |request| answer(request, Arc::clone(&server), recorder.clone()));
    let builder = auto::Builder::new(TokioExecutor::new());
    // The client's end of it is what counts.
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A server that hangs up.
#[derive(Debug, thiserror::Error)]
#[error("closed, as the scenario says")]
struct Closed;

async fn answer(
    request: Request<Incoming>,
    server: Arc<Server>,
    recorder: Recorder,
) -> Result<Response<Full<Bytes>>, Closed> {
    if server.spans {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await;
        let body = body.map(Collected::to_bytes).unwrap_or_default();
        recorder
            .0
            .lock()
            .unwrap()
            .spans
            .extend(spans::read(&path, &body));
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::ACCEPTED;
        return Ok(response);
    }
    let received = read(request, &server).await;
    let text = format!(
        "{} {} {}\n{}",
        received.server, received.method, received.path, received.body
    );
    let number = recorder.record(received);
    let last = server.answers.len().saturating_sub(1);
    let answer = server
        .answers
        .get(number.min(last))
        .cloned()
        .unwrap_or_default();
    sleep(Duration::from_millis(answer.delay)).await;
    if answer.close {
        return Err(Closed);
    }
    Ok(respond(&answer, text))
}

fn respond(answer: &Answer, text: String) -> Response<Full<Bytes>> {
    let body = answer.body.clone().unwrap_or(text);
    let mut response = Response::builder().status(answer.status.unwrap_or(200));
    for line in &answer.headers {
        let (name, value) = line.split_once(':').unwrap();
        response = response.header(name.trim(), value.trim());
    }
    response.body(Full::new(Bytes::from(body))).unwrap()
}

async fn read(request: Request<Incoming>, server: &Server) -> Received {
    let (head, body) = request.into_parts();
    let mut host = head.uri.authority().map(ToString::to_string);
    let mut headers = Vec::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == "host" {
            host = Some(value);
        } else {
            headers.push((name.to_string(), value));
        }
    }
    let body = body.collect().await.map(Collected::to_bytes);
    Received {
        server: server.name.clone(),
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        host: host.unwrap_or_default(),
        headers,
        body: body.map_or_else(
            |error| format!("<{error}>"),
            |body| String::from_utf8_lossy(&body).into_owned(),
        ),
    }
}
