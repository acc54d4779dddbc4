//! The flags of `pillion injector`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::builder::NonEmptyStringValueParser;
use pillion_telemetry::Format;

use crate::{
    certificates::{Plan, own},
    flags::{self, check_lifetimes, duration, seconds, serving_name},
};

const EXAMPLES: &str = "\
Examples:
  # In a cluster (the chart does this):
  pillion injector --namespace istio-system

  # Validate a configuration before applying it:
  pillion injector --check my-configmap.yaml

The configuration is read from the ConfigMaps istio-sidecar-injector (keys config, values) and istio (key mesh)
in the namespace, with -REVISION appended to their names unless it is the default one. RUST_LOG sets the log
filter (default: info).";

/// Flags of `pillion injector`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Check the ConfigMaps in a manifest and exit; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub check: Option<String>,
    /// The namespace that Pillion is installed in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
    /// The revision of this injector; empty for the default one.
    #[arg(long, env = "REVISION", default_value = "")]
    revision: String,
    /// The address to listen on for reviews (HTTPS); `[::]` means all IPv6 and IPv4 addresses.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15017")]
    pub webhook_address: SocketAddr,
    /// The address to listen on for /livez, /readyz and /metrics (HTTP).
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15014")]
    pub status_address: SocketAddr,
    /// The Service that API servers call [default: pillion-injector[-REVISION]].
    #[arg(long, value_name = "NAME")]
    service_name: Option<String>,
    /// The DNS domain of the cluster.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// An additional DNS name or IP address for the serving certificate. May be given more than once.
    #[arg(long = "serving-dns-name", value_name = "NAME", value_parser = serving_name)]
    pub serving_dns_names: Vec<String>,
    /// The Secret with the injector's own CA and certificate [default: pillion-injector-certs[-REVISION]].
    #[arg(long, value_name = "NAME")]
    certificate_secret: Option<String>,
    /// Serve the certificate of a Secret mounted in this directory (tls.crt, tls.key, ca.crt), instead of making one.
    #[arg(long, value_name = "DIR")]
    pub tls_cert_dir: Option<PathBuf>,
    /// Accept reviews only from clients with a certificate of a CA in this file (PEM). It is reloaded when it changes.
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// The required common name, DNS name or URI of client certificates [default: any]. May be given more than once.
    #[arg(long = "client-name", value_name = "NAME", requires = "client_ca_file", value_parser = NonEmptyStringValueParser::new())]
    pub client_names: Vec<String>,
    /// The lifetime of the injector's own CA. It is replaced after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "3650d", value_parser = duration)]
    pub ca_lifetime: Duration,
    /// The lifetime of the injector's own serving certificate. It is renewed after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration)]
    pub certificate_lifetime: Duration,
    /// How long both the old and the new CA are trusted, before and after the serving certificate changes.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub ca_overlap: Duration,
    /// How long to continue serving after SIGTERM, so that API servers stop sending reviews to this replica.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub drain_delay: Duration,
    /// The format of log lines.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: Format,
}

impl Args {
    /// Returns the revision's name.
    pub fn revision(&self) -> &str {
        flags::revision(&self.revision)
    }

    /// Appends the revision to a name, unless it is the default one.
    pub fn revisioned(&self, name: &str) -> String {
        flags::revisioned(name, self.revision())
    }

    /// Returns the name of the Secret with the injector's own certificates.
    pub fn certificate_secret(&self) -> String {
        self.certificate_secret
            .clone()
            .unwrap_or_else(|| self.revisioned("pillion-injector-certs"))
    }

    /// Returns the names for the serving certificate. Kubernetes calls `NAME.NAMESPACE.svc`.
    pub fn serving_names(&self) -> Vec<String> {
        let service = self
            .service_name
            .clone()
            .unwrap_or_else(|| self.revisioned("pillion-injector"));
        let more = &self.serving_dns_names;
        flags::serving_names(&service, &self.namespace, &self.cluster_domain, more)
    }

    /// Returns where the injector's own certificates are stored, and when they are renewed.
    pub(super) fn own_certificates(&self) -> own::Settings {
        own::Settings {
            namespace: self.namespace.clone(),
            secret: self.certificate_secret(),
            plan: Plan {
                authority_name: "pillion-injector CA",
                names: self.serving_names(),
                authority_lifetime: seconds(self.ca_lifetime),
                certificate_lifetime: seconds(self.certificate_lifetime),
                overlap: seconds(self.ca_overlap),
                // Nobody else has a certificate of it.
                retention: seconds(self.ca_overlap),
            },
        }
    }

    /// Checks that a CA is valid for long enough to be replaced by the next one.
    ///
    /// # Errors
    ///
    /// Returns an error if the CA's lifetime is too short, or a duration is 0.
    pub fn check_lifetimes(&self) -> anyhow::Result<()> {
        check_lifetimes(self.ca_lifetime, self.certificate_lifetime, self.ca_overlap)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(arguments: &[&str]) -> Args {
        Command::parse_from([&["injector"], arguments].concat()).args
    }

    #[test]
    fn serving_addresses_are_canonical() {
        let names = args(&["--serving-dns-name", "0:0:0::1"]).serving_names();
        assert!(names.contains(&"::1".to_owned()), "{names:?}");
    }

    #[test]
    fn rejects_a_name_that_no_certificate_can_be_for() {
        for name in ["bücher.example", "a b", ""] {
            let parsed = Command::try_parse_from(["injector", "--serving-dns-name", name]);
            assert!(parsed.is_err(), "{name}");
        }
    }

    #[test]
    fn rejects_names_of_clients_without_their_ca() {
        let named = ["injector", "--client-name", "api"];
        assert!(Command::try_parse_from(named).is_err());
        let both = [&named[..], &["--client-ca-file", "ca.crt"]].concat();
        assert!(Command::try_parse_from(&both).is_ok());
        let empty = ["injector", "--client-ca-file", "f", "--client-name", ""];
        assert!(Command::try_parse_from(empty).is_err());
    }

    #[test]
    fn rejects_a_ca_that_ends_while_it_hands_over() {
        assert!(args(&[]).check_lifetimes().is_ok());
        assert!(args(&["--ca-lifetime", "12m"]).check_lifetimes().is_ok());
        assert!(args(&["--ca-lifetime", "11m"]).check_lifetimes().is_err());
        let no_overlap = ["--ca-overlap", "0s"];
        assert!(args(&no_overlap).check_lifetimes().is_err());
    }
}
