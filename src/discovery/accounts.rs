//! The service accounts that have pods. The model's thread records them for the CA: a certificate alone does not show
//! whether its workload still exists.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::model::{Change, Key, Pod};

/// The accounts that have pods. Threads share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The account of each pod.
    pods: HashMap<Key, Arc<str>>,
    /// How many pods each account has, by its namespace and name.
    counts: HashMap<Key, usize>,
    is_complete: bool,
}

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has a pod.
    HasPod,
    /// It has none.
    HasNone,
    /// Not all pods are known yet.
    Unknown,
}

impl Accounts {
    /// Takes in a change of a pod.
    pub fn take(&self, change: &Change<Pod>) {
        let mut state = self.state();
        match change {
            Change::Apply(pod) => {
                let before = state.pods.get(&pod.key);
                if before != Some(&pod.service_account) {
                    state.forget(&pod.key);
                    let account = Arc::clone(&pod.service_account);
                    let key = Key::new(Arc::clone(&pod.key.namespace), Arc::clone(&account));
                    *state.counts.entry(key).or_default() += 1;
                    state.pods.insert(pod.key.clone(), account);
                }
            }
            Change::Delete(pod) => state.forget(pod),
        }
    }

    /// All pods are known from now on.
    pub fn complete(&self) {
        self.state().is_complete = true;
    }

    /// What is known of an account.
    pub fn standing(&self, namespace: &str, account: &str) -> Standing {
        let state = self.state();
        if state.counts.contains_key(&Key::new(namespace, account)) {
            Standing::HasPod
        } else if state.is_complete {
            Standing::HasNone
        } else {
            Standing::Unknown
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, pod: &Key) {
        let Some(account) = self.pods.remove(pod) else {
            return;
        };
        let key = Key::new(Arc::clone(&pod.namespace), account);
        if let Some(count) = self.counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Captured, Labels, ProxyKind};

    fn pod(name: &str, account: &str) -> Change<Pod> {
        Change::Apply(Pod {
            key: Key::new("shop", name),
            labels: Labels::default(),
            ips: Vec::new(),
            service_account: account.into(),
            node: None,
            ports: Vec::new(),
            has_proxy: true,
            captured: Captured::All,
            proxy: ProxyKind::Sidecar,
            tracing: None,
        })
    }

    #[test]
    fn an_account_stands_as_long_as_it_has_a_pod() {
        let accounts = Accounts::default();
        let standing = |account: &str| accounts.standing("shop", account);
        assert_eq!(standing("web"), Standing::Unknown);
        for change in [pod("a", "web"), pod("a", "web"), pod("b", "web")] {
            accounts.take(&change);
        }
        assert_eq!(standing("web"), Standing::HasPod);
        accounts.complete();
        assert_eq!(standing("db"), Standing::HasNone);
        assert_eq!(accounts.standing("other", "web"), Standing::HasNone);
        accounts.take(&Change::Delete(Key::new("shop", "a")));
        accounts.take(&Change::Delete(Key::new("shop", "a")));
        assert_eq!(standing("web"), Standing::HasPod);
        // A pod of the same name with another account.
        accounts.take(&pod("b", "db"));
        assert_eq!(standing("web"), Standing::HasNone);
        assert_eq!(standing("db"), Standing::HasPod);
    }
}
