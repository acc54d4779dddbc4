//! The applications of Pillion's samples, in one static binary: the first argument
//! selects one. Called by the name `curl`, `wget`, `nc` or `sleep`, it is that tool.

mod bookinfo;
mod client;
mod curl;
mod grpc;
mod helloworld;
mod http;
mod httpbin;
mod load;
mod seconds;
mod server;
mod stats;
mod tcp;
mod web;
mod wget;

use clap::Parser;
use std::{ffi::OsString, path::Path, process::ExitCode};

/// Small applications to try a service mesh with.
#[derive(Parser)]
#[command(name = "pillion-samples", version)]
enum App {
    /// Bookinfo's web page, which asks the other three services
    Productpage(bookinfo::productpage::Args),
    /// Bookinfo's facts about a book
    Details(server::Listen),
    /// Bookinfo's reviews: v1 without stars, v2 with black ones, v3 with red ones
    Reviews(bookinfo::reviews::Args),
    /// Bookinfo's numbers of stars
    Ratings(server::Listen),
    /// Answers with what it was asked, as httpbin.org does
    Httpbin(server::Listen),
    /// Says which version and which pod it is
    Helloworld(helloworld::Args),
    /// A web server with one page that says its name
    Web(web::Args),
    /// A gRPC service that echoes, and the health service
    GrpcEcho(grpc::server::Args),
    /// Echoes lines of TCP behind a greeting
    TcpEcho(tcp::EchoArgs),
    /// A TCP service that sends a banner before it reads
    ServerFirst(tcp::ServerFirstArgs),
    /// Waits, and ends at once on SIGTERM
    Sleep(tcp::SleepArgs),
    /// Fetches a URL, with the usual options of curl
    Curl(curl::Args),
    /// Fetches a URL, with the usual options of busybox' wget
    Wget(wget::Args),
    /// Connects standard input and output to a TCP port
    Nc(tcp::NcArgs),
    /// Sends many requests and counts their answers
    Load(load::Args),
    /// Calls the gRPC echo
    GrpcCall(grpc::call::Args),
}

fn main() -> ExitCode {
    let app = App::parse_from(arguments(std::env::args_os().collect()));
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(run(app))
}

/// Puts the application's name first if the binary was called by a tool's name.
fn arguments(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let called = arguments
        .first()
        .and_then(|name| Path::new(name).file_name())
        .and_then(|name| name.to_str());
    if let Some(tool @ ("curl" | "wget" | "nc" | "sleep")) = called {
        // The usage would say `nc nc` with the name that it was called by.
        let command = ["pillion-samples", tool].map(OsString::from);
        arguments.splice(..1, command);
    }
    arguments
}

async fn run(app: App) -> ExitCode {
    let served = match app {
        App::Productpage(args) => bookinfo::productpage::run(args).await,
        App::Details(listen) => bookinfo::details::run(listen).await,
        App::Reviews(args) => bookinfo::reviews::run(args).await,
        App::Ratings(listen) => bookinfo::ratings::run(listen).await,
        App::Httpbin(listen) => httpbin::run(listen).await,
        App::Helloworld(args) => helloworld::run(args).await,
        App::Web(args) => web::run(args).await,
        App::GrpcEcho(args) => grpc::server::run(args).await,
        App::TcpEcho(args) => tcp::echo(args).await,
        App::ServerFirst(args) => tcp::server_first(args).await,
        App::Sleep(args) => tcp::sleep(args).await,
        App::Nc(args) => tcp::nc(&args),
        App::Curl(args) => return curl::run(args).await,
        App::Wget(args) => return wget::run(args).await,
        App::Load(args) => return load::run(args).await,
        App::GrpcCall(args) => return grpc::call::run(args).await,
    };
    served.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("pillion-samples: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::{App, arguments};
    use clap::CommandFactory;

    #[test]
    fn accepts_its_own_definition_of_arguments() {
        App::command().debug_assert();
    }

    #[test]
    fn is_the_tool_by_whose_name_it_is_called() {
        let called = |line: &[&str]| arguments(line.iter().map(Into::into).collect());
        assert_eq!(
            called(&["/usr/local/bin/curl", "-s", "a"]),
            ["pillion-samples", "curl", "-s", "a"]
        );
        assert_eq!(
            called(&["pillion-samples", "details"]),
            ["pillion-samples", "details"]
        );
        assert!(called(&[]).is_empty());
    }
}
