//! The worst bodies that are known, from many callers at once.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use pillion_grammar::cases::CASES;
use rustls::version::TLS13;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    certificates::installation::Installation, injector_process::Ports, tls::over, turns::turn,
};

const CALLERS: u8 = 64;

/// The container's limit in the chart.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Far more than it takes: a caller that is never answered fails by it.
const PATIENCE: Duration = Duration::from_secs(240);

/// Sends a body until it is answered with something else than that there are too many.
async fn answered(ports: Ports, root: Arc<String>, caller: u8, body: Arc<String>) -> String {
    let address = Ipv4Addr::new(127, 0, 1, caller);
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let stream = socket.connect(ports.webhook).await.unwrap();
        let mut stream = over(stream, None, &[&TLS13], &root).await.unwrap();
        let head = format!(
            "POST /inject HTTP/1.1\r\nHost: injector\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A caller that is turned away is not read to its end.
        let _ = stream.write_all(body.as_bytes()).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if !answer.is_empty() && !answer.starts_with("HTTP/1.1 503") {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worst_bodies_of_64_callers_fit_into_the_charts_memory() {
    let _turn = turn().await;
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let mut injector = installation.start(ports, &[]);
    injector.ready().await;
    let root = Arc::new(installation.secret("ca.crt").await.unwrap());

    // At their largest, and at sizes that a review still reads.
    let sizes = (0..4).map(|halvings| usize::MAX >> halvings);
    let bodies: Vec<Arc<String>> = sizes
        .flat_map(|size| {
            let pods = CASES.iter().map(move |case| case.pod(case.most.min(size)));
            pods.map(|pod| Arc::new(pillion_grammar::review(&pod)))
        })
        .collect();
    let mut callers = JoinSet::new();
    for caller in 1..=CALLERS {
        let (root, bodies) = (Arc::clone(&root), bodies.clone());
        callers.spawn(async move {
            let own = bodies
                .into_iter()
                .skip(usize::from(caller))
                .step_by(CALLERS.into());
            for body in own {
                let answer = answered(ports, Arc::clone(&root), caller, body).await;
                assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
            }
        });
    }
    let all = async {
        loop {
            // Whatever reviews do, the kubelet is answered.
            let alive = injector.get("/livez").expect("an open status port");
            assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
            match callers.try_join_next() {
                Some(caller) => caller.unwrap(),
                None if callers.is_empty() => return,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, all)
        .await
        .expect("answers for all callers");
    let peak = injector.peak_memory();
    assert!(peak < LIMIT, "{} MiB were resident", peak / 1024 / 1024);
    println!("at most {} MiB were resident", peak / 1024 / 1024);
}
