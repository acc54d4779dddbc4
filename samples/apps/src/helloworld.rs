//! Says which version and which pod it is.

use crate::{
    http::{not_found, pod, text},
    server::{self, Listen},
};
use hyper::StatusCode;
use std::io;

/// What it says and where.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// The version that it says
    #[arg(long, env = "SERVICE_VERSION", default_value = "v1")]
    version: String,
}

/// Serves `/hello` and `/health` on port 5000.
pub async fn run(args: Args) -> io::Result<()> {
    let listener = args.listen.bind("helloworld", 5000).await?;
    let hello = format!("Hello version: {}, instance: {}\n", args.version, pod());
    server::http(listener, move |request| {
        let response = match request.uri().path() {
            "/hello" => text(StatusCode::OK, hello.clone()),
            "/health" => text(StatusCode::OK, "helloworld is healthy\n"),
            _ => not_found(),
        };
        async { response }
    })
    .await
}
