//! The environment of the proxy's container.

use std::{env, num::NonZero, thread::available_parallelism, time::Duration};

use super::proxy_config::{ProxyConfig, duration};

/// Workers where neither ProxyConfig nor a CPU limit says how many, as in Istio.
const DEFAULT_CONCURRENCY: usize = 2;

/// What the sidecar is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment {
    pub proxy_config: ProxyConfig,
    /// `ISTIO_CPU_LIMIT`: the container's limit, in cores.
    pub cpu_limit: Option<usize>,
    /// `EXIT_ON_ZERO_ACTIVE_CONNECTIONS`: end once the last connection has.
    pub exit_on_zero_active_connections: bool,
    /// `MINIMUM_DRAIN_DURATION`: how long to wait before connections are counted.
    pub minimum_drain_duration: Duration,
}

impl Environment {
    /// Reads the process's own, and logs what can't be read.
    pub fn of_process() -> Self {
        let (environment, remarks) = Self::read(|name| env::var(name).ok());
        for remark in remarks {
            tracing::warn!("{remark}");
        }
        environment
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> (Self, Vec<String>) {
        let (proxy_config, remarks) =
            ProxyConfig::parse(&variable("PROXY_CONFIG").unwrap_or_default());
        let mut variables = Variables { variable, remarks };
        let five_seconds = Duration::from_secs(5);
        let environment = Self {
            proxy_config,
            cpu_limit: variables.read("ISTIO_CPU_LIMIT", "a whole number", |text| {
                text.parse().ok()
            }),
            exit_on_zero_active_connections: variables
                .read(
                    "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
                    "true or false",
                    parse_bool,
                )
                .unwrap_or_default(),
            minimum_drain_duration: variables
                .read("MINIMUM_DRAIN_DURATION", "a duration such as 5s", duration)
                .unwrap_or(five_seconds),
        };
        (environment, variables.remarks)
    }

    /// How many workers there are: as ProxyConfig says (0: one for each core), otherwise as
    /// many as the CPU limit has cores, otherwise two; never more than there are cores.
    pub fn concurrency(&self) -> usize {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let wanted = self.proxy_config.concurrency.or(self.cpu_limit);
        match wanted.unwrap_or(DEFAULT_CONCURRENCY) {
            0 => cores,
            workers => workers.min(cores),
        }
    }
}

/// Variables, and what is wrong with them.
struct Variables<F> {
    variable: F,
    remarks: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = (self.variable)(name).filter(|text| !text.is_empty())?;
        let value = parse(&text);
        if value.is_none() {
            self.remarks.push(format!(
                "{name} must be {expected}, not {text:?}; the default is used instead"
            ));
        }
        value
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Environment, Vec<String>) {
        Environment::read(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_means_the_defaults() {
        let (environment, remarks) = read(&[]);
        assert_eq!(remarks, [""; 0]);
        assert_eq!(environment.minimum_drain_duration, Duration::from_secs(5));
        assert!(!environment.exit_on_zero_active_connections);
        let cores = available_parallelism().unwrap().get();
        assert_eq!(environment.concurrency(), cores.min(2));
    }

    #[test]
    fn the_mesh_s_number_of_workers_beats_the_cpu_limit() {
        let (environment, _) = read(&[("ISTIO_CPU_LIMIT", "1")]);
        assert_eq!(environment.concurrency(), 1);
        let config = r#"{"concurrency": 0}"#;
        let (environment, _) = read(&[("ISTIO_CPU_LIMIT", "1"), ("PROXY_CONFIG", config)]);
        assert_eq!(
            environment.concurrency(),
            available_parallelism().unwrap().get()
        );
    }

    #[test]
    fn says_what_can_not_be_read() {
        let (environment, remarks) = read(&[
            ("ISTIO_CPU_LIMIT", "half"),
            ("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "t"),
            ("MINIMUM_DRAIN_DURATION", "5"),
        ]);
        assert!(environment.exit_on_zero_active_connections);
        assert_eq!(remarks.len(), 2);
        assert!(remarks[0].starts_with("ISTIO_CPU_LIMIT must be a whole number, not \"half\""));
    }
}
