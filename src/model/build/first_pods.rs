//! The first pods of a Service, which stand for all of them.

use crate::model::{
    index::Index,
    objects::{EndpointSlice, Pod, Service},
    world::Destination,
};

/// How many slices of a Service, and pods of each, are looked at: those of one Service mostly are equal.
const PODS: usize = 8;
/// How many hosts of a wildcard are reported.
pub(super) const HOSTS: usize = 4;

/// One of them.
pub(super) struct FirstPod<'a> {
    pub pod: &'a Pod,
    service: &'a Service,
    slice: &'a EndpointSlice,
}

impl<'a> FirstPod<'a> {
    /// Those behind a destination. A ServiceEntry has none.
    pub fn all(index: &'a Index, to: &Destination) -> Vec<Self> {
        let Some(service) = index.service(&to.service).filter(|_| to.external.is_none()) else {
            return Vec::new();
        };
        let slices = index.slices(&to.service).take(PODS);
        let pods = slices.flat_map(|slice| {
            let endpoints = slice.endpoints.iter().take(PODS);
            let pods = endpoints.filter_map(|endpoint| index.pod(endpoint.pod.as_ref()?));
            pods.map(|pod| Self {
                pod,
                service,
                slice,
            })
        });
        pods.collect()
    }

    /// The Service's ports that the pod has, each with the pod's own.
    pub fn ports(&self) -> impl Iterator<Item = (u16, u16)> {
        self.service.ports.iter().filter_map(|port| {
            let mut ports = self.slice.ports.iter();
            let own = ports.find(|own| own.name == port.name)?;
            Some((port.port, own.port))
        })
    }
}
