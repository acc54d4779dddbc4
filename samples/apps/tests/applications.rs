//! The other applications, each asked over a real connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};
use support::{App, json, output, run};

#[test]
fn httpbin_answers_over_http1_and_http2() {
    let httpbin = App::start(&["httpbin"], &[]);
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let described = json(&[
            "curl",
            "-sS",
            "-f",
            protocol,
            "-H",
            "x-a: b",
            &httpbin.url("/get?c=d"),
        ]);
        assert_eq!(
            (&described["args"]["c"], &described["headers"]["X-A"]),
            (&"d".into(), &"b".into())
        );
        let described = json(&[
            "curl",
            "-sS",
            "-f",
            protocol,
            "-d",
            "a=1",
            &httpbin.url("/post"),
        ]);
        assert_eq!(described["form"]["a"], "1");
        assert_eq!(
            output(&["curl", "-sS", "-f", protocol, &httpbin.url("/stream/3")])
                .lines()
                .count(),
            3
        );
        let format = "%{http_code} %{http_version} %{size_download}";
        let status = output(&[
            "curl",
            "-sS",
            protocol,
            "-o",
            "/dev/null",
            "-w",
            format,
            &httpbin.url("/bytes/1000000"),
        ]);
        let version = if protocol == "--http1.1" { "1.1" } else { "2" };
        assert_eq!(status, format!("200 {version} 1000000"));
    }
    let format = "%{http_code} %{num_redirects}";
    assert_eq!(
        output(&[
            "curl",
            "-sSL",
            "-o",
            "/dev/null",
            "-w",
            format,
            &httpbin.url("/redirect/3")
        ]),
        "200 3"
    );
    assert_eq!(
        output(&[
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            format,
            &httpbin.url("/status/503")
        ]),
        "503 0"
    );
    assert_eq!(
        output(&[
            "curl",
            "-sS",
            "-0",
            "-w",
            "%{http_code}",
            "-o",
            "/dev/null",
            &httpbin.url("/get")
        ]),
        "200"
    );
}

#[test]
fn servers_survive_what_is_not_http() {
    let httpbin = App::start(&["httpbin"], &[]);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\xff\xff\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: \x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxx",
        long.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", httpbin.port)).unwrap();
        // The server may close before it has read all.
        let _ = stream
            .write_all(bytes)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let large = run(&[
        "curl",
        "-sS",
        "-H",
        "content-length: 99999999999",
        "-X",
        "POST",
        "-f",
        "-m",
        "10",
        &httpbin.url("/post"),
    ]);
    assert!(!large.status.success());
    assert_eq!(
        output(&[
            "curl",
            "-sS",
            "-f",
            &httpbin.url("/user-agent"),
            "-A",
            "test"
        ]),
        "{\"user-agent\":\"test\"}"
    );
}

#[test]
fn requests_that_run_on_sigterm_are_answered() {
    let httpbin = App::start(&["httpbin"], &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", httpbin.port)).unwrap();
    // The interim answer says that the request runs: its body is being read.
    stream
        .write_all(
            b"POST /post HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        )
        .unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    let ended = std::thread::spawn(move || httpbin.terminate());
    stream.write_all(b"hello").unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"data\":\"hello\""),
        "{answer}"
    );
    assert!(ended.join().unwrap().success());
}

#[test]
fn curl_and_wget_fail_as_those_tools_do() {
    let httpbin = App::start(&["httpbin"], &[]);
    let code = |arguments: &[&str]| run(arguments).status.code();
    assert_eq!(
        code(&["curl", "-sf", &httpbin.url("/status/503")]),
        Some(22)
    );
    assert_eq!(
        code(&["curl", "-s", "-m", "0.1", &httpbin.url("/delay/5")]),
        Some(28)
    );
    assert_eq!(code(&["curl", "-s", "http://127.0.0.1:1/"]), Some(7));
    assert_eq!(
        code(&["curl", "-s", "http://does-not-exist.invalid/"]),
        Some(6)
    );
    assert_eq!(
        code(&["wget", "-q", "-O", "-", &httpbin.url("/status/404")]),
        Some(1)
    );
    assert_eq!(code(&["curl", "-s", "https://127.0.0.1/"]), Some(1));
}

#[test]
fn web_and_helloworld_say_who_they_are() {
    let tomcat = App::start(&["web", "tomcat"], &[]);
    assert_eq!(
        output(&["wget", "-q", "-O", "-", &tomcat.url("/")]),
        "hello tomcat\n"
    );
    let hello = App::start(&["helloworld"], &[("SERVICE_VERSION", "v2")]);
    assert_eq!(
        output(&["curl", "-s", &hello.url("/hello")]),
        "Hello version: v2, instance: helloworld-pod\n"
    );
    assert!(hello.terminate().success());
}

#[test]
fn load_counts_by_status_body_and_header() {
    let web = App::start(&["web", "httpd"], &[]);
    let line = [
        "load",
        "-n",
        "200",
        "-c",
        "8",
        "--by-body",
        "--by-header",
        "x-served-by",
        "--json",
    ];
    for more in [
        &[][..],
        &["--http2"],
        &["--no-keep-alive"],
        &["--rate", "2000"],
    ] {
        let counted = json(&[&line[..], more, &[&web.url("/")]].concat());
        assert_eq!(
            (&counted["requests"], &counted["failed"]),
            (&200.into(), &0.into()),
            "{counted}"
        );
        assert_eq!(
            (&counted["status"]["200"], &counted["body"]["hello httpd"]),
            (&200.into(), &200.into()),
            "{counted}"
        );
        assert_eq!(
            counted["header"]["x-served-by"]["httpd/web-pod"], 200,
            "{counted}"
        );
    }
    let port = web.port;
    assert!(web.terminate().success());
    let failed = run(&["load", "-n", "3", "--json", &format!("127.0.0.1:{port}")]);
    assert_eq!(failed.status.code(), Some(1));
    let counted: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!(counted["failed"], 3);
}

#[test]
fn tcp_echo_answers_lines_behind_its_greeting() {
    let echo = App::start(&["tcp-echo", "0", "one"], &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", echo.port)).unwrap();
    stream.write_all(b"hello\nworld").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "one hello\none world");
    assert!(echo.terminate().success());
}

#[test]
fn server_first_speaks_before_it_reads() {
    let server = App::start(&["server-first"], &[]);
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.port)).unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert_eq!(line, "220 server-first-pod ready\r\n");
    stream.get_mut().write_all(b"noop\r\nQUIT\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "250 noop\r\n221 bye\r\n");
}

#[test]
fn grpc_echo_answers_each_kind_of_call() {
    let echo = App::start(&["grpc-echo", "--version", "v2"], &[]);
    let address = format!("127.0.0.1:{}", echo.port);
    let call = |line: &[&str]| run(&[&["grpc-call", &address], line].concat());
    let printed = |line: &[&str]| String::from_utf8(call(line).stdout).unwrap();
    assert_eq!(
        printed(&["unary", "--message", "hi", "--requests", "2"]),
        "v2 grpc-echo-pod hi\n".repeat(2)
    );
    assert_eq!(
        printed(&["server-stream", "--count", "4"]),
        "v2 grpc-echo-pod hello\n".repeat(4)
    );
    assert_eq!(
        printed(&["client-stream"]),
        "v2 grpc-echo-pod 3 messages, the last: hello\n"
    );
    assert_eq!(
        printed(&["bidirectional", "--count", "5"]),
        "v2 grpc-echo-pod hello\n".repeat(5)
    );
    assert_eq!(printed(&["health"]), "SERVING\n");
    let refused = call(&["unary", "--code", "14"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("gRPC status 14")
    );
    assert!(echo.terminate().success());
}
