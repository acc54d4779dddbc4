//! Envoy's command line.

use std::{
    ffi::{OsStr, OsString},
    net::IpAddr,
    path::Path,
    time::Duration,
};

use pillion_telemetry::LevelFilter;

/// What the agent tells Envoy by arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    pub bootstrap: &'a Path,
    pub concurrency: usize,
    pub drain: Duration,
    /// Of the pod's family.
    pub address: IpAddr,
    pub log_level: LevelFilter,
    pub component_log_level: Option<&'a str>,
}

/// Why Envoy is not started.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refused {
    #[error("write Envoy's program behind --, as in `pillion-proxy agent -- envoy`")]
    NoProgram,
    #[error(
        "{0} can't be given to Envoy: the agent writes its bootstrap; what is to be added to it can be given by --config-yaml"
    )]
    Config(String),
}

/// Envoy's program and all of its arguments: those that were written, and the agent's, but for options that were
/// written.
pub(super) fn command_line(
    written: &[OsString],
    settings: &Settings<'_>,
) -> Result<(OsString, Vec<OsString>), Refused> {
    let (program, written) = written.split_first().ok_or(Refused::NoProgram)?;
    for argument in written {
        if let Some(name) = ["-c", "--config-path"]
            .into_iter()
            .find(|name| is_option(argument, name))
        {
            return Err(Refused::Config(name.to_owned()));
        }
    }
    let has = |names: &[&str]| {
        let mut written = written.iter();
        written.any(|argument| names.iter().any(|name| is_option(argument, name)))
    };
    let mut all: Vec<OsString> = vec!["--config-path".into(), settings.bootstrap.into()];
    let version = if settings.address.is_ipv6() {
        "v6"
    } else {
        "v4"
    };
    let drain = settings.drain.as_secs().max(1).to_string();
    let concurrency = settings.concurrency.to_string();
    let options: [(&[&str], Option<&str>); 6] = [
        (&["--concurrency", "--cpuset-threads"], Some(&concurrency)),
        (&["--drain-time-s"], Some(&drain)),
        // Clients leave at their next request, and not some time until the end.
        (&["--drain-strategy"], Some("immediate")),
        (&["--local-address-ip-version"], Some(version)),
        (&["--log-level", "-l"], Some(log_level(settings.log_level))),
        (&["--component-log-level"], settings.component_log_level),
    ];
    for (names, value) in options {
        if let (Some(name), Some(value), false) = (names.first(), value, has(names)) {
            all.extend([OsString::from(name), value.into()]);
        }
    }
    if !has(&["--disable-hot-restart"]) {
        all.push("--disable-hot-restart".into());
    }
    all.extend_from_slice(written);
    Ok((program.clone(), all))
}

/// Whether an argument is an option, with its value or without.
fn is_option(argument: &OsStr, name: &str) -> bool {
    let argument = argument.to_string_lossy();
    let Some(rest) = argument.strip_prefix(name) else {
        return false;
    };
    // The value of a short option may follow at once.
    rest.is_empty() || rest.starts_with('=') || !name.starts_with("--")
}

/// Envoy's name of a level.
fn log_level(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::OFF => "off",
        LevelFilter::ERROR => "error",
        LevelFilter::WARN => "warning",
        LevelFilter::INFO => "info",
        LevelFilter::DEBUG => "debug",
        _ => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings<'static> {
        Settings {
            bootstrap: Path::new("/f/envoy.json"),
            concurrency: 2,
            drain: Duration::from_secs(5),
            address: [10, 0, 0, 5].into(),
            log_level: LevelFilter::WARN,
            component_log_level: None,
        }
    }

    fn line(written: &[&str]) -> Result<String, Refused> {
        let written: Vec<_> = written.iter().map(OsString::from).collect();
        let (program, arguments) = command_line(&written, &settings())?;
        let all = [vec![program], arguments].concat();
        let all: Vec<_> = all.iter().map(|it| it.to_str().unwrap()).collect();
        Ok(all.join(" "))
    }

    #[test]
    fn envoy_gets_what_istio_s_agent_tells_it() {
        assert_eq!(
            line(&["envoy"]).unwrap(),
            "envoy --config-path /f/envoy.json --concurrency 2 --drain-time-s 5 --drain-strategy immediate \
             --local-address-ip-version v4 --log-level warning --disable-hot-restart"
        );
    }

    #[test]
    fn what_is_written_comes_in_place_of_the_agent_s() {
        assert_eq!(
            line(&[
                "/bin/envoy",
                "-l",
                "info",
                "--concurrency=1",
                "--disable-hot-restart",
                "--enable-mutex-tracing"
            ])
            .unwrap(),
            "/bin/envoy --config-path /f/envoy.json --drain-time-s 5 --drain-strategy immediate \
             --local-address-ip-version v4 -l info --concurrency=1 --disable-hot-restart --enable-mutex-tracing"
        );
    }

    #[test]
    fn another_bootstrap_is_refused() {
        assert_eq!(line(&[]), Err(Refused::NoProgram));
        for written in ["-c", "-cfile", "--config-path", "--config-path=file"] {
            let refused = line(&["envoy", written]);
            assert!(matches!(refused, Err(Refused::Config(_))), "{written}");
        }
        assert!(line(&["envoy", "--config-yaml", "{}"]).is_ok());
    }
}
