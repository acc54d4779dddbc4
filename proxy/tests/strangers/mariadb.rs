//! MariaDB: its server speaks first.

use crate::{
    pair::Pair,
    pod::{Pod, Server},
};

/// Starts a server that lets everybody in, on Istio's port of it and on another.
fn start(pod: &Pod) -> Server<'_> {
    let script = "mariadbd --no-defaults --user=root --datadir=$PWD/data --socket=$PWD/socket --pid-file=$PWD/pid --skip-grant-tables \
                  --bind-address=0.0.0.0 --port=3306 --extra-port=3307 --max-allowed-packet=64M --innodb-fast-shutdown=2 \
                  --innodb-log-file-size=4M --innodb-buffer-pool-size=8M --tmpdir=$PWD";
    pod.sh("mkdir -p data");
    pod.serve("mariadbd", script, &[3306, 3307])
}

/// Megabytes come back whole; a failed statement fails.
fn ask(pods: &Pair, port: u16) {
    let client = format!(
        "mariadb --no-defaults --protocol tcp -h 10.9.0.2 -P {port} --max-allowed-packet=64M -N -B"
    );
    let asked = "\"SELECT MD5(REPEAT('abc', 2000000)); SELECT REPEAT('abc', 2000000);\"";
    let said = pods.client.sh(&format!("{client} -e {asked}"));
    let (sum, text) = said.split_once('\n').unwrap();
    assert_eq!(sum, "6724f6ba73451e08a1d401bd959ec879");
    assert!(text.trim_end() == "abc".repeat(2_000_000));
    let failed = pods.client.sh(&format!("! {client} -e 'SELECT wrong'"));
    assert!(failed.contains("ERROR 1054 (42S22)"), "{failed}");
    pods.carried_tcp(2);
}

#[test]
fn nobody_waits_for_the_client_on_port_3306() {
    // Who waited would wait for ever.
    let forever = [("PILLION_PROTOCOL_DETECTION_TIMEOUT", "0s")];
    let pods = pods!(&forever, &forever);
    let _mariadb = start(&pods.server);
    ask(&pods, 3306);
}

#[test]
fn a_greeting_comes_once_the_client_is_taken_for_a_silent_one() {
    let short = [("PILLION_PROTOCOL_DETECTION_TIMEOUT", "100ms")];
    let pods = pods!(&short, &short);
    let _mariadb = start(&pods.server);
    ask(&pods, 3307);
}
