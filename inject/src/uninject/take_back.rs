//! Takes back everything that names tell.

use serde_json::Value;

use super::{
    editing::{drop_if_empty, remove_keys, remove_named},
    handlers, istio,
    proxy::Proxy,
    scrape, user_parts,
};
use crate::{
    annotations::STATUS, injection_record::InjectionRecord, overrides::Overrides, proxy_env,
};

/// Takes back everything that can be taken back by name.
pub(super) fn take_back(pod: &mut Value, record: &InjectionRecord, overrides: Overrides) {
    let proxy = Proxy::of(pod);
    user_parts::put_back(pod, record, overrides);
    for (list, names) in [
        ("volumes", &record.volumes),
        ("imagePullSecrets", &record.image_pull_secrets),
    ] {
        remove_named(pod, list, names.as_deref().unwrap_or_default());
    }
    handlers::restore(pod, proxy.json(proxy_env::APP_PROBERS));
    let scrape = proxy.json(proxy_env::PROMETHEUS_ANNOTATIONS);
    if record.is_istios() {
        istio::take_back(pod, record, &proxy, !scrape.is_empty());
    } else {
        remove_keys(pod, "labels", record.labels.as_deref().unwrap_or_default());
        remove_keys(
            pod,
            "annotations",
            record.annotations.as_deref().unwrap_or_default(),
        );
    }
    remove_keys(pod, "annotations", &[STATUS]);
    scrape::restore(pod, &scrape);
    drop_if_empty(pod, "metadata");
}
