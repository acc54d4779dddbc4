//! HTTP/2 by the h2 crate, and gRPC's unary calls.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Method, Request};
use tokio::{net::TcpStream, runtime, task::LocalSet};

use crate::{
    measured::{Done, Measuring},
    requests::Asked,
};

/// A message of gRPC: not compressed, and five bytes long.
const MESSAGE: Bytes = Bytes::from_static(b"\0\0\0\0\x05hello");

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    asked: Asked,
    /// Requests that each connection has under way.
    #[arg(long, default_value_t = 8)]
    streams: usize,
    /// Requests are gRPC's unary calls.
    #[arg(long)]
    grpc: bool,
}

/// What all streams share.
struct Shared {
    requests: Vec<Request<()>>,
    next: Cell<usize>,
    grpc: bool,
    latencies: RefCell<Vec<Duration>>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    let target = args.measuring.target;
    let connect = connect(target, args.measuring.connections);
    let clients = tasks.block_on(&runtime, connect)?;
    let shared = Rc::new(Shared {
        requests: requests(args)?,
        next: Cell::new(0),
        grpc: args.grpc,
        latencies: RefCell::default(),
    });
    args.measuring.run(|length| {
        let all = streams(&clients, args.streams, &shared, Instant::now() + length);
        tasks.block_on(&runtime, all)?;
        let latencies = shared.latencies.take();
        let answered: u32 = latencies.len().try_into()?;
        Ok(Done {
            amount: answered.into(),
            latencies,
        })
    })
}

fn requests(args: &Args) -> anyhow::Result<Vec<Request<()>>> {
    let of = |request: &crate::requests::Request| {
        let uri = format!("http://{}{}", request.authority, request.path);
        let builder = Request::builder()
            .uri(uri)
            .header("user-agent", "pillion-load");
        let builder = if args.grpc {
            let builder = builder.method(Method::POST).header("te", "trailers");
            builder.header("content-type", "application/grpc")
        } else {
            builder.header("accept", "*/*")
        };
        builder.body(()).context("no request")
    };
    let all = args.asked.all(args.measuring.target.port());
    all.iter().map(of).collect()
}

async fn connect(target: SocketAddr, count: usize) -> anyhow::Result<Vec<SendRequest<Bytes>>> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = TcpStream::connect(target).await;
        let stream = stream.with_context(|| format!("can't reach {target}"))?;
        stream.set_nodelay(true)?;
        let (client, connection) = h2::client::handshake(stream).await?;
        // What ends it also ends its streams, which say so.
        tokio::task::spawn_local(async { _ = connection.await });
        clients.push(client);
    }
    Ok(clients)
}

/// Runs all streams until then.
async fn streams(
    clients: &[SendRequest<Bytes>],
    each: usize,
    shared: &Rc<Shared>,
    end: Instant,
) -> anyhow::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for client in clients {
        for _ in 0..each {
            tasks.spawn_local(stream(client.clone(), Rc::clone(shared), end));
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn stream(
    mut client: SendRequest<Bytes>,
    shared: Rc<Shared>,
    end: Instant,
) -> anyhow::Result<()> {
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok(());
        }
        let number = shared.next.get();
        shared.next.set((number + 1) % shared.requests.len());
        client = call(client, &shared.requests[number], shared.grpc).await?;
        shared.latencies.borrow_mut().push(began.elapsed());
    }
}

/// Sends a request, and waits for the end of a good response.
async fn call(
    client: SendRequest<Bytes>,
    request: &Request<()>,
    grpc: bool,
) -> anyhow::Result<SendRequest<Bytes>> {
    let mut client = client.ready().await?;
    let (response, mut body) = client.send_request(request.clone(), !grpc)?;
    if grpc {
        body.send_data(MESSAGE, true)?;
    }
    let response = response.await?;
    anyhow::ensure!(response.status() == 200, "{}", response.status());
    let (length, trailers) = read(response.into_body()).await?;
    anyhow::ensure!(length > 0, "a response has no body");
    if grpc {
        let trailers = trailers.context("a call has no trailers")?;
        let status = trailers.get("grpc-status");
        anyhow::ensure!(
            status.is_some_and(|status| status == "0"),
            "a call ended with {status:?}"
        );
    }
    Ok(client)
}

async fn read(mut body: RecvStream) -> anyhow::Result<(usize, Option<HeaderMap>)> {
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        length += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    Ok((length, body.trailers().await?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use http::Response;
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// Calls a server that ends its responses with this status.
    fn call_server(status: &'static str) -> anyhow::Result<String> {
        let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let target = listener.local_addr()?.to_string();
        runtime.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(MESSAGE, false).unwrap();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", status.parse().unwrap());
                body.send_trailers(trailers).unwrap();
            }
        });
        let line = "http2 TARGET --grpc --connections 1 --seconds 0.1 --warm-up 0.01";
        let line = line.replace("TARGET", &target);
        run(&Line::parse_from(line.split(' ')).args)
    }

    #[test]
    fn counts_calls_that_end_well() {
        let line = call_server("0").unwrap();
        let calls: f64 = line.split(' ').next_back().unwrap().parse().unwrap();
        assert!(calls >= 1.0, "{line}");
    }

    #[test]
    fn a_call_that_fails_ends_the_run() {
        assert!(call_server("14").is_err());
    }
}
