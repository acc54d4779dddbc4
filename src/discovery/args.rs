//! The flags of `pillion discovery`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use pillion_telemetry::Format;
use tokio::sync::watch;

use super::{ca::Lifetimes, convert::trust_domain::checked};
use crate::{
    certificates::{Plan, own, plugged},
    flags::{self, check_lifetimes, duration, seconds, serving_name, written},
    model::LoadBalancer,
};

const EXAMPLES: &str = "\
Examples:
  # In a cluster (the chart does this):
  pillion discovery --namespace istio-system

The mesh configuration is read from the ConfigMap istio (key mesh) in the namespace, with -REVISION appended to its
name unless it is the default one. RUST_LOG sets the log filter (default: info).";

/// Flags of `pillion discovery`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The namespace that Pillion is installed in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
    /// The revision of this discovery service; empty for the default one.
    #[arg(long, env = "REVISION", default_value = "")]
    revision: String,
    /// The address to listen on for proxies (ADS over TLS); `[::]` means all IPv6 and IPv4 addresses.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15012")]
    pub ads_address: SocketAddr,
    /// Also serve ADS without TLS and without authentication at this port of 127.0.0.1, for tests with a stock Envoy.
    /// A client is the pod that its node id names.
    #[arg(long, value_name = "PORT")]
    plaintext_port: Option<u16>,
    /// The address to listen on for reviews of rules (HTTPS).
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15017")]
    pub webhook_address: SocketAddr,
    /// The address to listen on for /livez, /readyz and /metrics (HTTP).
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:15014")]
    pub status_address: SocketAddr,
    /// The address to listen on for `pillion proxy-status`, which reaches it through the API server's port forwarding. It
    /// must be a loopback address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15016", value_parser = loopback)]
    pub debug_address: SocketAddr,
    /// The Service that proxies connect to [default: pillion-discovery[-REVISION]].
    #[arg(long, value_name = "NAME")]
    service_name: Option<String>,
    /// The DNS domain of the cluster.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// The trust domain that workloads get their identities in [default: trustDomain of the mesh configuration, else
    /// cluster.local].
    #[arg(long, value_name = "DOMAIN", value_parser = checked)]
    pub trust_domain: Option<Arc<str>>,
    /// An additional DNS name or IP address for the serving certificate. May be given more than once.
    #[arg(long = "serving-dns-name", value_name = "NAME", value_parser = serving_name)]
    serving_dns_names: Vec<String>,
    /// The Secret with the mesh's CA and the serving certificate [default: pillion-discovery-certs[-REVISION]].
    #[arg(long, value_name = "NAME")]
    certificate_secret: Option<String>,
    /// The Secret with a CA that is plugged in, with the names of files that Istio or cert-manager give them. If it exists,
    /// its CA signs in place of the mesh's own one.
    #[arg(long, value_name = "NAME", default_value = "cacerts")]
    plugged_ca_secret: String,
    /// The lifetime of the mesh's CA. It is replaced after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "3650d", value_parser = duration)]
    ca_lifetime: Duration,
    /// The lifetime of the serving certificate. It is renewed after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration)]
    certificate_lifetime: Duration,
    /// How long both the old and the new CA are trusted, before and after the serving certificate changes. Kubelets need
    /// minutes to update a mounted ConfigMap.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub ca_overlap: Duration,
    /// The lifetime of a workload's certificate, if its proxy asks for none.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    workload_certificate_lifetime: Duration,
    /// The longest lifetime of a workload's certificate. Who asks for more gets this. A CA that was replaced stays trusted
    /// for so long, and for --ca-overlap.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    max_workload_certificate_lifetime: Duration,
    /// Whether to write the statuses of rules. Where several revisions run, one of them should.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub statuses: bool,
    /// How requests are balanced where no DestinationRule says.
    #[arg(long, value_enum, default_value_t)]
    default_load_balancer: Balancer,
    /// Whether workloads speak mutual TLS, as PeerAuthentications and DestinationRules say. Without it, all connections are
    /// in plain text.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub mutual_tls: bool,
    /// How long to continue serving after SIGTERM, so that proxies connect to another replica.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub drain_delay: Duration,
    /// The format of log lines.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: Format,
}

/// The load balancers that a flag can name.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Balancer {
    /// The endpoint with the fewest active requests of two that are drawn.
    #[default]
    LeastRequest,
    /// Endpoints in turn.
    RoundRobin,
    /// Any endpoint.
    Random,
}

/// Parses an address that only this machine reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = text
        .parse::<SocketAddr>()
        .map_err(|error| error.to_string())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("must be a loopback address: it serves information about all proxies without authentication".to_owned())
    }
}

impl Args {
    /// Returns the revision's name.
    pub(super) fn revision(&self) -> &str {
        flags::revision(&self.revision)
    }

    /// Appends the revision to a name, unless it is the default one.
    pub(super) fn revisioned(&self, name: &str) -> String {
        flags::revisioned(name, self.revision())
    }

    /// Returns the address of the port without TLS, if there is one.
    pub(super) fn plaintext_address(&self) -> Option<SocketAddr> {
        self.plaintext_port
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Returns how requests are balanced where no DestinationRule says.
    pub(super) fn load_balancer(&self) -> LoadBalancer {
        match self.default_load_balancer {
            Balancer::LeastRequest => LoadBalancer::LeastRequest,
            Balancer::RoundRobin => LoadBalancer::RoundRobin,
            Balancer::Random => LoadBalancer::Random,
        }
    }

    /// Returns the names for the serving certificate.
    fn serving_names(&self) -> Vec<String> {
        let service = self
            .service_name
            .clone()
            .unwrap_or_else(|| self.revisioned("pillion-discovery"));
        let more = &self.serving_dns_names;
        flags::serving_names(&service, &self.namespace, &self.cluster_domain, more)
    }

    /// Returns where the certificates are stored, and when they are renewed.
    pub(super) fn own_certificates(&self) -> own::Settings {
        let secret = self.certificate_secret.clone();
        own::Settings {
            namespace: self.namespace.clone(),
            secret: secret.unwrap_or_else(|| self.revisioned("pillion-discovery-certs")),
            plan: Plan {
                authority_name: "pillion mesh CA",
                names: self.serving_names(),
                authority_lifetime: seconds(self.ca_lifetime),
                certificate_lifetime: seconds(self.certificate_lifetime),
                overlap: seconds(self.ca_overlap),
                retention: seconds(self.max_workload_certificate_lifetime + self.ca_overlap),
            },
        }
    }

    /// Returns where a CA may be plugged in, which is to sign for workloads of this trust domain.
    pub(super) fn plugged_ca(
        &self,
        trust_domain: watch::Receiver<Option<Arc<str>>>,
    ) -> plugged::Settings {
        plugged::Settings {
            namespace: self.namespace.clone(),
            secret: self.plugged_ca_secret.clone(),
            names: self.serving_names(),
            trust_domain,
        }
    }

    /// Returns how long the certificates of workloads are valid.
    ///
    /// # Errors
    ///
    /// Returns an error if a lifetime is shorter than that of the shortest certificate, or the default is longer than
    /// the longest.
    pub(super) fn workload_lifetimes(&self) -> anyhow::Result<Lifetimes> {
        let default = seconds(self.workload_certificate_lifetime);
        let longest = seconds(self.max_workload_certificate_lifetime);
        let lifetimes = Lifetimes::new(default, longest).with_context(|| {
            format!(
                "--workload-certificate-lifetime {} must be at least a minute, and at most \
                 --max-workload-certificate-lifetime {}",
                written(self.workload_certificate_lifetime),
                written(self.max_workload_certificate_lifetime)
            )
        })?;
        Ok(lifetimes)
    }

    /// Checks that a CA is valid for long enough to be replaced by the next one.
    ///
    /// # Errors
    ///
    /// Returns an error if the CA's lifetime is too short, or a duration is 0.
    pub(super) fn check_lifetimes(&self) -> anyhow::Result<()> {
        let (ca, overlap) = (self.ca_lifetime, self.ca_overlap);
        let longest = self.max_workload_certificate_lifetime;
        check_lifetimes(ca, self.certificate_lifetime, overlap)?;
        let least = (longest + overlap * 2) * 2;
        anyhow::ensure!(
            least <= ca,
            "--ca-lifetime {} is too short: a CA stays trusted after it is replaced, until the last certificate that it signed \
             has expired, and before that the next one must not be replaced. It must be at least {}, which is twice \
             --max-workload-certificate-lifetime {} with two of --ca-overlap {}",
            written(ca),
            written(least),
            written(longest),
            written(overlap)
        );
        Ok(())
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

    #[test]
    fn a_ca_outlives_what_the_one_before_has_signed() {
        let check = |flags: &str| {
            let flags = ["discovery"].into_iter().chain(flags.split_whitespace());
            Command::parse_from(flags).args.check_lifetimes()
        };
        assert!(check("").is_ok());
        // Twice 24 h and two overlaps of 10 min.
        assert!(check("--ca-lifetime 2920m").is_ok());
        let error = check("--ca-lifetime 2919m").unwrap_err().to_string();
        assert!(error.contains("twice --max-workload"), "{error}");
        assert!(error.contains("at least 2920m,"), "{error}");
        assert!(check("--ca-overlap 0s").is_err());
        // The chart says this first, in its own words (pillion.validateLifetimes).
        assert!(check("--max-workload-certificate-lifetime 1824d").is_ok());
        assert!(check("--max-workload-certificate-lifetime 1825d").is_err());
        assert!(check("--ca-overlap 456d").is_ok());
        assert!(check("--ca-overlap 609d").is_err());
    }

    #[test]
    fn the_default_lifetime_is_at_most_the_longest() {
        let flags = ["discovery", "--workload-certificate-lifetime", "90d"];
        let error = Command::parse_from(flags).args.workload_lifetimes();
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("--workload-certificate-lifetime 90d "),
            "{error}"
        );
        assert!(
            error.ends_with("--max-workload-certificate-lifetime 1d"),
            "{error}"
        );
    }

    #[test]
    fn the_debug_port_is_on_loopback() {
        assert!(loopback("127.0.0.1:15016").is_ok());
        assert!(loopback("[::1]:15016").is_ok());
        for open in ["0.0.0.0:15016", "[::]:15016", "10.0.0.1:15016", "15016"] {
            assert!(loopback(open).is_err(), "{open}");
        }
    }
}
