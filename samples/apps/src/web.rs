//! A web server with one page: what answers as tomcat and httpd where only their
//! names matter.

use crate::{
    http::{pod, text},
    server::{self, Listen},
};
use hyper::{StatusCode, header::HeaderValue};
use std::io;

/// Its name.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// What the page and the header x-served-by say
    name: String,
}

/// Answers every path on port 8080 with `hello NAME`; `x-served-by` says `NAME/POD`.
pub async fn run(args: Args) -> io::Result<()> {
    let served_by = HeaderValue::from_str(&format!("{}/{}", args.name, pod())).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name can't stand in a header: use letters and digits",
        )
    })?;
    let listener = args.listen.bind(&args.name, 8080).await?;
    let page = format!("hello {}\n", args.name);
    server::http(listener, move |_| {
        let mut response = text(StatusCode::OK, page.clone());
        response
            .headers_mut()
            .insert("x-served-by", served_by.clone());
        async { response }
    })
    .await
}
