//! What connections take of a process's memory that does nothing for them.

use std::{net::SocketAddr, thread, time::Duration};

use crate::{
    connection::Connection,
    machine::Memory,
    requests::Asked,
    tls::{Resumption, Tls},
};

/// Connections that come and go before, so that what a process makes once is not counted.
const BEFORE: usize = 200;
const KB_PER_MIB: f64 = 1024.0 * 1.024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to connect to.
    target: SocketAddr,
    /// How many connections.
    #[arg(long)]
    connections: u32,
    /// The process whose memory it is; those of several are added up.
    #[arg(long, required = true)]
    process: Vec<u32>,
    /// For how many seconds nothing is done before memory is looked at.
    #[arg(long, default_value_t = 5.0)]
    settle: f64,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    tls: Tls,
}

/// Opens and holds them. Prints the resident MiB before and with them, and the kB of each.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    drop(open(args, BEFORE)?);
    let before = settled(args)?;
    let held = open(args, args.connections.try_into()?)?;
    let with = settled(args)?;
    drop(held);
    let each = (with - before) * KB_PER_MIB / f64::from(args.connections.max(1));
    Ok(format!("{before:.1} {with:.1} {each:.2}"))
}

/// Opens connections, each of which has had its answer.
fn open(args: &Args, count: usize) -> anyhow::Result<Vec<Connection>> {
    let target = args.tls.target(args.target, Resumption::Off)?;
    let requests = args.asked.all(args.target.port());
    let mut buffer = vec![0; 64 * 1024];
    let mut held = Vec::with_capacity(count);
    for request in requests.iter().cycle().take(count) {
        let mut connection = Connection::blocking(&target)?;
        connection.send(&request.http1())?;
        while !connection.receive(&mut buffer)? {}
        held.push(connection);
    }
    Ok(held)
}

fn settled(args: &Args) -> anyhow::Result<f64> {
    thread::sleep(Duration::from_secs_f64(args.settle));
    Ok(Memory::of_all(&args.process)?.resident)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::tls;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn prints_what_each_takes() {
        let (address, _tls, folder) = tls::tests::server();
        let line = [
            "idle",
            &address.to_string(),
            "--connections",
            "5",
            "--process",
            &std::process::id().to_string(),
            "--settle",
            "0",
            "--tls",
            folder.0.to_str().unwrap(),
        ];
        let printed = run(&Line::parse_from(line).args).unwrap();
        let numbers = printed
            .split(' ')
            .map(|number| number.parse::<f64>().unwrap());
        assert_eq!(numbers.count(), 3, "{printed}");
    }
}
