//! What people do with pods, by kubectl.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{Namespace, busybox, get, pod};

/// Says something, and serves files.
const SERVER: &str = "echo serving; mkdir -p /tmp/www; echo a page >/tmp/www/page; exec httpd -f -p 8080 -h /tmp/www";

#[tokio::test]
async fn logs_exec_cp_and_port_forward_reach_the_application_of_an_injected_pod() {
    let Some(shop) = Namespace::injected("kubectl").await else {
        return;
    };
    shop.create(&[pod("web", &[busybox("web", SERVER)])]).await;
    shop.wait_ready(&["web"]).await;

    // None of these needs to say which container: the application's is the default.
    assert_eq!(shop.kubectl(&["logs", "web"]).await, "serving\n");
    assert_eq!(
        shop.exec("web", &["cat", "/tmp/www/page"]).await,
        "a page\n"
    );

    let folder = std::env::temp_dir().join(shop.name());
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("file");
    std::fs::write(&file, "from outside").unwrap();
    let file = file.to_str().unwrap();
    shop.kubectl(&["cp", file, "web:/tmp/www/file"]).await;
    assert_eq!(
        shop.exec("web", &["cat", "/tmp/www/file"]).await,
        "from outside"
    );
    let back = format!("{file}-back");
    shop.kubectl(&["cp", "web:/tmp/www/page", &back]).await;
    assert_eq!(std::fs::read_to_string(back).unwrap(), "a page\n");
    std::fs::remove_dir_all(&folder).unwrap();

    let mut forward = shop.command(&["port-forward", "pod/web", ":8080"]);
    let mut forward = forward.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let address = line
        .strip_prefix("Forwarding from ")
        .and_then(|line| line.split(' ').next())
        .unwrap();
    let answer = get(address, "/page").await.unwrap();
    assert!(answer.ends_with("a page\n"), "{answer}");
}
