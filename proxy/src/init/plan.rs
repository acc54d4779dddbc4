//! What the flags, the variables and the image's accounts come to.

use std::{env, ffi::OsString, fs, time::Duration};

use thiserror::Error;

use super::{
    args::{Args, ForcedBinary},
    capture::{Capture, OwnerGroups},
    values::{Cidr, Id, Invalid, Mode, Port, boolean},
};

/// The user and group of the proxy when nothing else is said.
const DEFAULT_PROXY: Id = Id(1337);
/// As many groups as Istio takes.
const MAX_GROUPS: usize = 64;

/// Settings that Pillion doesn't follow, or that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// A way of working that is not built.
    #[error("{flag} is not supported{yet}: {instead}")]
    Unsupported {
        /// The flag, and its variable.
        flag: &'static str,
        /// Whether it will be.
        yet: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A variable without a flag has a value that doesn't fit.
    #[error("the variable {name}: {invalid}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        invalid: Invalid,
    },
    /// A variable is not text.
    #[error("the variable {0} is not UTF-8")]
    NotText(&'static str),
    /// A group that the image doesn't have.
    #[error("the variable {name}: {group:?} is neither a numeric ID nor a group of /etc/group")]
    Group {
        /// The variable's name.
        name: &'static str,
        /// What it says.
        group: String,
    },
    /// Both lists of groups are set.
    #[error(
        "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE counts only when ISTIO_OUTBOUND_OWNER_GROUPS is `*`: set one of them"
    )]
    BothGroups,
    /// More groups than fit.
    #[error("the variable {0} names over {MAX_GROUPS} groups")]
    TooManyGroups(&'static str),
    /// Loopback is not a range of IPv4, or all of it.
    #[error(
        "the variable ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: {0} is not a range of IPv4 loopback, such as 127.0.0.1/32"
    )]
    Loopback(Cidr),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is captured.
    pub capture: Capture,
    /// Capture IPv6 beside IPv4.
    pub dual_stack: bool,
    /// Only print.
    pub dry_run: bool,
    /// Change no rules.
    pub skip_rule_apply: bool,
    /// Prove that capture works.
    pub run_validation: bool,
    /// The port that the proof connects to.
    pub probe_port: Port,
    /// How long the proof may take.
    pub probe_timeout: Duration,
    /// Replace rules that differ.
    pub reconcile: bool,
    /// Remove the rules.
    pub cleanup_only: bool,
    /// Replace also rules that don't differ.
    pub force_apply: bool,
    /// Which programs to use.
    pub binary: Option<ForcedBinary>,
}

/// Where variables and accounts come from.
pub struct Surroundings<'a> {
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&'static str) -> Option<OsString>,
    /// The text of `/etc/passwd`.
    pub passwd: String,
    /// The text of `/etc/group`.
    pub group: String,
}

impl Surroundings<'_> {
    /// Those of this process. An image without accounts has none.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variable: &|name| env::var_os(name),
            passwd: fs::read_to_string("/etc/passwd").unwrap_or_default(),
            group: fs::read_to_string("/etc/group").unwrap_or_default(),
        }
    }

    /// An empty variable counts as one that is not set.
    fn text(&self, name: &'static str) -> Result<Option<String>, Refused> {
        match (self.variable)(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(Err(_)) => Err(Refused::NotText(name)),
        }
    }

    fn boolean(&self, name: &'static str) -> Result<bool, Refused> {
        let Some(text) = self.text(name)? else {
            return Ok(false);
        };
        boolean(&text).map_err(|invalid| Refused::Variable { name, invalid })
    }

    fn groups(&self, name: &'static str, text: &str) -> Result<Vec<Id>, Refused> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let groups: Vec<Id> = words
            .map(|word| {
                let number = word.parse().ok().or_else(|| account(&self.group, word));
                number.ok_or_else(|| Refused::Group {
                    name,
                    group: word.to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        if groups.len() > MAX_GROUPS {
            return Err(Refused::TooManyGroups(name));
        }
        Ok(groups)
    }

    fn owner_groups(&self) -> Result<OwnerGroups, Refused> {
        const ONLY: &str = "ISTIO_OUTBOUND_OWNER_GROUPS";
        const ALL_BUT: &str = "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE";
        let only = self.text(ONLY)?.filter(|text| text.trim() != "*");
        let excluded = self.text(ALL_BUT)?;
        match (only, excluded) {
            (Some(_), Some(_)) => Err(Refused::BothGroups),
            (Some(only), None) => Ok(OwnerGroups::Only(self.groups(ONLY, &only)?)),
            (None, excluded) => {
                let excluded = excluded.unwrap_or_default();
                Ok(OwnerGroups::AllBut(self.groups(ALL_BUT, &excluded)?))
            }
        }
    }

    fn loopback(&self) -> Result<Cidr, Refused> {
        const NAME: &str = "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR";
        let text = self
            .text(NAME)?
            .unwrap_or_else(|| "127.0.0.1/32".to_owned());
        let invalid = |invalid| Refused::Variable {
            name: NAME,
            invalid,
        };
        let range: Cidr = text.parse().map_err(invalid)?;
        if range.is_ipv6() || !range.is_loopback() {
            return Err(Refused::Loopback(range));
        }
        Ok(range)
    }

    fn proxy_user(&self) -> Result<Id, Refused> {
        let name = self.text("ENVOY_USER")?;
        let name = name.as_deref().unwrap_or("istio-proxy");
        Ok(account(&self.passwd, name).unwrap_or(DEFAULT_PROXY))
    }
}

/// The number of an account: `/etc/passwd` and `/etc/group` both have it third.
fn account(accounts: &str, name: &str) -> Option<Id> {
    let mut lines = accounts.lines().map(|line| line.split(':'));
    let mut fields = lines.find(|fields| fields.clone().next() == Some(name))?;
    fields.nth(2)?.parse().ok()
}

impl Plan {
    /// What these flags come to here.
    ///
    /// # Errors
    ///
    /// When they ask for what Pillion doesn't do.
    pub fn new(args: &Args, here: &Surroundings<'_>) -> Result<Self, Refused> {
        refuse_unsupported(args, here)?;
        let mut proxy_uids = args.proxy_uid.0.clone();
        if proxy_uids.is_empty() {
            proxy_uids.push(here.proxy_user()?);
        }
        let mut proxy_gids = args.proxy_gid.0.clone();
        if proxy_gids.is_empty() {
            proxy_gids.clone_from(&proxy_uids);
        }
        let either = |flag: Option<bool>, name| match flag {
            Some(set) => Ok(set),
            None => here.boolean(name),
        };
        let capture = Capture {
            proxy_port: args.envoy_port,
            inbound_capture_port: args.inbound_capture_port,
            inbound_tunnel_port: args.inbound_tunnel_port,
            proxy_uids,
            proxy_gids,
            inbound_ports: args.istio_inbound_ports.clone(),
            inbound_excluded_ports: args.istio_local_exclude_ports.0.clone(),
            outbound_ranges: args.istio_service_cidr.clone(),
            outbound_excluded_ranges: args.istio_service_exclude_cidr.0.clone(),
            outbound_ports: args.istio_outbound_ports.0.clone(),
            outbound_excluded_ports: args.istio_local_outbound_ports_exclude.0.clone(),
            excluded_interfaces: args.istio_exclude_interfaces.0.clone(),
            rerouted_interfaces: args.kube_virt_interfaces.0.clone(),
            owner_groups: here.owner_groups()?,
            loopback_range: here.loopback()?,
            drop_invalid: either(args.drop_invalid, "INVALID_DROP")?,
        };
        Ok(Self {
            capture,
            dual_stack: either(args.dual_stack, "ISTIO_DUAL_STACK")?,
            dry_run: args.dry_run,
            skip_rule_apply: args.skip_rule_apply,
            run_validation: args.run_validation,
            probe_port: args.iptables_probe_port,
            probe_timeout: args.probe_timeout,
            reconcile: args.reconcile,
            cleanup_only: args.cleanup_only,
            force_apply: args.force_apply,
            binary: args.force_iptables_binary,
        })
    }
}

fn refuse_unsupported(args: &Args, here: &Surroundings<'_>) -> Result<(), Refused> {
    let dns = match args.redirect_dns {
        Some(set) => set,
        None => here.boolean("ISTIO_META_DNS_CAPTURE")?,
    };
    let unsupported = [
        (
            args.istio_inbound_interception_mode == Mode::Tproxy,
            "--istio-inbound-interception-mode=TPROXY",
            " yet",
            "set the interception mode to REDIRECT",
        ),
        (
            dns,
            "DNS capture (--redirect-dns, ISTIO_META_DNS_CAPTURE)",
            " yet",
            "leave it out of the pod's proxyMetadata",
        ),
        (
            args.capture_all_dns,
            "--capture-all-dns",
            " yet",
            "leave it out",
        ),
        (
            args.native_nftables,
            "--native-nftables",
            "",
            "leave it out, and iptables-nft writes the same rules to nftables",
        ),
        (
            args.cni_mode,
            "--cni-mode",
            "",
            "leave it out: init runs in the pod",
        ),
        (
            !args.network_namespace.is_empty(),
            "--network-namespace",
            "",
            "start init in the network namespace instead, as with `ip netns exec`",
        ),
    ];
    match unsupported.into_iter().find(|(asked, ..)| *asked) {
        None => Ok(()),
        Some((_, flag, yet, instead)) => Err(Refused::Unsupported { flag, yet, instead }),
    }
}
