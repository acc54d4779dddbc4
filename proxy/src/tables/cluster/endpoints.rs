//! The endpoints of a cluster, and whose turn it is.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use fastrand::Rng;

use super::{
    security::Security,
    settings::{Balancer, EndpointSettings},
    state::{ClusterState, EndpointState},
};

/// Turns of a schedule, which take 16 KB. Weights that need more are rounded.
const MAX_TURNS: u64 = 4096;

/// An endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub address: SocketAddr,
    pub state: Arc<EndpointState>,
    pub security: Security,
}

/// The endpoints that are in use: the healthy ones of the first priority that has some.
#[derive(Debug)]
pub(crate) struct EndpointSet {
    endpoints: Vec<Endpoint>,
    /// Indices of the endpoints, each as often as its weight says; empty where all weigh
    /// the same.
    schedule: Vec<u32>,
}

impl EndpointSet {
    /// Chooses those to use.
    pub(super) fn new(all: &[EndpointSettings], state: &ClusterState) -> Self {
        let healthy = || all.iter().filter(|endpoint| endpoint.is_healthy);
        let priority = healthy().map(|endpoint| endpoint.priority).min();
        let used: Vec<_> = healthy()
            .filter(|endpoint| Some(endpoint.priority) == priority)
            .collect();
        let weights: Vec<_> = used.iter().map(|endpoint| endpoint.weight).collect();
        let endpoints = used.iter().map(|endpoint| Endpoint {
            address: endpoint.address,
            state: state.endpoint(endpoint.address),
            security: Security::new(endpoint.is_secured),
        });
        Self {
            endpoints: endpoints.collect(),
            schedule: schedule(&weights),
        }
    }

    /// Has requests follow what has changed since the generation before a moment later, and returns what the next
    /// generation has to know.
    pub(super) fn follow(
        &mut self,
        before: &HashMap<SocketAddr, Security>,
    ) -> HashMap<SocketAddr, Security> {
        let followed = self.endpoints.iter_mut().map(|endpoint| {
            if let Some(before) = before.get(&endpoint.address) {
                endpoint.security = before.told(endpoint.security.for_bytes());
            }
            (endpoint.address, endpoint.security)
        });
        followed.collect()
    }

    /// The address of each, and how many requests it has.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, u32)> {
        let endpoints = self.endpoints.iter();
        endpoints.map(|endpoint| (endpoint.address, endpoint.state.active()))
    }

    /// Whether it has an endpoint of that address, to which requests go by TLS or don't.
    pub fn has(&self, address: SocketAddr, is_secured: bool) -> bool {
        let mut endpoints = self.endpoints.iter();
        endpoints.any(|it| it.address == address && it.security.for_requests() == is_secured)
    }

    /// Chooses one. `turn` gives the next number of a row.
    pub fn pick(
        &self,
        balancer: Balancer,
        turn: impl FnOnce() -> usize,
        random: &mut Rng,
    ) -> Option<&Endpoint> {
        if self.endpoints.len() <= 1 {
            return self.endpoints.first();
        }
        match balancer {
            Balancer::RoundRobin => self.at(turn()),
            Balancer::Random => self.at(random.usize(..self.turns())),
            Balancer::LeastRequest => {
                let first = random.usize(..self.turns());
                // Another one, unless one of them has more turns than all others.
                let second = first + 1 + random.usize(..self.turns() - 1);
                let (one, other) = (self.at(first)?, self.at(second)?);
                Some(if other.state.active() < one.state.active() {
                    other
                } else {
                    one
                })
            }
        }
    }

    /// The first one that is none of these.
    pub fn other(&self, tried: &[SocketAddr]) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter();
        endpoints.find(|endpoint| !tried.contains(&endpoint.address))
    }

    fn turns(&self) -> usize {
        match self.schedule.len() {
            0 => self.endpoints.len(),
            turns => turns,
        }
    }

    fn at(&self, turn: usize) -> Option<&Endpoint> {
        let place = turn.checked_rem(self.turns())?;
        let index = match self.schedule.get(place) {
            Some(index) => usize::try_from(*index).ok()?,
            None => place,
        };
        self.endpoints.get(index)
    }
}

/// Turns by weight, those of one endpoint as far from each other as possible: of all
/// that have turns left, the one whose next is due first (earliest deadline first).
fn schedule(weights: &[u32]) -> Vec<u32> {
    if weights.windows(2).all(|pair| pair[0] == pair[1]) {
        return Vec::new();
    }
    let weights = reduced(weights);
    let total: u64 = weights.iter().sum();
    // Deadlines are multiples of 1 / weight; on a common scale they are whole numbers.
    let due = |turn: u64, weight: u64| u128::from(2 * turn + 1) * (1 << 64) / u128::from(weight);
    let mut queue: BinaryHeap<_> = (0u32..)
        .zip(weights)
        .map(|(index, weight)| Reverse((due(0, weight), index, 0, weight)))
        .collect();
    let mut turns = Vec::new();
    for _ in 0..total {
        let Some(Reverse((_, index, turn, weight))) = queue.pop() else {
            break;
        };
        turns.push(index);
        queue.push(Reverse((due(turn + 1, weight), index, turn + 1, weight)));
    }
    turns
}

/// The weights in the smallest whole numbers, rounded where they are too many.
fn reduced(weights: &[u32]) -> Vec<u64> {
    let weights = weights.iter().map(|weight| u64::from(*weight).max(1));
    let divisor = weights.clone().fold(0, greatest_common_divisor).max(1);
    let total = weights.clone().sum::<u64>() / divisor;
    let excess = total.div_ceil(MAX_TURNS).max(1);
    let scale = divisor.saturating_mul(excess);
    weights.map(|weight| (weight / scale).max(1)).collect()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(last: u8, weight: u32) -> EndpointSettings {
        EndpointSettings {
            weight,
            ..EndpointSettings::new(SocketAddr::from(([10, 0, 0, last], 80)))
        }
    }

    fn set(endpoints: &[EndpointSettings]) -> EndpointSet {
        EndpointSet::new(endpoints, &ClusterState::default())
    }

    fn picked(set: &EndpointSet, balancer: Balancer, times: usize) -> Vec<u8> {
        let mut random = Rng::with_seed(7);
        (0..times)
            .filter_map(|turn| set.pick(balancer, || turn, &mut random))
            .map(|endpoint| match endpoint.address {
                SocketAddr::V4(address) => address.ip().octets()[3],
                SocketAddr::V6(_) => 0,
            })
            .collect()
    }

    fn share(picked: &[u8], last: u8) -> usize {
        picked.iter().filter(|other| **other == last).count()
    }

    #[test]
    fn turns_follow_the_weights_and_are_spread() {
        let set = set(&[endpoint(1, 4), endpoint(2, 2), endpoint(3, 0)]);
        let turns = picked(&set, Balancer::RoundRobin, 7);
        assert_eq!(turns, [1, 2, 1, 3, 1, 2, 1]);
        assert_eq!(schedule(&[3, 3]), Vec::<u32>::new());
        assert_eq!(schedule(&[100, 50]), [0, 1, 0]);
    }

    #[test]
    fn a_schedule_is_bounded() {
        let turns = schedule(&[u32::MAX, 1, u32::MAX]);
        assert!(turns.len() <= 4096 + 3);
        assert_eq!(turns.iter().filter(|index| **index == 1).count(), 1);
    }

    #[test]
    fn random_picks_follow_the_weights() {
        let set = set(&[endpoint(1, 8), endpoint(2, 2)]);
        let picked = picked(&set, Balancer::Random, 1000);
        assert!(
            (750..850).contains(&share(&picked, 1)),
            "{}",
            share(&picked, 1)
        );
    }

    #[test]
    fn a_busy_endpoint_is_avoided() {
        let set = set(&[endpoint(1, 1), endpoint(2, 1)]);
        let _request = set.endpoints[0].state.begin();
        assert_eq!(share(&picked(&set, Balancer::LeastRequest, 100), 2), 100);
    }

    #[test]
    fn idle_endpoints_are_alike() {
        let set = set(&[endpoint(1, 1), endpoint(2, 1), endpoint(3, 1)]);
        let picked = picked(&set, Balancer::LeastRequest, 900);
        for last in 1..=3 {
            assert!((250..350).contains(&share(&picked, last)));
        }
    }

    #[test]
    fn the_first_priority_with_a_healthy_endpoint_is_used() {
        let mut all = [endpoint(1, 1), endpoint(2, 1), endpoint(3, 1)];
        all[1].priority = 1;
        all[2].priority = 2;
        assert_eq!(picked(&set(&all), Balancer::RoundRobin, 2), [1, 1]);
        all[0].is_healthy = false;
        assert_eq!(picked(&set(&all), Balancer::RoundRobin, 2), [2, 2]);
        assert_eq!(set(&[]).iter().count(), 0);
        assert_eq!(picked(&set(&[]), Balancer::Random, 1), Vec::<u8>::new());
    }
}
