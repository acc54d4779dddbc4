//! BusyBox's `httpd` and `wget`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::pair::{assert_file, bytes};

/// Answers with what it was sent, and does not say how long that is.
const ECHO: &str =
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nexec head -c \"$CONTENT_LENGTH\"\n";

#[test]
fn wget_reads_what_httpd_has() {
    let pods = pods!();
    let files = pods.server.folder().join("files");
    fs::create_dir_all(files.join("cgi-bin")).unwrap();
    fs::write(files.join("numbers"), bytes(2_000_001)).unwrap();
    fs::write(files.join("cgi-bin/echo"), ECHO).unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(files.join("cgi-bin/echo"), executable).unwrap();
    let httpd = "busybox httpd -f -p 8080 -h files";
    let _httpd = pods.server.serve("httpd", httpd, &[8080]);
    let wget = "timeout 30 busybox wget -q";
    let base = "http://10.9.0.2:8080";
    pods.client.sh(&format!("{wget} -O whole {base}/numbers"));
    assert_file(&pods.client, "whole", &bytes(2_000_001));
    // The rest of what is there already.
    fs::write(pods.client.folder().join("rest"), bytes(1_000_000)).unwrap();
    pods.client.sh(&format!("{wget} -c -O rest {base}/numbers"));
    assert_file(&pods.client, "rest", &bytes(2_000_001));
    let sent = "word ".repeat(2000);
    fs::write(pods.client.folder().join("sent"), &sent).unwrap();
    let post = format!("{wget} -O answer --post-file sent {base}/cgi-bin/echo");
    pods.client.sh(&post);
    assert_file(&pods.client, "answer", sent.as_bytes());
    let absent = format!("! {wget} -O /dev/null {base}/absent");
    let said = pods.client.sh(&absent);
    assert!(said.contains("404 Not Found"), "{said}");
    pods.carried(&[("200", 2), ("206", 1), ("404", 1)]);
}
