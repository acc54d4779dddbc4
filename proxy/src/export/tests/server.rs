//! Collectors for tests: of Zipkin and of OpenTelemetry, by HTTP and by gRPC.

use std::{
    future::pending,
    io, mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, uri::Authority};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use pillion_envoy_api::opentelemetry::proto::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value,
};
use prost::Message as _;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle},
    time::sleep,
};
use tonic::Status;

use crate::tables::SpanProtocol;

/// A report that was taken.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    pub path: String,
    pub authority: Option<String>,
    pub headers: HeaderMap,
    pub service: String,
    /// Their names.
    pub spans: Vec<String>,
}

/// A collector, which runs as long as the value lives.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    connections: Vec<AbortHandle>,
    /// So many reports are answered like that.
    refused: Option<(u32, StatusCode)>,
    rejected: i64,
    hangs: bool,
    breaks: bool,
    /// How long it takes to answer by HTTP/1.1.
    time: Duration,
    /// The head of the newest call of gRPC, which its service does not see.
    head: Taken,
}

impl Server {
    pub async fn start(protocol: SpanProtocol) -> Self {
        Self::start_at(protocol, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn start_at(protocol: SpanProtocol, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let accepting = tokio::spawn(accept(listener, protocol, Arc::clone(&state)));
        Self {
            address,
            state,
            accepting,
        }
    }

    /// Ends it; says where it was.
    pub async fn stop(mut self) -> SocketAddr {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.close_connections();
        self.address
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.state().taken.clone()
    }

    /// How many there have been.
    pub fn connections(&self) -> usize {
        self.state().connections.len()
    }

    pub fn close_connections(&self) {
        for connection in &self.state().connections {
            connection.abort();
        }
    }

    /// Answers the next reports like that.
    pub fn refuse(&self, count: u32, status: StatusCode) {
        self.state().refused = Some((count, status));
    }

    /// Says that it rejects so many spans of each report.
    pub fn reject(&self, spans: i64) {
        self.state().rejected = spans;
    }

    /// Answers nobody any more.
    pub fn hang(&self) {
        self.state().hangs = true;
    }

    /// Takes so long for each report that comes by HTTP/1.1.
    pub fn take_so_long(&self, time: Duration) {
        self.state().time = time;
    }

    /// Closes the connection of the next report instead of an answer, if it comes by HTTP/1.1.
    pub fn break_next(&self) {
        self.state().breaks = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close_connections();
    }
}

impl State {
    /// Takes a report, unless it is to be refused.
    fn take(&mut self, taken: Taken) -> Result<i64, StatusCode> {
        if let Some((count, status)) = &mut self.refused
            && *count > 0
        {
            *count -= 1;
            return Err(*status);
        }
        self.taken.push(taken);
        Ok(self.rejected)
    }
}

async fn accept(listener: TcpListener, protocol: SpanProtocol, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let serving = tokio::spawn(serve(stream, protocol, Arc::clone(&state)));
        state
            .lock()
            .unwrap()
            .connections
            .push(serving.abort_handle());
    }
}

async fn serve(stream: TcpStream, protocol: SpanProtocol, state: Arc<Mutex<State>>) {
    let stream = TokioIo::new(stream);
    if protocol == SpanProtocol::OtlpGrpc {
        let service = TraceServiceServer::new(Grpc(Arc::clone(&state)));
        let service = TowerToHyperService::new(service);
        let service = service_fn(move |request: Request<Incoming>| {
            state.lock().unwrap().head = head(&request);
            service.call(request)
        });
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await;
        return;
    }
    let service = service_fn(|request| by_http(request, protocol, Arc::clone(&state)));
    let _ = http1::Builder::new()
        .serve_connection(stream, service)
        .await;
}

/// What the head says, without spans.
fn head(request: &Request<Incoming>) -> Taken {
    let host = request.headers().get("host");
    let host = host.map(|host| host.to_str().unwrap());
    let authority = request.uri().authority().map(Authority::as_str).or(host);
    Taken {
        path: request.uri().path().to_owned(),
        authority: authority.map(str::to_owned),
        headers: request.headers().clone(),
        ..Taken::default()
    }
}

async fn by_http(
    request: Request<Incoming>,
    protocol: SpanProtocol,
    state: Arc<Mutex<State>>,
) -> io::Result<Response<Full<Bytes>>> {
    let head = head(&request);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    if state.lock().unwrap().hangs {
        return pending().await;
    }
    if mem::take(&mut state.lock().unwrap().breaks) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let time = state.lock().unwrap().time;
    if !time.is_zero() {
        sleep(time).await;
    }
    let taken = match protocol {
        SpanProtocol::Zipkin => of_zipkin(&body, head),
        _ => of_opentelemetry(ExportTraceServiceRequest::decode(body).unwrap(), head),
    };
    let (status, body) = match (state.lock().unwrap().take(taken), protocol) {
        (Ok(_), SpanProtocol::Zipkin) => (StatusCode::ACCEPTED, Vec::new()),
        (Ok(rejected), _) => (StatusCode::OK, response(rejected).encode_to_vec()),
        (Err(status), _) => (status, b"no".to_vec()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

fn of_zipkin(body: &[u8], head: Taken) -> Taken {
    let spans: Value = serde_json::from_slice(body).unwrap();
    let spans = spans.as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Taken {
        service: text(&spans[0]["localEndpoint"]["serviceName"]),
        spans: spans.iter().map(|span| text(&span["name"])).collect(),
        ..head
    }
}

fn of_opentelemetry(mut request: ExportTraceServiceRequest, head: Taken) -> Taken {
    let mut of_resource = request.resource_spans.remove(0);
    let mut attributes = of_resource.resource.unwrap().attributes;
    let service = attributes.remove(0).value.unwrap().value;
    let Some(any_value::Value::StringValue(service)) = service else {
        panic!("{service:?}");
    };
    let spans = of_resource.scope_spans.remove(0).spans;
    Taken {
        service,
        spans: spans.into_iter().map(|span| span.name).collect(),
        ..head
    }
}

fn response(rejected_spans: i64) -> ExportTraceServiceResponse {
    let partial = ExportTracePartialSuccess {
        rejected_spans,
        error_message: String::new(),
    };
    ExportTraceServiceResponse {
        partial_success: (rejected_spans > 0).then_some(partial),
    }
}

/// The collector's service of gRPC.
struct Grpc(Arc<Mutex<State>>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        let head = state.head.clone();
        match state.take(of_opentelemetry(request.into_inner(), head)) {
            Ok(rejected) => Ok(tonic::Response::new(response(rejected))),
            Err(StatusCode::SERVICE_UNAVAILABLE) => Err(Status::unavailable("later")),
            Err(_) => Err(Status::invalid_argument("never")),
        }
    }
}
