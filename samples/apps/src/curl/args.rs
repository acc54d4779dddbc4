//! curl's options, and the request that they make.

use super::error::CurlError;
use crate::{http::BODY_LIMIT, seconds::seconds};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, USER_AGENT},
};
use std::{
    fs::File,
    io::{self, Read},
    time::Duration,
};

/// The options, with curl's names.
#[derive(clap::Args)]
pub struct Args {
    #[arg(required = true)]
    pub urls: Vec<String>,
    /// No message for an error
    #[arg(short, long)]
    pub silent: bool,
    /// A message for an error even with --silent
    #[arg(short = 'S', long)]
    pub show_error: bool,
    /// Write the body to this file
    #[arg(short, long)]
    pub output: Option<String>,
    /// Write this behind the body: %{http_code}, %{time_total}, %{size_download} and others
    #[arg(short, long)]
    pub write_out: Option<String>,
    /// A header, `NAME: VALUE`
    #[arg(short = 'H', long = "header", value_parser = parse_header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The method
    #[arg(short = 'X', long)]
    pub request: Option<Method>,
    /// The body of a POST; @FILE and @- read it. Several are joined by &
    #[arg(short, long)]
    pub data: Vec<String>,
    /// As --data, without taking line ends out of a file
    #[arg(long)]
    pub data_binary: Vec<String>,
    /// A HEAD request, its answer's head printed
    #[arg(short = 'I', long)]
    pub head: bool,
    /// Print the head before the body
    #[arg(short, long)]
    pub include: bool,
    /// Print what is sent and received on standard error
    #[arg(short, long)]
    pub verbose: bool,
    /// Follow redirects
    #[arg(short = 'L', long)]
    pub location: bool,
    #[arg(long, default_value_t = 50)]
    pub max_redirs: u32,
    /// Exit with 22 on a status of 400 and more, without the body
    #[arg(short, long)]
    pub fail: bool,
    /// The longest time of all, in seconds
    #[arg(short, long, value_parser = seconds)]
    pub max_time: Option<Duration>,
    /// The longest time to connect, in seconds
    #[arg(long, value_parser = seconds)]
    pub connect_timeout: Option<Duration>,
    #[arg(short = 'A', long)]
    pub user_agent: Option<HeaderValue>,
    /// Cookies, `NAME=VALUE; NAME=VALUE`
    #[arg(short = 'b', long)]
    pub cookie: Option<HeaderValue>,
    #[arg(short = '0', long = "http1.0")]
    pub http1_0: bool,
    #[arg(long = "http1.1")]
    pub http1_1: bool,
    #[arg(long)]
    pub http2_prior_knowledge: bool,
    /// Taken, and without a meaning: there is no TLS
    #[arg(short = 'k', long)]
    pub insecure: bool,
}

/// Parses `NAME: VALUE`.
pub fn parse_header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line
        .split_once(':')
        .ok_or("a header is written NAME: VALUE")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("{name:?} is not the name of a header"))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("{value:?} is not the value of a header"))?;
    Ok((name, value))
}

/// What is asked for, wherever that is.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The request that the options ask for.
pub fn request(args: &Args) -> Result<Request, CurlError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(
        USER_AGENT,
        args.user_agent
            .clone()
            .unwrap_or(HeaderValue::from_static("curl/8.0 (pillion-samples)")),
    );
    if let Some(cookie) = &args.cookie {
        headers.insert(COOKIE, cookie.clone());
    }
    let mut body = Vec::new();
    for (text, binary) in args
        .data
        .iter()
        .map(|text| (text, false))
        .chain(args.data_binary.iter().map(|text| (text, true)))
    {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend(data(text, binary)?);
    }
    let has_data = !args.data.is_empty() || !args.data_binary.is_empty();
    if has_data {
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
    }
    for (name, _) in &args.headers {
        headers.remove(name);
    }
    for (name, value) in &args.headers {
        // `NAME:` takes out what curl would send by itself.
        if !value.is_empty() {
            headers.append(name.clone(), value.clone());
        }
    }
    let usual = match (args.head, has_data) {
        (true, _) => Method::HEAD,
        (false, true) => Method::POST,
        (false, false) => Method::GET,
    };
    Ok(Request {
        method: args.request.clone().unwrap_or(usual),
        headers,
        body: body.into(),
    })
}

fn data(text: &str, binary: bool) -> Result<Vec<u8>, CurlError> {
    let Some(file) = text.strip_prefix('@') else {
        return Ok(text.as_bytes().to_vec());
    };
    let failed = |error| CurlError::File(file.to_owned(), error);
    let mut content = Vec::new();
    let limit = BODY_LIMIT as u64 + 1;
    match file {
        "-" => io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut content)
            .map_err(failed)?,
        _ => File::open(file)
            .map_err(failed)?
            .take(limit)
            .read_to_end(&mut content)
            .map_err(failed)?,
    };
    if content.len() > BODY_LIMIT {
        return Err(failed(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {BODY_LIMIT} bytes"),
        )));
    }
    if !binary {
        content.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hyper::header::HOST;

    #[derive(Parser)]
    #[command(name = "curl")]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &[&str]) -> Args {
        Command::parse_from([&["curl"], line].concat()).args
    }

    #[test]
    fn reads_the_options_as_people_write_them() {
        let args = parsed(&[
            "-sS",
            "-o/dev/null",
            "-w",
            "%{http_code}\n",
            "-HHost:bookinfo.example.com",
            "-I",
            "http://a/",
        ]);
        assert!(args.silent && args.show_error && args.head);
        let Request {
            method,
            headers,
            body,
        } = request(&args).unwrap();
        assert_eq!(
            (method, body.len(), &headers[HOST]),
            (
                Method::HEAD,
                0,
                &HeaderValue::from_static("bookinfo.example.com")
            )
        );
    }

    #[test]
    fn posts_data_and_lets_headers_be_replaced_and_taken_out() {
        let args = parsed(&[
            "-d",
            "a=1",
            "-d",
            "b=2",
            "-H",
            "content-type: text/plain",
            "-H",
            "accept:",
            "a",
        ]);
        let Request {
            method,
            headers,
            body,
        } = request(&args).unwrap();
        assert_eq!(
            (method, body),
            (Method::POST, Bytes::from_static(b"a=1&b=2"))
        );
        assert_eq!(
            headers.get_all(CONTENT_TYPE).iter().collect::<Vec<_>>(),
            ["text/plain"]
        );
        assert!(!headers.contains_key(ACCEPT));
        assert_eq!(
            request(&parsed(&["-X", "PUT", "-d", "a", "a"]))
                .unwrap()
                .method,
            Method::PUT
        );
    }

    #[test]
    fn rejects_headers_that_are_none() {
        for line in ["", "a", "a b: c", ": c", "a: \n"] {
            assert!(line == "a: \n" || parse_header(line).is_err(), "{line:?}");
        }
        assert!(parse_header("a: b\u{0}c").is_err());
    }

    #[test]
    fn says_what_data_it_cannot_read() {
        let error = request(&parsed(&["-d", "@/does/not/exist", "a"])).unwrap_err();
        assert_eq!(error.exit_code(), 23);
        assert!(error.to_string().starts_with("/does/not/exist: "));
    }
}
