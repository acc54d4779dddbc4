//! The flags of `pillion injector`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::builder::NonEmptyStringValueParser;
use rustls::pki_types::DnsName;

use pillion_telemetry::Format;

const EXAMPLES: &str = "\
Examples:
  # In a cluster (the chart does this):
  pillion injector --namespace istio-system

  # Look at a configuration before it is applied:
  pillion injector --check my-configmap.yaml

The configuration is read from the ConfigMaps istio-sidecar-injector (keys config, values) and istio (key mesh)
of the namespace, with the revision behind their names unless it is the default one. RUST_LOG sets what is
logged (default: info).";

/// Flags of `pillion injector`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Check the ConfigMaps in a manifest and exit; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub check: Option<String>,
    /// The namespace that Pillion is installed in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
    /// The revision of this injector; empty for the default one.
    #[arg(long, env = "REVISION", default_value = "")]
    revision: String,
    /// Where reviews come in (HTTPS); [::] is every address, of IPv4, too.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15017")]
    pub webhook_address: SocketAddr,
    /// Where /livez, /readyz and /metrics are (HTTP).
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15014")]
    pub status_address: SocketAddr,
    /// The Service that API servers call [default: pillion-injector, and the revision].
    #[arg(long, value_name = "NAME")]
    service_name: Option<String>,
    /// The domain of the cluster's DNS.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// A further DNS name or address for the serving certificate. May be given more than once.
    #[arg(long = "serving-dns-name", value_name = "NAME", value_parser = serving_name)]
    pub serving_dns_names: Vec<String>,
    /// The Secret that holds the injector's own CA and certificate [default: pillion-injector-certs, and the revision].
    #[arg(long, value_name = "NAME")]
    certificate_secret: Option<String>,
    /// Serve the certificate of a mounted Secret (tls.crt, tls.key, ca.crt) instead of an own one.
    #[arg(long, value_name = "DIR")]
    pub tls_cert_dir: Option<PathBuf>,
    /// Take reviews only from clients with a certificate of a CA in this file (PEM). It is read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// The common name, DNS name or URI that a client certificate has to have; without it, any of the CA will do. May be given more than once.
    #[arg(long = "client-name", value_name = "NAME", requires = "client_ca_file", value_parser = NonEmptyStringValueParser::new())]
    pub client_names: Vec<String>,
    /// How long an own CA is valid. It is replaced two thirds into that.
    #[arg(long, value_name = "DURATION", default_value = "3650d", value_parser = duration)]
    pub ca_lifetime: Duration,
    /// How long an own serving certificate is valid. It is renewed two thirds into that.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration)]
    pub certificate_lifetime: Duration,
    /// How long both CAs are trusted, before and after the certificates change from one to the other.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub ca_overlap: Duration,
    /// How long to serve on after SIGTERM, until no API server sends reviews here any more.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub drain_delay: Duration,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: Format,
}

impl Args {
    /// The revision's name.
    pub fn revision(&self) -> &str {
        if self.revision.is_empty() {
            "default"
        } else {
            &self.revision
        }
    }

    /// A name with the revision behind it, unless it is the default one.
    pub fn revisioned(&self, name: &str) -> String {
        match self.revision() {
            "default" => name.to_owned(),
            revision => format!("{name}-{revision}"),
        }
    }

    /// The Secret of the own certificates.
    pub fn certificate_secret(&self) -> String {
        self.certificate_secret
            .clone()
            .unwrap_or_else(|| self.revisioned("pillion-injector-certs"))
    }

    /// What the serving certificate has to be for. Kubernetes calls `NAME.NAMESPACE.svc`.
    pub fn serving_names(&self) -> Vec<String> {
        let service = self
            .service_name
            .clone()
            .unwrap_or_else(|| self.revisioned("pillion-injector"));
        let namespace = &self.namespace;
        let mut names = vec![
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{}", self.cluster_domain),
            format!("{service}.{namespace}"),
            service,
        ];
        names.extend(self.serving_dns_names.iter().cloned());
        names
    }

    /// Checks that a CA lives long enough to hand over to the next one.
    ///
    /// # Errors
    ///
    /// When its lifetime is too short.
    pub fn check_lifetimes(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.ca_overlap * 6 <= self.ca_lifetime,
            "--ca-lifetime {:?} is too short: a CA is replaced two thirds into it, and the two changes after that each \
             take --ca-overlap {:?}; make it six times as long at least",
            self.ca_lifetime,
            self.ca_overlap
        );
        anyhow::ensure!(
            !self.certificate_lifetime.is_zero() && !self.ca_overlap.is_zero(),
            "--certificate-lifetime and --ca-overlap can't be 0"
        );
        Ok(())
    }
}

/// A hundred years: the end of a certificate is a date that everybody can read.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// A duration such as `90d`, `12h`, `30m`, `10s` or `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write for example 90d, 12h, 30m, 10s or 500ms"))?;
    if duration > LONGEST {
        return Err("longer than a hundred years".to_owned());
    }
    Ok(duration)
}

/// A name that a certificate can be for; an address as certificates give it back
/// (`::1` for `0:0::1`).
fn serving_name(name: &str) -> Result<String, String> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match DnsName::try_from(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err("it is neither a DNS name nor an address".to_owned()),
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
    fn accepts_a_number_with_a_unit() {
        for (text, millis) in [
            ("90d", 90 * 86_400_000),
            ("12h", 43_200_000),
            ("30m", 1_800_000),
            ("10s", 10_000),
            ("500ms", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_duration() {
        for text in ["", "1", "d", "-1s", "36526d", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
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
