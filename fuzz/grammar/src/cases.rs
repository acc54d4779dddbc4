//! The worst known pods: each of them once cost too much, or looks as if it might.

use std::fmt::Write as _;

use crate::{
    MAX_BYTES, annotations,
    large::Pod,
    text::{list, nested, quoted, repeated},
};

/// A pod that is designed to be expensive.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name, which says what is large in the pod.
    pub name: &'static str,
    /// The maximum useful size, in bytes. Beyond it, a review refuses some of the pods because
    /// of their memory, or an API server can't send them.
    pub most: usize,
    pod: fn(&mut Pod, usize),
}

impl Case {
    /// Returns the pod as JSON, of about this many bytes.
    #[must_use]
    pub fn pod(&self, bytes: usize) -> String {
        let mut pod = Pod::default();
        (self.pod)(&mut pod, bytes.min(self.most));
        pod.json()
    }

    /// Returns a review of the largest pod.
    #[must_use]
    pub fn review(&self) -> String {
        crate::review(&self.pod(self.most))
    }

    /// Returns the case with this name.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[must_use]
    pub fn named(name: &str) -> &'static Self {
        let mut cases = CASES.iter();
        let found = cases.find(|case| case.name == name);
        found.unwrap_or_else(|| panic!("there is no case {name:?}"))
    }
}

/// The maximum size of a pod with many small parts whose memory is within the limit.
const LIGHT: usize = 236 * 1024;
/// The size reserved for the rest of the pod.
const WHOLE: usize = MAX_BYTES - 8 * 1024;

const fn case(name: &'static str, most: usize, pod: fn(&mut Pod, usize)) -> Case {
    Case { name, most, pod }
}

/// All known cases.
pub const CASES: &[Case] = &[
    // Trees.
    case("wide_object", WHOLE, |pod, bytes| {
        pod.spec = format!(
            r#","x":{{{}}}"#,
            list(bytes, |text, number| {
                let _ = write!(text, r#""{number}":0"#);
            })
        );
    }),
    case("wide_object_that_is_light", 900_000, |pod, bytes| {
        pod.spec = format!(
            r#","x":{{{}}}"#,
            list(bytes, |text, number| {
                let _ = write!(text, r#""{number}":0"#);
            })
        );
    }),
    case("many_small_objects", LIGHT, |pod, bytes| {
        pod.spec = format!(
            r#","x":[{}]"#,
            list(bytes, |text, _| text.push_str(r#"{"":0}"#))
        );
    }),
    case("many_empty_lists", WHOLE, |pod, bytes| {
        pod.spec = format!(r#","x":[{}]"#, list(bytes, |text, _| text.push_str("[]")));
    }),
    case("many_numbers", WHOLE, |pod, bytes| {
        pod.spec = format!(r#","x":[{}]"#, list(bytes, |text, _| text.push('0')));
    }),
    case("deep_nesting", LIGHT, |pod, bytes| {
        let deep = nested(110, r#"{"a":"#, "0", "}");
        pod.spec = format!(r#","x":[{}]"#, list(bytes, |text, _| text.push_str(&deep)));
    }),
    case("deep_lists", WHOLE, |pod, bytes| {
        let deep = nested(110, "[", "", "]");
        pod.spec = format!(r#","x":[{}]"#, list(bytes, |text, _| text.push_str(&deep)));
    }),
    case("long_string_with_escapes", WHOLE, |pod, bytes| {
        pod.spec = format!(r#","x":"{}""#, repeated(r"\u0000", bytes));
    }),
    case("one_key_many_times", WHOLE, |pod, bytes| {
        pod.spec = list(bytes, |text, _| text.push_str(r#""volumes":[]"#));
        pod.spec.insert(0, ',');
    }),
    // Every list that the injection reads.
    case("containers", LIGHT, |pod, bytes| {
        pod.containers = format!(",{}", named(bytes, "c"));
    }),
    case("containers_without_names", LIGHT, |pod, bytes| {
        pod.containers = format!(
            ",{}",
            list(bytes, |text, _| text.push_str(r#"{"name":""}"#))
        );
    }),
    case("containers_of_the_proxy", LIGHT, |pod, bytes| {
        pod.containers = format!(
            ",{}",
            list(bytes, |text, _| text.push_str(r#"{"name":"istio-proxy"}"#))
        );
    }),
    case("init_containers", LIGHT, |pod, bytes| {
        spec_list(pod, "initContainers", &named(bytes, "c"))
    }),
    case("ephemeral_containers", LIGHT, |pod, bytes| {
        spec_list(pod, "ephemeralContainers", &named(bytes, "c"));
    }),
    case("env", 400_000, |pod, bytes| {
        container_list(
            pod,
            "env",
            &list(bytes, |text, number| {
                let _ = write!(text, r#"{{"name":"V{number}","value":"{number}"}}"#);
            }),
        );
    }),
    case("env_of_the_proxy", 400_000, |pod, bytes| {
        let env = list(bytes, |text, number| {
            let _ = write!(text, r#"{{"name":"V{number}","value":"{number}"}}"#);
        });
        pod.containers = format!(r#",{{"name":"istio-proxy","image":"auto","env":[{env}]}}"#);
    }),
    case("ports", 400_000, |pod, bytes| {
        container_list(
            pod,
            "ports",
            &list(bytes, |text, number| {
                let _ = write!(text, r#"{{"name":"p{number}","containerPort":8080}}"#);
            }),
        );
    }),
    case("volumes_without_names", LIGHT, |pod, bytes| {
        spec_list(
            pod,
            "volumes",
            &list(bytes, |text, _| text.push_str(r#"{"name":""}"#)),
        );
    }),
    case("volumes", 400_000, |pod, bytes| {
        spec_list(pod, "volumes", &named(bytes, "v"))
    }),
    case("volume_mounts", 400_000, |pod, bytes| {
        container_list(
            pod,
            "volumeMounts",
            &list(bytes, |text, number| {
                let _ = write!(text, r#"{{"name":"v{number}","mountPath":"/{number}"}}"#);
            }),
        );
    }),
    case("owner_references", LIGHT, |pod, bytes| {
        pod.metadata = format!(r#","ownerReferences":[{}]"#, named(bytes, "o"));
    }),
    case("image_pull_secrets", LIGHT, |pod, bytes| {
        spec_list(pod, "imagePullSecrets", &named(bytes, "s"));
    }),
    case("labels", WHOLE, |pod, bytes| {
        pod.labels = members(bytes, "l")
    }),
    case("annotations", WHOLE, |pod, bytes| {
        pod.annotations = members(bytes, "a")
    }),
    case(
        "scrape_annotations_in_all_spellings",
        1_500_000,
        |pod, bytes| {
            pod.annotations = format!(
                ",{}",
                list(bytes, |text, number| {
                    let _ = write!(text, r#""prometheus_io.{number}":"""#);
                })
            );
        },
    ),
    case("probes_for_a_port_far_back", LIGHT, |pod, bytes| {
        let ports = list(bytes / 2, |text, number| {
            let _ = write!(text, r#"{{"name":"p{number}","containerPort":1}}"#);
        });
        let probe = r#"{"httpGet":{"port":"none"}}"#;
        pod.containers = format!(
            r#",{}"#,
            list(bytes / 2, |text, number| {
                let _ = write!(
                    text,
                    r#"{{"name":"c{number}","readinessProbe":{probe},"livenessProbe":{probe}}}"#
                );
            })
        );
        container_list(pod, "ports", &ports);
    }),
    case(
        "probes_of_containers_of_one_name",
        1_500_000,
        |pod, bytes| {
            let small = r#"{"name":"same","readinessProbe":{"httpGet":{"port":1}}}"#;
            let path = repeated("a", bytes - bytes / 8);
            pod.containers = format!(
                r#",{},{{"name":"same","readinessProbe":{{"httpGet":{{"port":1,"path":"{path}"}}}}}}"#,
                list(bytes / 8, |text, _| text.push_str(small))
            );
        },
    ),
    case("wrong_types", WHOLE, |pod, bytes| {
        spec_list(
            pod,
            "volumes",
            &list(bytes.min(480_000), |text, _| text.push('0')),
        );
    }),
    case("labels_of_wrong_types", 900_000, |pod, bytes| {
        pod.labels = format!(
            ",{}",
            list(bytes, |text, number| {
                let _ = write!(text, r#""{number}":0"#);
            })
        );
    }),
    // Long texts.
    case("long_name", WHOLE, |pod, bytes| {
        pod.containers = format!(r#",{{"name":"{}"}}"#, repeated("a", bytes));
    }),
    case("long_namespace_of_the_pod", WHOLE, |pod, bytes| {
        pod.metadata = format!(r#","namespace":"{}""#, repeated("a", bytes));
    }),
    case("long_label", WHOLE, |pod, bytes| {
        pod.labels = format!(
            r#","service.istio.io/canonical-name":"{}""#,
            repeated("-", bytes)
        );
    }),
    case("long_dns_policy", WHOLE, |pod, bytes| {
        pod.spec = format!(r#","dnsPolicy":"{}""#, repeated(r"\u0000", bytes));
    }),
    case("long_value_of_inject", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "sidecar.istio.io/inject",
            &repeated("\u{0}", bytes / 6),
        );
    }),
    case("long_wrong_annotation", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "sidecar.istio.io/logLevel",
            &repeated("\u{0}", bytes / 6),
        );
    }),
    case("long_image", WHOLE, |pod, bytes| {
        annotate(pod, "sidecar.istio.io/proxyImage", &repeated("a/", bytes));
    }),
    case("long_component_log_level", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "sidecar.istio.io/componentLogLevel",
            &repeated("\"", bytes / 2),
        );
    }),
    case("all_annotations_wrong", WHOLE, |pod, bytes| {
        for name in [
            "interceptionMode",
            "proxyCPU",
            "proxyMemory",
            "proxyCPULimit",
            "logLevel",
            "userVolume",
        ] {
            annotate(
                pod,
                &format!("sidecar.istio.io/{name}"),
                &repeated("x", bytes / 6),
            );
        }
    }),
    // Large annotations.
    case("user_volume_nested", WHOLE, |pod, bytes| {
        // 3,500 of them take 2.7 MB.
        let volumes = annotations::user_volumes(bytes * 3500 / WHOLE, 110);
        annotate(pod, "sidecar.istio.io/userVolume", &volumes);
    }),
    case("user_volumes", WHOLE, |pod, bytes| {
        let volumes = annotations::SHAPES[0](bytes - bytes / 4);
        annotate(pod, "sidecar.istio.io/userVolume", &volumes);
    }),
    case("user_volumes_and_volumes", 500_000, |pod, bytes| {
        annotate(
            pod,
            "sidecar.istio.io/userVolume",
            &annotations::SHAPES[0](bytes / 3),
        );
        spec_list(pod, "volumes", &named(bytes / 2, "w"));
    }),
    case("user_volume_mounts", WHOLE, |pod, bytes| {
        let volumes = annotations::SHAPES[0](bytes - bytes / 4);
        annotate(pod, "sidecar.istio.io/userVolumeMount", &volumes);
    }),
    case("proxy_metadata", WHOLE, |pod, bytes| {
        // 200,000 of them take 2.4 MB.
        let metadata = annotations::proxy_metadata(bytes * 200_000 / WHOLE);
        annotate(pod, "proxy.istio.io/config", &metadata);
    }),
    case("proxy_config_unknown_fields", WHOLE, |pod, bytes| {
        let fields = list(bytes, |text, number| {
            let _ = write!(text, "f{number}: 0");
        });
        annotate(pod, "proxy.istio.io/config", &format!("{{{fields}}}"));
    }),
    case("proxy_config_wrong_field", WHOLE, |pod, bytes| {
        let text = format!("concurrency: \"{}\"", repeated("a", bytes));
        annotate(pod, "proxy.istio.io/config", &text);
    }),
    case("yaml_aliases", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "proxy.istio.io/config",
            &annotations::yaml_aliases(bytes - bytes / 16),
        );
    }),
    case("yaml_merge_keys", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "proxy.istio.io/config",
            &annotations::yaml_merges(bytes / 24),
        );
    }),
    case("yaml_nested", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "proxy.istio.io/config",
            &nested(bytes / 2, "[", "", "]"),
        );
    }),
    case("yaml_list", WHOLE, |pod, bytes| {
        let items = list(bytes, |text, _| text.push('0'));
        annotate(
            pod,
            "proxy.istio.io/config",
            &format!("{{extraStatTags: [{items}]}}"),
        );
    }),
    case("yaml_lines", WHOLE, |pod, bytes| {
        let text = format!("binaryPath: |\n{}", repeated(" x\n", bytes * 3 / 4));
        annotate(pod, "proxy.istio.io/config", &text);
    }),
    case("templates", WHOLE, |pod, bytes| {
        // 32,000 of them take 256 KB.
        annotate(
            pod,
            "inject.istio.io/templates",
            &annotations::templates(bytes * 32_000 / WHOLE),
        );
    }),
    case("unknown_template", WHOLE, |pod, bytes| {
        annotate(
            pod,
            "inject.istio.io/templates",
            &repeated("\u{0}", bytes / 6),
        );
    }),
    case("scrape_targets", WHOLE, |pod, bytes| {
        let targets = list(bytes, |text, _| text.push('1'));
        annotate(pod, "prometheus.istio.io/scrape-targets", &targets);
    }),
    case("excluded_ports", WHOLE, |pod, bytes| {
        let ports = list(bytes, |text, _| text.push('1'));
        annotate(pod, "traffic.sidecar.istio.io/excludeInboundPorts", &ports);
    }),
    case("included_ranges", WHOLE, |pod, bytes| {
        let ranges = list(bytes, |text, _| text.push_str("::/0"));
        annotate(
            pod,
            "traffic.sidecar.istio.io/includeOutboundIPRanges",
            &ranges,
        );
    }),
    case("excluded_interfaces", WHOLE, |pod, bytes| {
        let names = list(bytes, |text, _| text.push('e'));
        annotate(pod, "traffic.sidecar.istio.io/excludeInterfaces", &names);
    }),
    case("injected_already_many_times", LIGHT, |pod, bytes| {
        let proxy = r#"{"name":"istio-init","image":"i","args":["init"]}"#;
        pod.containers = format!(",{}", list(bytes, |text, _| text.push_str(proxy)));
    }),
    case("status", WHOLE, |pod, bytes| {
        let names = list(bytes / 2, |text, number| {
            let _ = write!(text, r#""n{number}""#);
        });
        let status = format!(r#"{{"containers":[{names}]}}"#);
        annotate(pod, "sidecar.istio.io/status", &status);
    }),
];

fn named(bytes: usize, prefix: &str) -> String {
    list(bytes, |text, number| {
        let _ = write!(text, r#"{{"name":"{prefix}{number}"}}"#);
    })
}

fn members(bytes: usize, prefix: &str) -> String {
    let members = list(bytes, |text, number| {
        let _ = write!(text, r#""{prefix}{number}":"""#);
    });
    format!(",{members}")
}

fn spec_list(pod: &mut Pod, name: &str, elements: &str) {
    let _ = write!(pod.spec, r#","{name}":[{elements}]"#);
}

fn container_list(pod: &mut Pod, name: &str, elements: &str) {
    let _ = write!(pod.container, r#","{name}":[{elements}]"#);
}

fn annotate(pod: &mut Pod, name: &str, text: &str) {
    let _ = write!(pod.annotations, ",{}:{}", quoted(name), quoted(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_pod_in_json_that_an_api_server_could_send() {
        for case in CASES {
            let text = case.review();
            let read = serde_json::from_str::<serde_json::Value>(&text);
            assert!(read.is_ok(), "{}: {read:?}", case.name);
            assert!(
                text.len() <= MAX_BYTES,
                "{}: {} bytes",
                case.name,
                text.len()
            );
            assert!(
                text.len() > case.most / 16,
                "{}: {} bytes",
                case.name,
                text.len()
            );
        }
    }

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
    }
}
