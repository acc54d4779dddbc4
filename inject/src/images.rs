//! The images of the injection's containers.

use serde_json::Value;

use crate::{annotations, config::values::Values, pod};

/// The images that one pod gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Images {
    pub proxy: String,
    pub init: String,
}

impl Images {
    /// The images that the values configure.
    pub fn configured(values: &Values) -> Self {
        Self::with_override(values, None)
    }

    /// The images of a pod: an annotation with a whole reference replaces both.
    pub fn of(pod: &Value, values: &Values) -> Self {
        let annotation = pod::annotation(pod, annotations::PROXY_IMAGE);
        Self::with_override(values, annotation.filter(|image| image.contains('/')))
    }

    fn with_override(values: &Values, whole: Option<&str>) -> Self {
        let image = |name: &str| match whole {
            Some(image) => image.to_owned(),
            None if name.contains('/') => name.to_owned(),
            None => format!("{}/{name}:{}", values.hub, values.tag),
        };
        Self {
            proxy: image(&values.proxy.image),
            init: image(&values.init.image),
        }
    }
}
