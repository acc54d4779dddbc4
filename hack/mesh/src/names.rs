//! What everything in the mesh is called, by its number.

/// Over so many namespaces the Services are spread.
pub(crate) const NAMESPACES: usize = 10;
/// The port of each Service.
pub(crate) const PORT: u16 = 9080;
/// The versions of each Service, one pod each.
pub(crate) const VERSIONS: [&str; 2] = ["v1", "v2"];

/// The namespace of this number.
pub(crate) fn namespace(number: usize) -> String {
    format!("bench-{}", number % NAMESPACES)
}

/// A Service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service(pub usize);

impl Service {
    /// Its name, also of its rules and its EndpointSlice.
    pub fn name(self) -> String {
        format!("service-{:04}", self.0)
    }

    /// Its namespace.
    pub fn namespace(self) -> String {
        namespace(self.0)
    }

    /// The name of its cluster without a subset, as Istio writes it.
    pub fn cluster(self) -> String {
        let (name, namespace) = (self.name(), self.namespace());
        format!("outbound|{PORT}||{name}.{namespace}.svc.cluster.local")
    }

    /// Its pods.
    pub fn pods(self) -> [Pod; 2] {
        [0, 1].map(|version| Pod {
            service: self,
            version,
        })
    }
}

/// One of a Service's pods.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pod {
    /// The Service.
    pub service: Service,
    /// Which of the [`VERSIONS`] it runs.
    pub version: usize,
}

impl Pod {
    /// The pod of this number, of all of them.
    pub fn nth(number: usize) -> Self {
        Self {
            service: Service(number / 2),
            version: number % 2,
        }
    }

    /// The value of its label `version`.
    pub fn version(self) -> &'static str {
        VERSIONS.get(self.version).copied().unwrap_or_default()
    }

    /// Its name.
    pub fn name(self) -> String {
        format!("{}-{}", self.service.name(), self.version())
    }

    /// Its address.
    pub fn ip(self) -> String {
        let number = self.service.0 * 2 + self.version;
        format!("10.1.{}.{}", number / 250, number % 250 + 1)
    }
}

/// An address that no pod has, of 13 characters, so that none is the beginning of another one. There are 10,000.
pub(crate) fn marker_address(number: usize) -> String {
    format!("10.99.{}.{}", 100 + number / 100 % 100, 100 + number % 100)
}

/// A name that no route has. None is the beginning of another one.
pub(crate) fn marker_name(number: usize) -> String {
    format!("changed-{number:06}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_pods_have_an_address() {
        let addresses: HashSet<_> = (0..2_000).map(|number| Pod::nth(number).ip()).collect();
        assert_eq!(addresses.len(), 2_000);
        assert_eq!(Pod::nth(3).name(), "service-0001-v2");
    }

    #[test]
    fn markers_are_as_long_as_each_other() {
        let markers: HashSet<_> = (0..10_000).map(marker_address).collect();
        assert_eq!(markers.len(), 10_000);
        assert!(markers.iter().all(|marker| marker.len() == 13));
    }
}
