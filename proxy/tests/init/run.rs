//! `pillion-proxy init` in a namespace.

use std::path::Path;

use crate::{
    namespace::{BINARY, Namespace, Run},
    program::copy,
};

const UNPRIVILEGED: &str = "setpriv --reuid 1337 --regid 1337 --clear-groups --inh-caps +net_admin,+net_raw \
                            --ambient-caps +net_admin,+net_raw --bounding-set -all,+net_admin,+net_raw --no-new-privs --";

impl Namespace {
    pub fn init(&self, flags: &[&str]) -> Run {
        self.init_with(flags, &[])
    }

    pub fn init_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Run {
        self.init_as("", flags, variables)
    }

    /// As the proxy's user, with file capabilities alone: those of the user's permitted
    /// set, as a container runtime leaves them, may come back from the binary also where
    /// no privileges may be gained.
    pub fn init_unprivileged(&self, flags: &[&str]) -> Run {
        let binary = self.folder().join("pillion-proxy");
        if !binary.exists() {
            copy(Path::new(BINARY), self.folder());
            self.sh(&format!(
                "setcap cap_net_admin,cap_net_raw+p {}",
                binary.display()
            ));
        }
        self.start(UNPRIVILEGED, &binary, flags, &[])
    }

    pub fn init_as(&self, user: &str, flags: &[&str], variables: &[(&str, &str)]) -> Run {
        self.start(user, Path::new(BINARY), flags, variables)
    }

    fn start(&self, user: &str, binary: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Run {
        let flags: Vec<_> = flags.iter().map(|flag| format!("'{flag}'")).collect();
        let script = format!("exec {user} {} init {}", binary.display(), flags.join(" "));
        self.run(&script, variables)
    }

    /// What a program like `iptables-nft-save` shows, without comments and counters.
    pub fn rules(&self, program: &str) -> String {
        let shown = self.run(program, &[]).text;
        let lines = shown.lines().filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    }
}
