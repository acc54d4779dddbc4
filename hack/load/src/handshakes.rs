//! New connections by TLS.

use std::{
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    connection::Connection,
    measured::{Done, Measuring},
    requests::{Asked, Request},
    stream::Target,
    tls::{Resumption, Tls},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    tls: Tls,
    /// Has each connection go back to what the one before it has agreed on. Without it, every handshake is a full one.
    #[arg(long)]
    resume: bool,
}

/// What all threads have done.
#[derive(Debug, Default)]
struct Shared {
    /// From a connection's beginning to the answer.
    latencies: Mutex<Vec<Duration>>,
    failed: Mutex<Option<anyhow::Error>>,
}

/// Opens as many at a time as there are connections, a thread each, and each of them again and again.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let shared = Arc::<Shared>::default();
    let address = args.measuring.target;
    let requests = args.asked.all(address.port());
    for number in 0..args.measuring.connections {
        let request = requests.get(number % requests.len().max(1));
        let request = request.map(Request::http1).unwrap_or_default();
        let target = target(args, address)?;
        let (shared, resume) = (Arc::clone(&shared), args.resume);
        thread::spawn(move || shared.follow(&target, &request, resume));
    }
    args.measuring.run(|length| {
        shared.taken();
        thread::sleep(length);
        let latencies = shared.taken();
        let failed = shared.failed.lock();
        if let Some(error) = failed.unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let answered: u32 = latencies.len().try_into()?;
        Ok(Done {
            amount: answered.into(),
            latencies,
        })
    })
}

fn target(args: &Args, address: SocketAddr) -> anyhow::Result<Target> {
    let resumption = match args.resume {
        true => Resumption::On,
        false => Resumption::Off,
    };
    let target = args.tls.target(address, resumption)?;
    anyhow::ensure!(
        target.tls.is_some(),
        "there are no handshakes without --tls"
    );
    Ok(target)
}

impl Shared {
    /// Opens one connection after the other until one fails.
    fn follow(&self, target: &Target, request: &[u8], resume: bool) {
        let mut buffer = vec![0; 64 * 1024];
        // A server's first answer comes with what the next connection begins with.
        let mut is_first = true;
        loop {
            match once(target, request, resume && !is_first, &mut buffer) {
                Ok(latency) => {
                    let latencies = self.latencies.lock();
                    latencies
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(latency);
                }
                Err(error) => {
                    let failed = self.failed.lock();
                    *failed.unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
            is_first = false;
        }
    }

    fn taken(&self) -> Vec<Duration> {
        let latencies = self.latencies.lock();
        mem::take(&mut *latencies.unwrap_or_else(PoisonError::into_inner))
    }
}

/// One connection with a request, whose answer has to come.
fn once(
    target: &Target,
    request: &[u8],
    is_resumed: bool,
    buffer: &mut [u8],
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut connection = Connection::blocking(target)?;
    anyhow::ensure!(
        connection.is_resumed() == is_resumed,
        "a handshake was {}",
        if is_resumed { "a full one" } else { "resumed" }
    );
    connection.send(request)?;
    while !connection.receive(buffer)? {}
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls;

    #[test]
    fn each_is_what_was_asked_for() {
        let (address, tls, _folder) = tls::tests::server();
        let request = b"GET / HTTP/1.1\r\n\r\n";
        for resumption in [Resumption::On, Resumption::Off] {
            let target = tls.target(address, resumption).unwrap();
            once(&target, request, false, &mut [0; 1024]).unwrap();
            let resumed = resumption == Resumption::On;
            once(&target, request, resumed, &mut [0; 1024]).unwrap();
            once(&target, request, !resumed, &mut [0; 1024]).unwrap_err();
        }
    }
}
