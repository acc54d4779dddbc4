//! Variables that Kubernetes makes of Services.
//!
//! Beside a Service `inbound-tunnel`, every container of the namespace has a variable
//! `INBOUND_TUNNEL_PORT=tcp://10.96.0.1:80`, unless its pod switches `enableServiceLinks`
//! off. `init` has an option whose variable has this very name.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    net::SocketAddr,
};

use clap::{Arg, Command, builder::Resettable};

/// A Service's variable, which has the name of an option's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    /// The subcommand that has the option.
    pub command: String,
    variable: String,
    value: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variable, value, ..
        } = self;
        write!(
            f,
            "the variable {variable} is ignored: {value} is the address of a Service of that name (see the pod's enableServiceLinks)"
        )
    }
}

/// Has the options of all subcommands ignore their variables where a Service set them.
/// `variable` gives the value of a variable.
pub(crate) fn ignore(
    command: Command,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> (Command, Vec<Ignored>) {
    let mut ignored = Vec::new();
    let command = command.mut_subcommands(|subcommand| {
        let name = subcommand.get_name().to_owned();
        subcommand.mut_args(|arg| match link(&arg, variable) {
            None => arg,
            Some((variable, value)) => {
                ignored.push(Ignored {
                    command: name.clone(),
                    variable,
                    value,
                });
                arg.env(Resettable::Reset)
            }
        })
    });
    (command, ignored)
}

/// The option's variable and its value, if a Service set it.
fn link(arg: &Arg, variable: &dyn Fn(&OsStr) -> Option<OsString>) -> Option<(String, String)> {
    let name = arg.get_env()?;
    let value = variable(name)?.into_string().ok()?;
    is_link(&value).then(|| (name.to_string_lossy().into_owned(), value))
}

/// Whether it looks like `tcp://10.96.0.1:80`.
fn is_link(value: &str) -> bool {
    let Some((protocol, address)) = value.split_once("://") else {
        return false;
    };
    matches!(protocol, "tcp" | "udp" | "sctp") && address.parse::<SocketAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let port = Arg::new("port").long("port").env("TUNNEL_PORT");
        let other = Arg::new("other").long("other").env("OTHER_PORT");
        Command::new("proxy").subcommand(Command::new("init").args([port, other]))
    }

    fn variables(command: &Command) -> Vec<&str> {
        let init = command.find_subcommand("init").unwrap();
        let named = init.get_arguments().filter_map(Arg::get_env);
        named.map(|name| name.to_str().unwrap()).collect()
    }

    #[test]
    fn ignores_the_address_of_a_service() {
        let variable =
            |name: &OsStr| (name == "TUNNEL_PORT").then(|| "tcp://10.96.0.1:80".to_owned().into());
        let (command, ignored) = ignore(command(), &variable);
        assert_eq!(variables(&command), ["OTHER_PORT"]);
        assert_eq!(ignored.len(), 1);
        assert_eq!(ignored[0].command, "init");
        let text = ignored[0].to_string();
        assert!(
            text.starts_with("the variable TUNNEL_PORT is ignored: tcp://10.96.0.1:80 is"),
            "{text}"
        );
    }

    #[test]
    fn leaves_every_other_value_to_the_option() {
        for value in [
            "15008",
            "",
            "tcp://",
            "tcp://10.96.0.1",
            "http://10.96.0.1:80",
            "x",
        ] {
            let (command, ignored) = ignore(command(), &|_| Some(value.into()));
            assert_eq!(variables(&command), ["TUNNEL_PORT", "OTHER_PORT"]);
            assert_eq!(ignored, [], "{value}");
        }
    }

    #[test]
    fn knows_services_of_every_protocol_and_family() {
        for link in [
            "tcp://10.96.0.1:80",
            "udp://[fd00::a]:53",
            "sctp://10.96.0.1:1",
        ] {
            assert!(is_link(link), "{link}");
        }
    }
}
